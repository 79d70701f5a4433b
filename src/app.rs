//! Placeholder of `app`.

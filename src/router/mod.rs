//! Placeholder of `router`.

//! Placeholder of `provider`.

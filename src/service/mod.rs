//! Placeholder of `service`.

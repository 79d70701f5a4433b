//! Placeholder of `middleware`.

//! Placeholder of `observe`.

//! Placeholder of `compile`.

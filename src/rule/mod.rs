//! Placeholder of `rule`.

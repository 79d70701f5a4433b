//! Placeholder of `config`.

//! Placeholder of `entrypoint`.

//! Placeholder of `schema`.

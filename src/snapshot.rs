//! Placeholder of `snapshot`.

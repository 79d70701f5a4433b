//! Placeholder of `tls`.

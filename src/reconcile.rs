//! Placeholder of `reconcile`.

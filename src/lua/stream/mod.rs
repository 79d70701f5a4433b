//! Bodies on their way through scripts: coded by us, or handed to a script chunk by chunk.
//!
//! A stream asks for the next frame only when it is asked itself, so nothing piles up here. Must
//! not know what scripts do with bodies.

mod coded;
mod filter;
mod replaced;

pub(super) use coded::Coded;
pub(super) use filter::{Filter, Passed};
pub(super) use replaced::{Replaced, Rule};

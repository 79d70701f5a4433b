//! Predicates over named functions, such as `Attempts() <= 2 && ResponseCode() == 502`.
//!
//! Pure: which functions there are, what they take and what they say is the caller's. Calls,
//! numbers and strings are compared, `&&`, `||`, `!` and parentheses combine; a function that
//! says yes or no stands alone.

mod error;
mod eval;
mod parse;

pub use error::PredicateError;
pub use eval::{Predicate, Value};
pub use parse::{Kind, Signature};

//! What can be wrong with a predicate.

use super::Kind;

/// Why a predicate is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    /// Too long to be read.
    #[error("the expression is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
    /// Too many parentheses to be read.
    #[error("the expression has more than {max} parentheses")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Not a predicate.
    #[error("column {column}: expected {expected}")]
    Syntax {
        /// Where reading stopped, in characters from 1.
        column: usize,
        /// What could have stood there.
        expected: String,
    },
    /// No function of that name.
    #[error("unknown function {name}; known are {known}")]
    UnknownFunction {
        /// As written.
        name: String,
        /// All names, in order.
        known: String,
    },
    /// A function with too few or too many arguments.
    #[error("{name} takes {takes} arguments, not {given}")]
    Arguments {
        /// The function.
        name: String,
        /// How many it takes.
        takes: usize,
        /// How many there are.
        given: usize,
    },
    /// Sides of different kinds are compared, or something other than yes or no decides.
    #[error("{part} is a {found}, expected a {expected}")]
    Kind {
        /// The part of the expression.
        part: String,
        /// What it is.
        found: Kind,
        /// What it must be.
        expected: Kind,
    },
}

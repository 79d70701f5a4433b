//! What can be wrong with a rule, with its place.

use std::fmt;

/// A place in a rule's text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a rule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Longer than [`super::parse()`] takes.
    #[error("the rule is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
    /// Parentheses and negations nested too deep.
    #[error("rule error at {at}: nested deeper than {max}")]
    TooDeep {
        /// Where it begins to be too deep.
        at: Position,
        /// The limit.
        max: usize,
    },
    /// Not a rule.
    #[error("rule error at {at}: {reason}")]
    Syntax {
        /// Where reading stopped.
        at: Position,
        /// What was expected there, or a likely slip.
        reason: String,
    },
    /// No matcher of that name.
    #[error("rule error at {at}: unknown matcher {name}{}", hint(*nearest))]
    UnknownMatcher {
        /// Where it stands.
        at: Position,
        /// As written.
        name: String,
        /// The known name that is nearest.
        nearest: Option<&'static str>,
    },
    /// A matcher with too few or too many arguments.
    #[error("rule error at {at}: {signature} does not take {}", arguments(*given))]
    Arguments {
        /// Where it stands.
        at: Position,
        /// How it is written.
        signature: &'static str,
        /// How many there are.
        given: usize,
    },
    /// An argument that the matcher refuses.
    #[error("rule error at {at}: {matcher}: {reason}")]
    Value {
        /// Where the matcher stands.
        at: Position,
        /// The matcher.
        matcher: &'static str,
        /// What is wrong with the argument.
        reason: String,
    },
}

fn arguments(count: usize) -> String {
    if count == 1 { "1 argument".to_owned() } else { format!("{count} arguments") }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(", did you mean {name}?")).unwrap_or_default()
}

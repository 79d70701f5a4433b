//! Why a template cannot be read or gives no text. Must not know where the text came from.

use crate::value::PatternError;

/// Why a template cannot be read or gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct TemplateError {
    /// The line of the action, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `{{` or `/*` without its end.
    #[error("{0} is never closed")]
    Unclosed(&'static str),
    /// A character that has no meaning there.
    #[error("{0:?} has no meaning in an action")]
    Character(char),
    /// A text or a number that is none.
    #[error("{0} is no {1}")]
    Literal(String, &'static str),
    /// Something else stands where this was expected.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A word that is no function.
    #[error("there is no function {name:?}{}", hint(*.nearest))]
    Function {
        /// The word.
        name: String,
        /// A function that is written nearly so.
        nearest: Option<&'static str>,
    },
    /// A function of sprig that configuration cannot have.
    #[error("the function {name:?} is not supported: {reason}")]
    Unsupported {
        /// Its name.
        name: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A variable that nobody declared.
    #[error("there is no variable {0}")]
    Variable(String),
    /// A template that nobody defined.
    #[error("there is no template {0:?}")]
    Template(String),
    /// A value that cannot be called got arguments.
    #[error("{0} takes no arguments: it is no function")]
    Arguments(String),
    /// A function got too few or too many arguments.
    #[error("{name} takes {wants}, not {given} arguments")]
    Count {
        /// The function.
        name: &'static str,
        /// How many it takes.
        wants: String,
        /// How many it got.
        given: usize,
    },
    /// A function got a value of a kind it does not take.
    #[error("{name}: argument {place} must be {wants}, not {given}")]
    Type {
        /// The function.
        name: &'static str,
        /// Which argument, from 1.
        place: usize,
        /// The kind it takes.
        wants: &'static str,
        /// The kind it got.
        given: &'static str,
    },
    /// A field of something that has none.
    #[error("{kind} has no field {name:?}")]
    Field {
        /// What it is asked of.
        kind: &'static str,
        /// The field.
        name: String,
    },
    /// A place that a list or a text does not have.
    #[error("index {index} is out of range: there are {length}")]
    Range {
        /// The place.
        index: i64,
        /// How many there are.
        length: usize,
    },
    /// Values that have no order or are of different kinds.
    #[error("{0} and {1} cannot be compared")]
    Compare(&'static str, &'static str),
    /// Something that is no list, map or number.
    #[error("cannot range over {0}")]
    Iterate(&'static str),
    /// A text that is no regular expression.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A division by zero.
    #[error("division by zero")]
    Zero,
    /// A text that a function cannot read.
    #[error("{name}: {reason}")]
    Unreadable {
        /// The function.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The template says so itself.
    #[error("fail: {0}")]
    Fail(String),
    /// A map would hold itself.
    #[error("a map cannot hold itself")]
    Loop,
    /// A limit is reached.
    #[error("more than {max} {what}")]
    Limit {
        /// Of what there is too much.
        what: &'static str,
        /// How much there may be.
        max: usize,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean {name:?}?"))
}

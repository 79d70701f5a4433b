//! A predicate that has been read, and its truth.
//!
//! Must not know how predicates are written.

use super::PredicateError;
use super::parse::{self, Signature};

/// A value of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Yes or no.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
}

/// A predicate whose functions are known to exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    pub(super) root: Node,
}

/// A part that is true or false.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    /// A function that says yes or no.
    Holds(Call),
    Compare(Operand, Operator, Operand),
}

/// A side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Literal(Value),
    Call(Call),
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<Value>,
}

/// How two sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Predicate {
    /// Reads a predicate over the functions there are.
    ///
    /// # Errors
    /// When the text is no predicate, or uses functions in a way they cannot be used.
    pub fn parse(text: &str, functions: &[Signature]) -> Result<Self, PredicateError> {
        parse::parse(text, functions).map(|root| Self { root })
    }

    /// Whether it holds. `call` answers for a function; what the outcome does not depend on is
    /// not asked for.
    ///
    /// # Errors
    /// Those of `call`.
    pub fn test<E>(
        &self,
        call: &mut dyn FnMut(&str, &[Value]) -> Result<Value, E>,
    ) -> Result<bool, E> {
        self.root.test(call)
    }
}

impl Node {
    fn test<E>(&self, call: &mut dyn FnMut(&str, &[Value]) -> Result<Value, E>) -> Result<bool, E> {
        match self {
            Self::Or(parts) => any(parts, true, call),
            Self::And(parts) => any(parts, false, call).map(|found| !found),
            Self::Not(inner) => inner.test(call).map(|holds| !holds),
            Self::Holds(asked) => Ok(call(&asked.name, &asked.arguments)? == Value::Boolean(true)),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(call)?, right.value(call)?);
                Ok(operator.holds(&left, &right))
            }
        }
    }
}

/// Whether one of the parts is true, or false.
fn any<E>(
    parts: &[Node],
    sought: bool,
    call: &mut dyn FnMut(&str, &[Value]) -> Result<Value, E>,
) -> Result<bool, E> {
    for part in parts {
        if part.test(call)? == sought {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Operand {
    fn value<E>(
        &self,
        call: &mut dyn FnMut(&str, &[Value]) -> Result<Value, E>,
    ) -> Result<Value, E> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Call(asked) => call(&asked.name, &asked.arguments),
        }
    }
}

impl Operator {
    /// Sides that cannot be compared, such as a number that is none, are only unequal.
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::Number(left), Value::Number(right)) => left.partial_cmp(right),
            (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
            (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
            _ => None,
        };
        let Some(order) = order else { return self == Self::NotEqual };
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

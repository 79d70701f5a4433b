//! Predicate text to a checked tree.

use std::fmt;

use pest::Parser as _;
use pest::error::{ErrorVariant, LineColLocation};
use pest::iterators::Pair;

use super::eval::{Call, Node, Operand, Operator};
use super::{PredicateError, Value};

/// The grammar in `grammar/predicate.pest`.
mod grammar {
    #![allow(missing_docs, reason = "made by the grammar")]

    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/predicate.pest"]
    pub(super) struct Grammar;
}

use grammar::{Grammar, Rule};

/// Bytes of one expression.
const TEXT_BYTES_MAX: usize = 4096;
/// Opening parentheses of one expression, those of calls included; they bound its depth.
const PARENTHESES_MAX: usize = 100;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Boolean,
    /// A number.
    Number,
    /// A string.
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Text => "string",
        })
    }
}

/// A function that predicates may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// How many literals it takes.
    pub arguments: usize,
    /// What it says.
    pub returns: Kind,
}

/// Reads and checks an expression.
///
/// # Errors
/// When it is none, or uses functions in a way they cannot be used.
pub(super) fn parse(text: &str, functions: &[Signature]) -> Result<Node, PredicateError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(PredicateError::TooLong { max_bytes: TEXT_BYTES_MAX });
    }
    if text.matches('(').count() > PARENTHESES_MAX {
        return Err(PredicateError::TooDeep { max: PARENTHESES_MAX });
    }
    let mut pairs = Grammar::parse(Rule::predicate, text).map_err(|error| syntax(&error))?;
    let root = pairs.next().and_then(|predicate| predicate.into_inner().next());
    let reader = Reader { functions };
    root.map_or_else(|| Err(nothing()), |root| reader.node(root))
}

struct Reader<'a> {
    functions: &'a [Signature],
}

impl Reader<'_> {
    fn node(&self, pair: Pair<'_, Rule>) -> Result<Node, PredicateError> {
        match pair.as_rule() {
            Rule::or => self.join(pair, Node::Or),
            Rule::and => self.join(pair, Node::And),
            Rule::unary => self.unary(pair),
            Rule::compare => self.compare(pair),
            _ => match pair.into_inner().find(|inner| inner.as_rule() == Rule::or) {
                Some(inner) => self.node(inner),
                None => Err(nothing()),
            },
        }
    }

    /// One part stands for itself.
    fn join(
        &self,
        pair: Pair<'_, Rule>,
        all: impl Fn(Vec<Node>) -> Node,
    ) -> Result<Node, PredicateError> {
        let parts = pair.into_inner();
        let parts = parts.filter(|part| matches!(part.as_rule(), Rule::and | Rule::unary));
        let mut parts = parts.map(|part| self.node(part)).collect::<Result<Vec<_>, _>>()?;
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => Ok(only),
            (_, last) => Ok(all(parts.into_iter().chain(last).collect())),
        }
    }

    fn unary(&self, pair: Pair<'_, Rule>) -> Result<Node, PredicateError> {
        let mut negated = false;
        for part in pair.into_inner() {
            if part.as_rule() == Rule::not {
                negated = !negated;
                continue;
            }
            let node = self.node(part)?;
            return Ok(if negated { Node::Not(Box::new(node)) } else { node });
        }
        Err(nothing())
    }

    fn compare(&self, pair: Pair<'_, Rule>) -> Result<Node, PredicateError> {
        let mut parts = pair.into_inner();
        let Some(first) = parts.next() else { return Err(nothing()) };
        let text = first.as_str().trim().to_owned();
        let (left, kind) = self.operand(first)?;
        let (Some(operator), Some(second)) = (parts.next(), parts.next()) else {
            return match (left, kind) {
                (Operand::Call(call), Kind::Boolean) => Ok(Node::Holds(call)),
                (_, found) => Err(wrong_kind(text, found, Kind::Boolean)),
            };
        };
        let text = second.as_str().trim().to_owned();
        let (right, found) = self.operand(second)?;
        if found != kind {
            return Err(wrong_kind(text, found, kind));
        }
        Ok(Node::Compare(left, self::operator(operator.as_str()), right))
    }

    fn operand(&self, pair: Pair<'_, Rule>) -> Result<(Operand, Kind), PredicateError> {
        let Some(inner) = pair.into_inner().next() else { return Err(nothing()) };
        if inner.as_rule() != Rule::call {
            let value = literal(&inner);
            let kind = if matches!(value, Value::Number(_)) { Kind::Number } else { Kind::Text };
            return Ok((Operand::Literal(value), kind));
        }
        let mut parts = inner.into_inner();
        let name = parts.next().map(|name| name.as_str().to_owned()).unwrap_or_default();
        let literals = parts.filter(|part| part.as_rule() == Rule::literal);
        let arguments: Vec<_> =
            literals.filter_map(|part| part.into_inner().next()).map(|l| literal(&l)).collect();
        let Some(function) = self.functions.iter().find(|known| known.name == name) else {
            let known: Vec<_> = self.functions.iter().map(|known| &*known.name).collect();
            return Err(PredicateError::UnknownFunction { name, known: known.join(", ") });
        };
        let (takes, given) = (function.arguments, arguments.len());
        if takes != given {
            return Err(PredicateError::Arguments { name, takes, given });
        }
        Ok((Operand::Call(Call { name, arguments }), function.returns))
    }
}

fn literal(pair: &Pair<'_, Rule>) -> Value {
    let text = pair.as_str();
    if pair.as_rule() == Rule::number {
        return Value::Number(text.parse().unwrap_or(f64::NAN));
    }
    Value::Text(text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned())
}

fn operator(text: &str) -> Operator {
    match text {
        "==" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<=" => Operator::LessOrEqual,
        ">=" => Operator::GreaterOrEqual,
        "<" => Operator::Less,
        _ => Operator::Greater,
    }
}

fn wrong_kind(part: String, found: Kind, expected: Kind) -> PredicateError {
    PredicateError::Kind { part, found, expected }
}

fn nothing() -> PredicateError {
    PredicateError::Syntax { column: 1, expected: "a function such as Attempts()".to_owned() }
}

fn syntax(error: &pest::error::Error<Rule>) -> PredicateError {
    let (LineColLocation::Pos((_, column)) | LineColLocation::Span((_, column), _)) =
        error.line_col;
    let rules = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => &positives[..],
        ErrorVariant::CustomError { .. } => &[],
    };
    let mut names: Vec<&str> = Vec::new();
    for name in rules.iter().map(named) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    PredicateError::Syntax { column, expected: names.join(" or ") }
}

fn named(rule: &Rule) -> &'static str {
    match rule {
        Rule::either => "||",
        Rule::both => "&&",
        Rule::open => "an opening parenthesis",
        Rule::close => "a closing parenthesis",
        Rule::comma => "a comma",
        Rule::operator => "a comparison",
        Rule::operand => "a literal or a function",
        Rule::literal | Rule::number | Rule::text | Rule::raw => "a literal",
        Rule::EOI => "the end",
        _ => "a function",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::predicate::Predicate;

    fn functions() -> Vec<Signature> {
        let function = |name: &str, arguments, returns| Signature {
            name: name.to_owned(),
            arguments,
            returns,
        };
        vec![
            function("IsDown", 0, Kind::Boolean),
            function("Tries", 0, Kind::Number),
            function("Ratio", 2, Kind::Number),
            function("Method", 0, Kind::Text),
        ]
    }

    fn check(text: &str, expect: bool) {
        let predicate = Predicate::parse(text, &functions()).unwrap();
        let mut call = |name: &str, arguments: &[Value]| match (name, arguments) {
            ("IsDown", []) => Ok(Value::Boolean(true)),
            ("Tries", []) => Ok(Value::Number(2.0)),
            ("Ratio", [Value::Number(a), Value::Number(b)]) => Ok(Value::Number(a / b)),
            ("Method", []) => Ok(Value::Text("GET".to_owned())),
            _ => Err(format!("{name}: {arguments:?}")),
        };
        assert_eq!(predicate.test(&mut call), Ok(expect), "{text}");
    }

    #[test]
    fn tells_whether_it_holds() {
        check("IsDown()", true);
        check("!IsDown()", false);
        check("!!IsDown()", true);
        check("IsDown() && Tries() <= 2", true);
        check("IsDown() && Tries() < 2", false);
        check("!IsDown() || Tries() > 1 && Tries() != 3", true);
        check("(!IsDown() || Tries() > 1) && Tries() >= 3", false);
        check("Ratio(1, 4.0) > 0.2", true);
        check("Ratio(1,4) == .25", true);
        check("2 == Tries()", true);
        check("Method() == \"GET\"", true);
        check("Method() != `GET`", false);
        check(" ( IsDown( ) )\n", true);
        check("Ratio(0, 0) == 0 || Ratio(0, 0) > 0", false);
    }

    #[test]
    fn asks_no_more_than_it_must() {
        let predicate = Predicate::parse("IsDown() || Tries() > 1", &functions()).unwrap();
        let mut asked = Vec::new();
        let holds = predicate.test(&mut |name: &str, _: &[Value]| {
            asked.push(name.to_owned());
            Ok::<_, ()>(Value::Boolean(true))
        });
        assert_eq!((holds, asked), (Ok(true), vec!["IsDown".to_owned()]));
    }

    #[test]
    fn errors_tell_what_is_wrong() {
        for (text, part) in [
            ("", "column 1: expected"),
            ("Tries() >", "column 10: expected a literal or a function"),
            ("Tries() > 2 &", "column 13: expected"),
            ("Tries() = 2", "column 9: expected"),
            ("IsDown(", "column 8: expected"),
            ("Tries()", "Tries() is a number, expected a boolean"),
            ("1", "1 is a number, expected a boolean"),
            ("Tries() > \"2\"", "\"2\" is a string, expected a number"),
            ("IsUp()", "unknown function IsUp; known are IsDown, Tries, Ratio, Method"),
            ("Ratio(1) > 1", "Ratio takes 2 arguments, not 1"),
            (&"(".repeat(200), "more than 100 parentheses"),
            (&"!".repeat(5000), "longer than 4096 bytes"),
        ] {
            let error = Predicate::parse(text, &functions()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[A-Za-z()&|!=<>\"`., 0-9]{0,60}") {
            let _ = Predicate::parse(&text, &functions());
        }
    }
}

//! Comparisons, truth, defaults and kinds.

use std::cmp::Ordering;

use super::{ANY, Arguments, Function, Run, entry};
use crate::template::error::Fault;
use crate::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "and",
        arguments: "values...",
        doc: "The first value that is empty, else the last; later ones are not looked at.",
        least: 1,
        most: ANY,
        run: Run::Until(false),
    },
    Function {
        name: "or",
        arguments: "values...",
        doc: "The first value that is not empty, else the last; later ones are not looked at.",
        least: 1,
        most: ANY,
        run: Run::Until(true),
    },
    entry("not", "value", (1, 1), "Whether the value is empty.", |_, a| {
        Ok(Value::Bool(!a.any(0).truth()))
    }),
    entry(
        "eq",
        "value others...",
        (2, ANY),
        "Whether the value equals one of the others.",
        |_, a| {
            for other in a.from(1) {
                if equal(a.any(0), other)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        },
    ),
    entry("ne", "value other", (2, 2), "Whether two values differ.", |_, a| {
        Ok(Value::Bool(!equal(a.any(0), a.any(1))?))
    }),
    entry("lt", "value other", (2, 2), "Whether the first comes before the second.", |_, a| {
        Ok(Value::Bool(order(a)?.is_lt()))
    }),
    entry(
        "le",
        "value other",
        (2, 2),
        "Whether the first does not come after the second.",
        |_, a| Ok(Value::Bool(order(a)?.is_le())),
    ),
    entry("gt", "value other", (2, 2), "Whether the first comes after the second.", |_, a| {
        Ok(Value::Bool(order(a)?.is_gt()))
    }),
    entry(
        "ge",
        "value other",
        (2, 2),
        "Whether the first does not come before the second.",
        |_, a| Ok(Value::Bool(order(a)?.is_ge())),
    ),
    entry(
        "default",
        "default value",
        (1, 2),
        "The value, or the default when it is empty.",
        |_, a| {
            let given = a.len() == 2 && a.any(1).truth();
            Ok(a.any(usize::from(given)).clone())
        },
    ),
    entry("empty", "value", (1, 1), "Whether the value is empty.", |_, a| {
        Ok(Value::Bool(!a.any(0).truth()))
    }),
    entry("coalesce", "values...", (0, ANY), "The first value that is not empty.", |_, a| {
        Ok(a.from(0).iter().find(|value| value.truth()).cloned().unwrap_or(Value::Nil))
    }),
    entry("all", "values...", (0, ANY), "Whether no value is empty.", |_, a| {
        Ok(Value::Bool(a.from(0).iter().all(Value::truth)))
    }),
    entry("any", "values...", (0, ANY), "Whether one of the values is not empty.", |_, a| {
        Ok(Value::Bool(a.from(0).iter().any(Value::truth)))
    }),
    entry("ternary", "yes no test", (3, 3), "The first value when the test is true.", |_, a| {
        let Value::Bool(test) = a.any(2) else { return Err(a.wrong(2, "a bool")) };
        Ok(a.any(usize::from(!test)).clone())
    }),
    entry("fail", "reason", (1, 1), "Refuses the file with this reason.", |_, a| {
        Err(Fault::Fail(a.text(0)?.to_owned()))
    }),
    entry("kindOf", "value", (1, 1), "The kind, such as `string`, `int` or `map`.", |_, a| {
        Ok(Value::text(a.any(0).kind()))
    }),
    entry("kindIs", "kind value", (2, 2), "Whether the value is of a kind.", |_, a| {
        Ok(Value::Bool(a.text(0)? == a.any(1).kind()))
    }),
    entry("typeOf", "value", (1, 1), "The type, as Go writes it.", |_, a| {
        Ok(Value::text(type_of(a.any(0))))
    }),
    entry("typeIs", "type value", (2, 2), "Whether the value is of a type.", |_, a| {
        Ok(Value::Bool(a.text(0)? == type_of(a.any(1))))
    }),
    entry("typeIsLike", "type value", (2, 2), "Whether the value is of a type.", |_, a| {
        Ok(Value::Bool(a.text(0)?.trim_start_matches('*') == type_of(a.any(1))))
    }),
    entry(
        "deepEqual",
        "value other",
        (2, 2),
        "Whether two values are equal all the way down.",
        |_, a| Ok(Value::Bool(a.any(0).same(a.any(1)))),
    ),
];

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "<nil>",
        Value::List(_) => "[]interface {}",
        Value::Dict(_) => "map[string]interface {}",
        other => other.kind(),
    }
}

/// As Go's `eq`: of one kind, or nil beside anything.
fn equal(a: &Value, b: &Value) -> Result<bool, Fault> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::List(_) | Value::Dict(_), _) | (_, Value::List(_) | Value::Dict(_)) => {
            Err(Fault::Compare(a.kind(), b.kind()))
        }
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b) == Some(Ordering::Equal)),
        _ if a.kind() == b.kind() => Ok(a.same(b)),
        _ => Err(Fault::Compare(a.kind(), b.kind())),
    }
}

fn order(a: &Arguments) -> Result<Ordering, Fault> {
    let (first, second) = (a.any(0), a.any(1));
    let order = match (first, second) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => None,
    };
    order.ok_or(Fault::Compare(first.kind(), second.kind()))
}

//! Values of a template: what they are, whether they are true, how they print.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Number, Value as Json};

/// A map, which `set` changes wherever it is held.
pub(super) type Dict = Rc<Fields>;

/// The elements of a map.
#[derive(Debug, Default)]
pub(super) struct Fields(RefCell<BTreeMap<String, Value>>);

impl Fields {
    pub(super) fn borrow(&self) -> Ref<'_, BTreeMap<String, Value>> {
        self.0.borrow()
    }

    pub(super) fn borrow_mut(&self) -> RefMut<'_, BTreeMap<String, Value>> {
        self.0.borrow_mut()
    }
}

impl Drop for Fields {
    /// Takes apart what it holds without recursion: `set` makes maps as deep as it likes.
    fn drop(&mut self) {
        let mut left: Vec<Value> = std::mem::take(self.0.get_mut()).into_values().collect();
        while let Some(value) = left.pop() {
            match value {
                Value::Dict(fields) => {
                    if let Some(mut fields) = Rc::into_inner(fields) {
                        left.extend(std::mem::take(fields.0.get_mut()).into_values());
                    }
                }
                Value::List(items) => left.extend(Rc::into_inner(items).unwrap_or_default()),
                _ => {}
            }
        }
    }
}

/// Any value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    List(Rc<Vec<Value>>),
    Dict(Dict),
}

/// Lists in lists and maps in maps, before a value counts as endless.
const DEPTH_MAX: usize = 64;
/// How much text counts as one piece.
pub(super) const PIECE_BYTES: usize = 16;

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(Rc::new(items.into_iter().collect()))
    }

    pub(super) fn dict(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        Self::Dict(Rc::new(Fields(RefCell::new(fields.into_iter().collect()))))
    }

    pub(super) fn texts<T: Into<Rc<str>>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::list(items.into_iter().map(Self::text))
    }

    /// The kind, as messages and `kindOf` name it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::List(_) => "slice",
            Self::Dict(_) => "map",
        }
    }

    /// Whether `if` takes it: what is empty or zero is not true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Dict(fields) => !fields.borrow().is_empty(),
        }
    }

    /// As Go's `%v` prints it.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        self.print_to(&mut out, "<nil>");
        out
    }

    pub(super) fn print_to(&self, out: &mut String, nil: &str) {
        match self {
            Self::Nil => out.push_str(nil),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Int(value) => out.push_str(&value.to_string()),
            Self::Float(value) => out.push_str(&print_float(*value)),
            Self::Text(text) => out.push_str(text),
            Self::List(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { " " } else { "" });
                    item.print_to(out, "<nil>");
                }
                out.push(']');
            }
            Self::Dict(fields) => {
                out.push_str("map[");
                for (place, (name, item)) in fields.borrow().iter().enumerate() {
                    out.push_str(if place > 0 { " " } else { "" });
                    out.push_str(name);
                    out.push(':');
                    item.print_to(out, "<nil>");
                }
                out.push(']');
            }
        }
    }

    /// Adds up what it takes to go through the value, in pieces of [`PIECE_BYTES`]; false when that
    /// is more than `limit`, or when values lie too deep in each other.
    pub(super) fn measure(&self, depth: usize, limit: usize, pieces: &mut usize) -> bool {
        *pieces += 1;
        if *pieces > limit || depth > DEPTH_MAX {
            return false;
        }
        match self {
            Self::Text(text) => *pieces += text.len() / PIECE_BYTES,
            Self::List(items) => {
                return items.iter().all(|item| item.measure(depth + 1, limit, pieces));
            }
            Self::Dict(fields) => {
                let fields = fields.borrow();
                return fields.values().all(|item| item.measure(depth + 1, limit, pieces));
            }
            _ => {}
        }
        *pieces <= limit
    }

    /// Whether the map is this value, or lies in it.
    pub(super) fn holds(&self, dict: &Dict) -> bool {
        match self {
            Self::Dict(fields) => {
                Rc::ptr_eq(fields, dict) || fields.borrow().values().any(|item| item.holds(dict))
            }
            Self::List(items) => items.iter().any(|item| item.holds(dict)),
            _ => false,
        }
    }

    /// Equal all the way down, as `has` and `without` compare.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b).is_eq(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.same(b))
            }
            (Self::Dict(a), Self::Dict(b)) => {
                let (a, b) = (a.borrow(), b.borrow());
                a.len() == b.len()
                    && a.iter().zip(b.iter()).all(|(a, b)| a.0 == b.0 && a.1.same(b.1))
            }
            _ => false,
        }
    }

    /// As JSON; what JSON has no number for is null.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Nil => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Int(value) => Json::Number(Number::from(*value)),
            Self::Float(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Self::Text(text) => Json::String(text.to_string()),
            Self::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Self::Dict(fields) => {
                let fields = fields.borrow();
                Json::Object(fields.iter().map(|(k, v)| (k.clone(), v.to_json())).collect())
            }
        }
    }

    /// From JSON, whose numbers are all `float64`, as in Go.
    pub(super) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Nil,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Float(number.as_f64().unwrap_or_default()),
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json)),
            Json::Object(fields) => {
                Self::dict(fields.iter().map(|(k, v)| (k.clone(), Self::from_json(v))))
            }
        }
    }
}

/// The shortest text that reads back as the number, as Go writes it.
pub(super) fn print_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..21).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

//! The types options can have: the catalogue, and what every type must do.

mod address;
mod any;
mod boolean;
mod choice;
mod cidr;
mod duration;
mod file;
mod integer;
mod list;
mod map;
mod number;
mod object;
mod path;
mod range;
mod reference;
mod regex;
mod secret;
mod size;
mod text;
mod tls_client;
mod union;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::declaration::Declaration;
use super::fields::Fields;
use super::place::Place;
use super::{Held, SchemaError, Source};
use crate::value::nearest;

pub(super) use object::Object;

/// A type with its attributes.
pub(super) trait Kind: fmt::Debug + Send + Sync {
    /// The type in words.
    fn title(&self) -> String;

    /// The type in words for Kubernetes objects, where it is written differently in them.
    fn title_in_objects(&self) -> String {
        self.title()
    }

    /// Its checks, each a sentence.
    fn rules(&self) -> Vec<String> {
        Vec::new()
    }

    /// A decoded value as a user would write it.
    fn show(&self, value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"))
    }

    /// Whether a value is of this type as it stands, without conversion.
    fn fits(&self, value: &Value, source: Source) -> bool;

    /// Whether nothing at all is a value, as for a section that is switched on.
    fn takes_nothing(&self, _source: Source) -> bool {
        false
    }

    /// The typed value. None without a new problem means that there is none, as for a section
    /// that is switched off.
    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value>;

    /// The type in Kubernetes objects, as a structural `OpenAPI` v3 schema.
    fn openapi(&self) -> Map<String, Value>;

    /// The type of decoded values for editors; classes it needs are added under `class`.
    fn editor(&self, class: &str, classes: &mut Vec<String>) -> String;

    /// What its values are that others must handle.
    fn held(&self) -> Option<Held> {
        None
    }

    /// The types of its elements.
    fn inner(&self) -> Vec<&dyn Kind> {
        Vec::new()
    }

    /// The sections in it, each with how its options are addressed: `[]` in a list.
    fn sections(&self) -> Vec<(String, &Fields)> {
        Vec::new()
    }

    /// The options of a section.
    fn fields(&self) -> Option<&Fields> {
        None
    }

    /// Whether its values are of one of several types, rather than made of them.
    fn is_choice(&self) -> bool {
        false
    }

    /// Whether a value as it is written must not be shown, where its values are held as secrets.
    fn conceals(&self, _written: &Value) -> bool {
        true
    }

    /// Shows every secret and reference in a decoded value.
    fn walk(&self, value: &mut Value, _: Source, visit: &mut dyn FnMut(Held, &mut Value)) {
        if let Some(held) = self.held() {
            visit(held, value);
        }
    }
}

/// A type of the catalogue.
#[derive(Debug)]
pub(super) struct Entry {
    /// As a declaration names it.
    pub(super) name: &'static str,
    /// What values look like, what scripts get, and which attributes there are.
    pub(super) doc: &'static str,
    /// A declaration.
    pub(super) example: &'static str,
    build: fn(&mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError>,
}

/// All types, in the order of the reference.
pub(super) static KINDS: &[Entry] = &[
    text::ENTRY,
    boolean::ENTRY,
    integer::ENTRY,
    number::ENTRY,
    duration::ENTRY,
    size::ENTRY,
    address::ENTRY,
    cidr::ENTRY,
    regex::ENTRY,
    choice::ENTRY,
    list::ENTRY,
    map::ENTRY,
    object::ENTRY,
    union::ENTRY,
    secret::ENTRY,
    file::ENTRY,
    path::ENTRY,
    tls_client::ENTRY,
    reference::SERVICE,
    reference::MIDDLEWARE,
    reference::SERVERS_TRANSPORT,
    any::ENTRY,
];

/// Reads the type of a declaration with its attributes.
pub(super) fn parse(
    declared: &Value,
    own: &mut Declaration<'_>,
) -> Result<Arc<dyn Kind>, SchemaError> {
    let name = match declared {
        Value::String(name) => Some(name.as_str()),
        _ => own.text("type")?,
    };
    let name = name.ok_or_else(|| own.error("`type` is missing"))?;
    match KINDS.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.build)(own),
        None => Err(own.error(match nearest(name, KINDS.iter().map(|entry| entry.name)) {
            Some(near) => format!("there is no type `{name}`, did you mean `{near}`?"),
            None => format!("there is no type `{name}`"),
        })),
    }
}

/// Reads the type of elements.
fn parse_element(
    attribute: &'static str,
    own: &mut Declaration<'_>,
) -> Result<Arc<dyn Kind>, SchemaError> {
    let declared = own.needed(attribute)?;
    parse_inner(attribute, declared, own)
}

/// Reads a declaration that is only a type.
fn parse_inner(
    element: &str,
    declared: &Value,
    own: &Declaration<'_>,
) -> Result<Arc<dyn Kind>, SchemaError> {
    let mut inner = own.inner(element, declared)?;
    let kind = parse(declared, &mut inner)?;
    inner.finish()?;
    Ok(kind)
}

/// Whether values of this type may hold such a thing.
pub(super) fn holds(kind: &dyn Kind, held: Held) -> bool {
    kind.held() == Some(held) || kind.inner().into_iter().any(|inner| holds(inner, held))
}

/// A value for a message about it. Only types whose values are no secrets may print them.
fn printed(value: &Value) -> String {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => shape(value).to_owned(),
        other => other.to_string(),
    }
}

/// What sort of value it is.
fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a switch",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a section",
    }
}

/// Text, or a plain value as text; nothing is empty text, as Traefik reads it.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(switch) => Some(switch.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number as JSON writes it: without a fraction where there is none.
fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "it is checked to be exact")]
    if number.fract() == 0.0 && number.abs() < EXACT_MAX {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

/// Whole numbers below are exact in a floating point number.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A schema of one plain type.
fn openapi(name: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), Value::from(name))])
}

/// A schema for what a structural one cannot describe.
fn free_openapi() -> Map<String, Value> {
    Map::from_iter([("x-kubernetes-preserve-unknown-fields".to_owned(), Value::from(true))])
}

/// A schema for a whole number or text.
fn int_or_string_openapi() -> Map<String, Value> {
    let either = serde_json::json!([{"type": "integer"}, {"type": "string"}]);
    Map::from_iter([
        ("anyOf".to_owned(), either),
        ("x-kubernetes-int-or-string".to_owned(), Value::from(true)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_an_example_that_parses() {
        for entry in KINDS {
            let example: Value = serde_json::from_str(entry.example).unwrap();
            let mut fields = Map::new();
            fields.insert("option".to_owned(), example);
            let parsed = Fields::parse(&Value::Object(fields), &Declaration::root());
            assert!(parsed.is_ok(), "{}: {parsed:?}", entry.name);
            assert!(entry.example.contains(&format!("\"{}\"", entry.name)), "{}", entry.name);
            assert!(entry.doc.ends_with('.'), "{}", entry.name);
        }
    }
}

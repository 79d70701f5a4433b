//! `regex`: a regular expression in Go's spelling.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{SchemaError, Source};
use super::{Entry, Kind, openapi, plain, shape};
use crate::value::go_regex;

pub(super) const ENTRY: Entry = Entry {
    name: "regex",
    doc: "A regular expression in Go's spelling, without look-around and back-references. Scripts \
          get the text. `non_empty` refuses the empty one.",
    example: r#"{"type": "regex", "required": true}"#,
    build,
};

#[derive(Debug)]
struct Regex {
    non_empty: bool,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    Ok(Arc::new(Regex { non_empty: own.flag("non_empty")? }))
}

impl Kind for Regex {
    fn title(&self) -> String {
        "regular expression".to_owned()
    }

    fn rules(&self) -> Vec<String> {
        self.non_empty.then(|| "Not empty.".to_owned()).into_iter().collect()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.as_str().is_some_and(|text| go_regex(text).is_ok())
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let Some(text) = plain(value) else {
            return place.refuse(format!("expected a regular expression, got {}", shape(value)));
        };
        if self.non_empty && text.is_empty() {
            return place.refuse_value("must not be empty");
        }
        match go_regex(&text) {
            Ok(_) => Some(Value::String(text)),
            Err(error) => place.refuse_value(error.to_string()),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = openapi("string");
        if self.non_empty {
            schema.insert("minLength".to_owned(), Value::from(1));
        }
        schema
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }
}

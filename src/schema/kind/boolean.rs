//! `boolean`: a switch.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::Source;
use super::super::place::Place;
use super::{Entry, Kind, openapi, plain, printed};

pub(super) const ENTRY: Entry = Entry {
    name: "boolean",
    doc: "true or false; so are the texts `true`, `t`, `1`, `false`, `f`, `0` in any case.",
    example: r#"{"type": "boolean", "default": false}"#,
    build: |_| Ok(Arc::new(Boolean)),
};

#[derive(Debug)]
struct Boolean;

impl Kind for Boolean {
    fn title(&self) -> String {
        "boolean".to_owned()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.is_boolean()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match plain(value).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            Some("true" | "t" | "1") => Some(Value::Bool(true)),
            Some("false" | "f" | "0") => Some(Value::Bool(false)),
            _ => place.refuse(format!("expected true or false, got {}", printed(value))),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        openapi("boolean")
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "boolean".to_owned()
    }
}

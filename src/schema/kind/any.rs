//! `any`: whatever is given.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::Source;
use super::super::place::Place;
use super::{Entry, Kind, free_openapi};

pub(super) const ENTRY: Entry = Entry {
    name: "any",
    doc: "Whatever is given, unchecked and unchanged; for what only the script can judge.",
    example: r#"{"type": "any"}"#,
    build: |_| Ok(Arc::new(Any)),
};

#[derive(Debug)]
struct Any;

impl Kind for Any {
    fn title(&self) -> String {
        "anything".to_owned()
    }

    fn fits(&self, _: &Value, _: Source) -> bool {
        true
    }

    fn decode(&self, value: &Value, _: &mut Place) -> Option<Value> {
        Some(value.clone())
    }

    fn openapi(&self) -> Map<String, Value> {
        free_openapi()
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "any".to_owned()
    }
}

//! `enum`: one of several words.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{SchemaError, Source};
use super::{Entry, Kind, openapi, plain, printed};

pub(super) const ENTRY: Entry = Entry {
    name: "enum",
    doc: "One of the words in `values`, whatever its case; scripts get it as it is declared.",
    example: r#"{"type": "enum", "values": ["gzip", "br", "zstd"], "default": "gzip"}"#,
    build,
};

#[derive(Debug)]
struct Choice {
    values: Vec<String>,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    let values = own.texts("values")?;
    if values.is_empty() {
        return Err(own.error("`values` must name at least one word"));
    }
    Ok(Arc::new(Choice { values }))
}

impl Choice {
    fn find(&self, text: &str) -> Option<&String> {
        let exact = self.values.iter().find(|value| *value == text);
        exact.or_else(|| self.values.iter().find(|value| value.eq_ignore_ascii_case(text)))
    }
}

impl Kind for Choice {
    fn title(&self) -> String {
        let words: Vec<String> = self.values.iter().map(|word| format!("`{word}`")).collect();
        words.join(" or ")
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.as_str().is_some_and(|text| self.find(text).is_some())
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let text = plain(value).unwrap_or_default();
        match self.find(text.trim()) {
            Some(word) => Some(Value::from(word.as_str())),
            None => {
                let words = self.values.join(", ");
                place.refuse_value(format!("expected one of {words}, got {}", printed(value)))
            }
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = openapi("string");
        schema.insert("enum".to_owned(), Value::from(self.values.clone()));
        schema
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        let words: Vec<String> = self.values.iter().map(|word| format!("{word:?}")).collect();
        words.join("|")
    }
}

//! `number`: a number with or without a fraction.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{SchemaError, Source};
use super::range::Range;
use super::{Entry, Kind, openapi, printed};

pub(super) const ENTRY: Entry = Entry {
    name: "number",
    doc: "A number with or without a fraction, also as text. `min` and `max` are its limits.",
    example: r#"{"type": "number", "default": 0.5, "min": 0, "max": 1}"#,
    build,
};

#[derive(Debug)]
struct Number {
    range: Range,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    let range = Range::parse(own, Value::as_f64)?;
    Ok(Arc::new(Number { range }))
}

impl Kind for Number {
    fn title(&self) -> String {
        "number".to_owned()
    }

    fn rules(&self) -> Vec<String> {
        self.range.rules(|limit| self.show(limit))
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        value.is_number()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let number: Option<f64> = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        let Some(number) = number.filter(|number| number.is_finite()) else {
            return place.refuse(format!("expected a number, got {}", printed(value)));
        };
        self.range.admits(number, place).then(|| super::number(number))
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = openapi("number");
        self.range.add_openapi(&mut schema);
        schema
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "number".to_owned()
    }
}

//! `integer`: a whole number.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{SchemaError, Source};
use super::range::Range;
use super::{EXACT_MAX, Entry, Kind, openapi, printed};

pub(super) const ENTRY: Entry = Entry {
    name: "integer",
    doc: "A whole number, also as text. `min` and `max` are its limits.",
    example: r#"{"type": "integer", "default": 503, "min": 200, "max": 599}"#,
    build,
};

#[derive(Debug)]
struct Integer {
    range: Range,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    #[expect(clippy::cast_precision_loss, reason = "limits are small numbers")]
    let range = Range::parse(own, |limit| whole(limit).map(|limit| limit as f64))?;
    Ok(Arc::new(Integer { range }))
}

/// A whole number, also one that is written with a fraction of zero.
pub(super) fn whole(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "it is checked to be exact")]
    let rounded =
        |number: f64| (number.fract() == 0.0 && number.abs() < EXACT_MAX).then_some(number as i64);
    value.as_i64().or_else(|| value.as_f64().and_then(rounded))
}

impl Kind for Integer {
    fn title(&self) -> String {
        "integer".to_owned()
    }

    fn rules(&self) -> Vec<String> {
        self.range.rules(|limit| self.show(limit))
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        whole(value).is_some()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let number = whole(value).or_else(|| value.as_str()?.trim().parse().ok());
        let Some(number) = number else {
            return place.refuse(format!("expected a whole number, got {}", printed(value)));
        };
        #[expect(clippy::cast_precision_loss, reason = "limits are small numbers")]
        let admitted = self.range.admits(number as f64, place);
        admitted.then(|| Value::from(number))
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = openapi("integer");
        schema.insert("format".to_owned(), Value::from("int64"));
        self.range.add_openapi(&mut schema);
        schema
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "integer".to_owned()
    }
}

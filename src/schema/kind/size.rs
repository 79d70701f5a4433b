//! `size`: bytes, as a number or with a unit.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{SchemaError, Source};
use super::integer::whole;
use super::range::Range;
use super::{Entry, Kind, int_or_string_openapi, printed};
use crate::value::parse_size;

pub(super) const ENTRY: Entry = Entry {
    name: "size",
    doc: "A number of bytes, or text with a unit (`1MiB` is 1048576, `1MB` is 1000000). Scripts \
          get the number of bytes. `min` and `max` are its limits; without `min` it is \
          not negative.",
    example: r#"{"type": "size", "default": "1MiB", "min": -1}"#,
    build,
};

#[derive(Debug)]
struct Size {
    range: Range,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    #[expect(clippy::cast_precision_loss, reason = "limits are round numbers")]
    let range = Range::parse(own, |limit| bytes(limit).ok().map(|limit| limit as f64))?;
    Ok(Arc::new(Size { range: Range { min: range.min.or(Some(0.0)), ..range } }))
}

fn bytes(value: &Value) -> Result<i64, String> {
    if let Some(bytes) = whole(value).or_else(|| value.as_str()?.trim().parse().ok()) {
        return Ok(bytes);
    }
    let Some(text) = value.as_str() else {
        return Err(format!("expected a size such as 1MiB, got {}", printed(value)));
    };
    let bytes = parse_size(text).map_err(|error| error.to_string())?;
    i64::try_from(bytes).map_err(|_| format!("{text:?} is too large"))
}

impl Kind for Size {
    fn title(&self) -> String {
        "size".to_owned()
    }

    fn rules(&self) -> Vec<String> {
        let usual = Range { min: self.range.min.filter(|min| *min != 0.0), ..self.range };
        usual.rules(|limit| self.show(limit))
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        bytes(value).is_ok()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match bytes(value) {
            #[expect(clippy::cast_precision_loss, reason = "limits are round numbers")]
            Ok(bytes) => self.range.admits(bytes as f64, place).then(|| Value::from(bytes)),
            Err(reason) => place.refuse(reason),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        int_or_string_openapi()
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "integer".to_owned()
    }
}

//! `min` and `max` of numbers.

use serde_json::{Map, Value};

use super::super::SchemaError;
use super::super::declaration::Declaration;
use super::super::place::Place;
use super::number;

/// Limits of a number, both included.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range {
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

impl Range {
    /// Reads both attributes with the type's own reading of numbers.
    pub(super) fn parse(
        own: &mut Declaration<'_>,
        read: impl Fn(&Value) -> Option<f64>,
    ) -> Result<Self, SchemaError> {
        let mut limit = |name| match own.value(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(limit) => Ok(Some(limit)),
                None => Err(own.error(format!("`{name}` is no value of the type"))),
            },
        };
        let range = Self { min: limit("min")?, max: limit("max")? };
        match range {
            Self { min: Some(min), max: Some(max) } if min > max => {
                Err(own.error("`min` is more than `max`"))
            }
            _ => Ok(range),
        }
    }

    /// Notes a problem and is false for a number outside.
    pub(super) fn admits(self, value: f64, place: &mut Place) -> bool {
        if let Some(min) = self.min.filter(|min| value < *min) {
            place.refuse_value::<()>(format!("{} is less than {}", number(value), number(min)));
            return false;
        }
        if let Some(max) = self.max.filter(|max| value > *max) {
            place.refuse_value::<()>(format!("{} is more than {}", number(value), number(max)));
            return false;
        }
        true
    }

    pub(super) fn rules(self, show: impl Fn(&Value) -> String) -> Vec<String> {
        let min = self.min.map(|min| format!("At least {}.", show(&number(min))));
        let max = self.max.map(|max| format!("At most {}.", show(&number(max))));
        min.into_iter().chain(max).collect()
    }

    pub(super) fn add_openapi(self, schema: &mut Map<String, Value>) {
        for (name, limit) in [("minimum", self.min), ("maximum", self.max)] {
            if let Some(limit) = limit {
                schema.insert(name.to_owned(), number(limit));
            }
        }
    }
}

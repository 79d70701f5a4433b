//! `duration`: Go's text or seconds; scripts get seconds.

use std::time::Duration as StdDuration;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::declaration::Declaration;
use super::super::place::Place;
use super::super::{Held, SchemaError, Source};
use super::range::Range;
use super::{Entry, Kind, int_or_string_openapi, number, printed};
use crate::value::GoDuration;

pub(super) const ENTRY: Entry = Entry {
    name: "duration",
    doc: "A duration as Go writes it (`1m30s`), or a number of seconds; never negative. Scripts \
          get a number of seconds. `min` and `max` are its limits, written in the same way.",
    example: r#"{"type": "duration", "default": "1m30s", "min": "1s"}"#,
    build,
};

/// About 292 years, the most Go can hold.
const SECONDS_MAX: f64 = 9_223_372_037.0;

#[derive(Debug)]
struct Duration {
    range: Range,
}

fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    let range = Range::parse(own, |limit| seconds(limit).ok())?;
    Ok(Arc::new(Duration { range }))
}

fn seconds(value: &Value) -> Result<f64, String> {
    match (value, value.as_f64()) {
        (Value::String(text), _) => {
            let duration = GoDuration::parse(text).map_err(|error| error.to_string())?;
            Ok(duration.get().as_secs_f64())
        }
        (_, Some(seconds)) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok(seconds),
        (_, Some(seconds)) => Err(format!("{seconds} seconds are negative or too long")),
        _ => Err(format!("expected a duration such as 1m30s, got {}", printed(value))),
    }
}

impl Kind for Duration {
    fn title(&self) -> String {
        "duration".to_owned()
    }

    fn rules(&self) -> Vec<String> {
        self.range.rules(|limit| self.show(limit))
    }

    fn show(&self, value: &Value) -> String {
        let seconds = value.as_f64().unwrap_or_default().clamp(0.0, SECONDS_MAX);
        let nanos = StdDuration::from_secs_f64(seconds).as_nanos();
        GoDuration::parse(&format!("{nanos}ns")).unwrap_or_default().to_string()
    }

    fn fits(&self, value: &Value, _: Source) -> bool {
        seconds(value).is_ok()
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        match seconds(value) {
            Ok(seconds) => self.range.admits(seconds, place).then(|| number(seconds)),
            Err(reason) => place.refuse(reason),
        }
    }

    fn held(&self) -> Option<Held> {
        Some(Held::Duration)
    }

    fn openapi(&self) -> Map<String, Value> {
        let mut schema = int_or_string_openapi();
        let pattern = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h)?)+$";
        schema.insert("pattern".to_owned(), Value::from(pattern));
        schema
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "number".to_owned()
    }
}

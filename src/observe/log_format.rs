//! One event as a line of the leveled log, as Traefik writes it.
//!
//! `common`: `2024-01-01T00:00:00Z INF message key=value`. `json`: an object with `level`, `time`
//! and `message` beside the event's fields. Spans are not shown.

use std::fmt::{self, Write};

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Common,
    Colored,
    Json,
}

/// Writes events.
#[derive(Debug)]
pub(super) struct Format(pub(super) Shape);

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // The fraction is left out, as Traefik leaves it.
        let now = OffsetDateTime::now_utc();
        let now = now.replace_nanosecond(0).unwrap_or(now);
        let time = now.format(&Rfc3339).map_err(|_| fmt::Error)?;
        let line = match self.0 {
            Shape::Json => fields.json(*event.metadata().level(), time),
            shape => fields.common(*event.metadata().level(), &time, shape),
        };
        writeln!(writer, "{line}")
    }
}

/// An event's fields in their order.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

/// Of a level: Traefik's three letters, its name in JSON, and its colour.
fn names(level: Level) -> (&'static str, &'static str, u8) {
    match level {
        Level::TRACE => ("TRC", "trace", 35),
        Level::DEBUG => ("DBG", "debug", 36),
        Level::INFO => ("INF", "info", 32),
        Level::WARN => ("WRN", "warn", 33),
        Level::ERROR => ("ERR", "error", 31),
    }
}

impl Fields {
    fn common(&self, level: Level, time: &str, shape: Shape) -> String {
        let (letters, _, color) = names(level);
        let paint = |color: u8, text: &str| match shape {
            Shape::Colored => format!("\x1b[{color}m{text}\x1b[0m"),
            _ => text.to_owned(),
        };
        let mut line = format!("{} {} ", paint(90, time), paint(color, letters));
        escape(&mut line, &self.message);
        // The error comes first, as with Traefik.
        let (errors, others): (Vec<_>, Vec<_>) =
            self.others.iter().partition(|(name, _)| *name == "error");
        for (name, value) in errors.into_iter().chain(others) {
            let value = match value {
                Value::String(text) if is_plain(text) => text.clone(),
                Value::String(text) => format!("{text:?}"),
                other => other.to_string(),
            };
            line.push(' ');
            line.push_str(&paint(36, &format!("{name}=")));
            line.push_str(&value);
        }
        line
    }

    fn json(self, level: Level, time: String) -> String {
        let mut object = Map::new();
        object.insert("level".to_owned(), names(level).1.into());
        for (name, value) in self.others {
            object.insert(name.to_owned(), value);
        }
        object.insert("time".to_owned(), time.into());
        object.insert("message".to_owned(), self.message.into());
        Value::Object(object).to_string()
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.others.push((name, value)),
        }
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, ' ' | '"' | '\\' | '=');
    !text.is_empty() && text.chars().all(plain)
}

/// A message stays on its line, whatever a client put into it.
fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // A value that cannot be shown is shown as far as it goes.
        let _ = write!(text, "{value:?}");
        self.add(field, text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The line of an event, with its time replaced by `T` once it is seen to be one.
    fn line(shape: Shape, event: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Memory(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Memory {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let memory = Memory::default();
        let writer = memory.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Format(shape))
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, event);
        let text = String::from_utf8(memory.0.lock().clone()).unwrap();
        let time = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
        time.replace(&text, "T").into_owned()
    }

    #[test]
    fn common_lines() {
        let check = |event: &dyn Fn(), expect: &str| {
            assert_eq!(line(Shape::Common, event), format!("{expect}\n"));
        };
        check(&|| tracing::info!("started"), "T INF started");
        check(
            &|| tracing::warn!(count = 3, name = "a b", error = %"it broke", on = true, "odd"),
            "T WRN odd error=\"it broke\" count=3 name=\"a b\" on=true",
        );
        check(&|| tracing::error!(path = "/a", "two\nlines"), "T ERR two\\nlines path=/a");
        check(&|| tracing::debug!(v = "x\ny"), "T DBG  v=\"x\\ny\"");
        check(&|| tracing::trace!(list = ?[1, 2], "t"), "T TRC t list=\"[1, 2]\"");
        let colored = line(Shape::Colored, || tracing::error!(a = 1, "x"));
        assert_eq!(colored, "\x1b[90mT\x1b[0m \x1b[31mERR\x1b[0m x \x1b[36ma=\x1b[0m1\n");
    }

    #[test]
    fn json_lines() {
        let check = |event: &dyn Fn(), expect: &str| {
            assert_eq!(line(Shape::Json, event), format!("{expect}\n"));
        };
        check(&|| tracing::info!("started"), r#"{"level":"info","time":"T","message":"started"}"#);
        check(
            &|| tracing::error!(error = %"it \"broke\"", count = 3, "a\nb"),
            r#"{"level":"error","error":"it \"broke\"","count":3,"time":"T","message":"a\nb"}"#,
        );
    }
}

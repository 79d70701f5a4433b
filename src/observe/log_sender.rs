//! The leveled log on its way to a collector, beside its lines.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::entry::{LogEntry, LogValue, Severity};
use super::queue::Queue;

/// The thread that sends reports. What it says of itself is not sent, or a collector that is away
/// would be told of it for ever.
pub const SENDER: &str = "otlp";

/// Sends events away.
#[derive(Debug)]
pub(super) struct LogSender(pub(super) Arc<Queue<LogEntry>>);

impl<S: Subscriber> Layer<S> for LogSender {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if std::thread::current().name() == Some(SENDER) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let severity = match *event.metadata().level() {
            Level::TRACE => Severity::Trace,
            Level::DEBUG => Severity::Debug,
            Level::INFO => Severity::Info,
            Level::WARN => Severity::Warn,
            Level::ERROR => Severity::Error,
        };
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Fields { message, others } = fields;
        let entry = LogEntry { at, severity, body: message, fields: others, trace: None };
        self.0.push(entry);
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(String, LogValue)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: LogValue) {
        match (field.name(), value) {
            ("message", LogValue::Text(text)) => self.message = text,
            (name, value) => self.others.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, LogValue::Text(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, LogValue::Text(value.to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, LogValue::Switch(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, LogValue::Signed(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, LogValue::Whole(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, LogValue::Ratio(value));
    }
}

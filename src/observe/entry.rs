//! A line of a log on its way to a collector: what it says, as plain values.

use std::time::Duration;

use super::queue::Waits;

/// A line of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// When it was, since the epoch.
    pub at: Duration,
    /// How important it is.
    pub severity: Severity,
    /// The line.
    pub body: String,
    /// Its fields.
    pub fields: Vec<(String, LogValue)>,
    /// The trace and the span it belongs to.
    pub trace: Option<([u8; 16], u64)>,
}

impl Waits for LogEntry {
    fn bytes(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| {
            let text = if let LogValue::Text(text) = value { text.len() } else { 0 };
            FIELD_BYTES + name.len() + text
        });
        self.body.len() + fields.sum::<usize>()
    }
}

/// What a field takes beside its text.
const FIELD_BYTES: usize = 64;

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum LogValue {
    /// Text.
    Text(String),
    /// A number that is not negative.
    Whole(u64),
    /// A number.
    Signed(i64),
    /// A number that need not be whole.
    Ratio(f64),
    /// True or false.
    Switch(bool),
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// For who follows every step.
    Trace,
    /// For who looks for an error.
    Debug,
    /// The normal course of things.
    Info,
    /// Something should be looked at.
    Warn,
    /// Something failed.
    Error,
}

impl Severity {
    /// Its number in OpenTelemetry's data model of logs.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Trace => 1,
            Self::Debug => 5,
            Self::Info => 9,
            Self::Warn => 13,
            Self::Error => 17,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

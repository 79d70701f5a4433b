//! The log of requests: lines are made on the caller's thread and written on another.

mod clf;
mod json;
mod record;
mod rules;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use self::clf::{Columns, Extent};
use self::record::{FieldValue, Moment};
use self::rules::Kept;
use super::entry::{LogEntry, LogValue, Severity};
use super::output::Output;
use super::queue::Queue;
use super::stamp::{self, Exact};

pub use record::{AccessRecord, Encrypted, Origin};
pub use rules::{FieldRules, Filters, HeaderMode};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessFormat {
    /// The common log format with Traefik's further fields.
    #[default]
    Common,
    /// The same without them.
    GenericClf,
    /// An object with all fields.
    Json,
}

/// What is logged, and where.
#[derive(Debug, Clone, Default)]
pub struct AccessPlan {
    /// The file; none means standard output. Folders that are missing are made.
    pub path: Option<PathBuf>,
    /// How a line looks.
    pub format: AccessFormat,
    /// Which requests are in it.
    pub filters: Filters,
    /// What a line holds.
    pub fields: FieldRules,
    /// Where lines are sent to; without [`AccessPlan::dual`] they are not written then.
    pub queue: Option<Arc<Queue<LogEntry>>>,
    /// Whether lines that are sent are written as well.
    pub dual: bool,
}

/// The log of requests.
///
/// One per process, since it counts the requests of the process. Dropping it writes what waits.
#[derive(Debug)]
pub struct AccessLog {
    output: Option<Output>,
    queue: Option<Arc<Queue<LogEntry>>>,
    count: AtomicU64,
    filters: Filters,
    kept: Kept,
    line: Line,
}

#[derive(Debug)]
enum Line {
    Clf(Columns),
    Json,
}

impl AccessLog {
    /// Opens the log.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or no thread can be started.
    pub fn open(plan: AccessPlan) -> io::Result<Self> {
        let kept = Kept::new(plan.fields);
        let line = match plan.format {
            AccessFormat::Common => Line::Clf(Columns::new(&kept, Extent::Traefik)),
            AccessFormat::GenericClf => Line::Clf(Columns::new(&kept, Extent::Generic)),
            AccessFormat::Json => Line::Json,
        };
        let output = match plan.queue.is_none() || plan.dual {
            true => Some(Output::open(plan.path.as_deref(), "access-log")?),
            false => None,
        };
        let (queue, count, filters) = (plan.queue, AtomicU64::new(0), plan.filters);
        Ok(Self { output, queue, count, filters, kept, line })
    }

    /// Whether lines may hold headers, so that these must be kept until the request is over.
    #[must_use]
    pub fn wants_headers(&self) -> bool {
        self.kept.wants_headers()
    }

    /// Whether lines hold queries.
    #[must_use]
    pub fn keeps_queries(&self) -> bool {
        self.kept.keeps_queries()
    }

    /// Writes a request, which ends now; never waits for the disk on the caller's thread.
    ///
    /// A line is written within about 100 ms. When the disk is too slow lines are dropped, and
    /// their number is logged.
    pub fn record(&self, record: &AccessRecord<'_>) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.filters.keep(record) {
            return;
        }
        let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = ended.saturating_sub(record.duration);
        let moment = Moment { started, ended, count };
        let line = match &self.line {
            Line::Clf(columns) => columns.line(&self.kept, record, moment),
            Line::Json => json::line(&self.kept, record, moment),
        };
        if let Some(output) = &self.output {
            output.push(&line);
        }
        if let Some(queue) = &self.queue {
            queue.push(self.entry(record, moment, &line));
        }
    }

    /// The line as it is sent away.
    fn entry(&self, record: &AccessRecord<'_>, moment: Moment, line: &[u8]) -> LogEntry {
        let mut fields = Vec::new();
        self.kept.each(record, moment, |name, value| {
            let value = match value {
                FieldValue::Text(text) => LogValue::Text(text.into_owned()),
                FieldValue::Number(number) => LogValue::Whole(number),
                FieldValue::Ratio(ratio) => LogValue::Ratio(ratio),
                FieldValue::Time(at) => {
                    let mut text = Vec::new();
                    stamp::rfc3339(&mut text, at, Exact::Nanos);
                    LogValue::Text(String::from_utf8_lossy(&text).into_owned())
                }
            };
            fields.push((name.to_owned(), value));
        });
        let body = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        let ids = |(trace, span): (&str, &str)| {
            let trace = u128::from_str_radix(trace, 16).ok()?;
            Some((trace.to_be_bytes(), u64::from_str_radix(span, 16).ok()?))
        };
        let trace = record.trace.and_then(ids);
        LogEntry { at: moment.ended, severity: Severity::Info, body, fields, trace }
    }

    /// Opens the file anew, after it was renamed by a rotation. What waits goes to the old one.
    pub fn reopen(&self) {
        if let Some(output) = &self.output {
            output.reopen();
        }
    }

    /// Writes what waits and ends; waits for the disk, though not for ever. Later requests are not
    /// logged.
    pub fn close(&self) {
        if let Some(output) = &self.output {
            output.close();
        }
    }
}

#[cfg(test)]
mod tests;

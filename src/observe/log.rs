//! The leveled log: Traefik's levels and formats on top of `tracing`.
//!
//! Lines are written on the caller's thread, so that none is lost when the process ends at once.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::entry::LogEntry;
use super::log_format::{Format, Shape};
use super::log_sender::LogSender;
use super::queue::Queue;
use super::rotation::{Rotated, Rotation};

/// Why the log cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A level that is not known.
    #[error("log.level: unknown level {level:?}, known are {}", levels())]
    Level {
        /// As it was given.
        level: String,
    },
    /// A format that is not known.
    #[error("log.format: unknown format {format:?}, known are common, json")]
    Format {
        /// As it was given.
        format: String,
    },
    /// The file cannot be opened for appending.
    #[error("log.filePath: {} cannot be opened: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// There is a log already.
    #[error("the log was started twice")]
    Twice(#[from] TryInitError),
}

/// Levels by Traefik's names. Nothing of ours is graver than an error, so that the last two are
/// silent.
const LEVELS: [(&str, LevelFilter); 7] = [
    ("TRACE", LevelFilter::TRACE),
    ("DEBUG", LevelFilter::DEBUG),
    ("INFO", LevelFilter::INFO),
    ("WARN", LevelFilter::WARN),
    ("ERROR", LevelFilter::ERROR),
    ("FATAL", LevelFilter::OFF),
    ("PANIC", LevelFilter::OFF),
];

fn levels() -> String {
    LEVELS.map(|(name, _)| name).join(", ")
}

/// Starts the log on standard output, with colours on a terminal unless `no_color`.
///
/// # Errors
/// When level or format is not known, whatever their case, or there is a log already.
pub fn init(plan: &LogPlan<'_>) -> Result<(), LogError> {
    let shape = match shape(plan.format)? {
        Shape::Common if !plan.no_color && io::stdout().is_terminal() => Shape::Colored,
        shape => shape,
    };
    Ok(subscriber(plan, shape, io::stdout)?.try_init()?)
}

/// Starts the log in a file, to which it appends. Folders that are missing are made.
///
/// # Errors
/// As [`init`], and when the file cannot be opened.
pub fn init_file(plan: &LogPlan<'_>, path: &Path, rotation: Rotation) -> Result<LogFile, LogError> {
    let shape = shape(plan.format)?;
    let log = LogFile::open(path, rotation);
    let log = log.map_err(|error| LogError::File { path: path.to_owned(), error })?;
    subscriber(plan, shape, log.clone())?.try_init()?;
    Ok(log)
}

/// What is logged, and how.
#[derive(Debug, Clone, Default)]
pub struct LogPlan<'a> {
    /// The least important level.
    pub level: &'a str,
    /// `common` or `json`.
    pub format: &'a str,
    /// No colours on a terminal.
    pub no_color: bool,
    /// Where events are sent to beside being written.
    pub queue: Option<Arc<Queue<LogEntry>>>,
}

/// A log's file.
#[derive(Debug, Clone)]
pub struct LogFile {
    file: Arc<Mutex<Rotated>>,
}

impl LogFile {
    fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        Ok(Self { file: Arc::new(Mutex::new(Rotated::open(path, rotation)?)) })
    }

    /// Opens the file anew, after it was renamed by a rotation from outside.
    ///
    /// # Errors
    /// When it cannot be opened; the old one stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        self.file.lock().reopen()
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.lock().write_line(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogFile {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn shape(format: &str) -> Result<Shape, LogError> {
    match format.to_ascii_lowercase().as_str() {
        "common" => Ok(Shape::Common),
        "json" => Ok(Shape::Json),
        _ => Err(LogError::Format { format: format.to_owned() }),
    }
}

fn subscriber<W>(
    plan: &LogPlan<'_>,
    shape: Shape,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = plan.level;
    let known = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(level));
    let (_, level) = known.ok_or_else(|| LogError::Level { level: level.to_owned() })?;
    // Libraries speak of their inner life at lower levels.
    let others = (*level).min(LevelFilter::WARN);
    let filter = Targets::new().with_default(others).with_target(OURS, *level);
    let format = tracing_subscriber::fmt::layer().event_format(Format(shape)).with_writer(writer);
    let sender = plan.queue.clone().map(LogSender);
    Ok(tracing_subscriber::registry().with(filter).with(format).with(sender))
}

/// What our events' targets begin with.
const OURS: &str = env!("CARGO_CRATE_NAME");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_formats_are_known_by_name() {
        for (level, format, expect) in [
            ("info", "COMMON", ""),
            ("Fatal", "json", ""),
            (
                "loud",
                "json",
                "log.level: unknown level \"loud\", known are TRACE, DEBUG, INFO, WARN, ERROR, \
                 FATAL, PANIC",
            ),
            ("", "json", "log.level: unknown level \"\""),
            ("INFO", "xml", "log.format: unknown format \"xml\", known are common, json"),
        ] {
            let error = shape(format)
                .and_then(|shape| {
                    let plan = LogPlan { level, format, ..LogPlan::default() };
                    subscriber(&plan, shape, io::sink)
                })
                .err();
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(expect) && error.is_empty() == expect.is_empty(), "{error}");
        }
    }

    #[test]
    fn a_level_shows_itself_and_what_is_graver() {
        for (level, expect) in [
            ("trace", "12345"),
            ("debug", "2345"),
            ("INFO", "345"),
            ("warn", "45"),
            ("error", "5"),
            ("fatal", ""),
            ("panic", ""),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("log");
            let log = LogFile::open(&path, Rotation::default()).unwrap();
            let plan = LogPlan { level, ..LogPlan::default() };
            let subscriber = subscriber(&plan, Shape::Common, log.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::trace!("1");
                tracing::debug!("2");
                tracing::info!("3");
                tracing::info!(target: "h2", "other");
                tracing::warn!("4");
                std::fs::rename(&path, folder.path().join("old")).unwrap();
                log.reopen().unwrap();
                tracing::error!("5");
            });
            let old = std::fs::read_to_string(folder.path().join("old")).unwrap();
            let new = std::fs::read_to_string(&path).unwrap();
            let said = |text: &str| -> String {
                text.lines().filter_map(|line| line.rsplit(' ').next()).collect()
            };
            assert_eq!(said(&old) + &said(&new), expect, "{level}");
            assert!(new.lines().count() <= 1);
        }
    }
}

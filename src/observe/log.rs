//! The leveled log: Traefik's levels and formats on top of `tracing`.
//!
//! Lines are written on the caller's thread, so that none is lost when the process ends at once.

use std::fs::File;
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

use super::log_format::{Format, Shape};
use super::output::append;

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
pub fn init(level: &str, format: &str, no_color: bool) -> Result<(), LogError> {
    let shape = match shape(format)? {
        Shape::Common if !no_color && io::stdout().is_terminal() => Shape::Colored,
        shape => shape,
    };
    Ok(subscriber(level, shape, io::stdout)?.try_init()?)
}

/// Starts the log in a file, to which it appends. Folders that are missing are made.
///
/// # Errors
/// As [`init`], and when the file cannot be opened.
pub fn init_file(level: &str, format: &str, path: &Path) -> Result<LogFile, LogError> {
    let shape = shape(format)?;
    let file = append(path).map_err(|error| LogError::File { path: path.to_owned(), error })?;
    let log = LogFile { file: Arc::new(Mutex::new(file)), path: path.into() };
    subscriber(level, shape, log.clone())?.try_init()?;
    Ok(log)
}

/// A log's file.
#[derive(Debug, Clone)]
pub struct LogFile {
    file: Arc<Mutex<File>>,
    path: Arc<Path>,
}

impl LogFile {
    /// Opens the file anew, after it was renamed by a rotation.
    ///
    /// # Errors
    /// When it cannot be opened; the old one stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        let file = append(&self.path)?;
        *self.file.lock() = file;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.lock().write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.lock().write_all(bytes)
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
    level: &str,
    shape: Shape,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let known = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(level));
    let (_, level) = known.ok_or_else(|| LogError::Level { level: level.to_owned() })?;
    // Libraries speak of their inner life at lower levels.
    let others = (*level).min(LevelFilter::WARN);
    let filter = Targets::new().with_default(others).with_target(OURS, *level);
    let format = tracing_subscriber::fmt::layer().event_format(Format(shape)).with_writer(writer);
    Ok(tracing_subscriber::registry().with(filter).with(format))
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
            let error = shape(format).and_then(|shape| subscriber(level, shape, io::sink)).err();
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
            let file = Arc::new(Mutex::new(append(&path).unwrap()));
            let log = LogFile { file, path: path.as_path().into() };
            let subscriber = subscriber(level, Shape::Common, log.clone()).unwrap();
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

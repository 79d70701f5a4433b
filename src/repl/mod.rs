//! Prototypes: what is typed becomes a configuration, which is served on the loopback address, and
//! requests to it show what every part makes of them.
//!
//! It is a provider like any other, and its requests go the way of all requests. Must not know the
//! process's arguments nor how lines come to it, but for those of a terminal.

mod client;
mod collect;
mod command;
mod complete;
mod diff;
mod edit;
mod expect;
mod import;
mod line;
mod manifests;
mod save;
mod send;
mod session;
mod show;

use std::io::{self, BufRead, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::app::StartError;
use crate::config::{ConfigError, Root};

pub use command::{COMMANDS, Command};
pub use session::Session;

/// How a session is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The static configuration; its entrypoints listen on free ports of the loopback address.
    pub root: Root,
    /// Whether answers are JSON, one object a line.
    pub json: bool,
}

/// Why a line cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ReplError {
    /// It is neither a command, nor a request, nor a rule.
    #[error("{0}")]
    Line(String),
    /// A command lacks something.
    #[error("usage: {0}")]
    Usage(&'static str),
    /// An element is wrong; the configuration stays as it was.
    #[error("{0}")]
    Element(String),
    /// There is no such element.
    #[error("there is no {kind} {name:?}{}", hint(.nearest.as_deref()))]
    Missing {
        /// What was looked for.
        kind: &'static str,
        /// Its name.
        name: String,
        /// A name that is written nearly so.
        nearest: Option<String>,
    },
    /// Something cannot be loaded or saved.
    #[error("{place}: {reason}")]
    Place {
        /// The file or the URL.
        place: String,
        /// Why.
        reason: String,
    },
    /// A request could not be sent.
    #[error("the request could not be sent: {0}")]
    Send(#[from] client::ClientError),
    /// An expectation is not met.
    #[error("expected {0}")]
    Expected(String),
    /// What was typed is no request that can be explained.
    #[error(transparent)]
    Question(#[from] crate::explain::QuestionError),
    /// What was typed as Lua failed.
    #[error(transparent)]
    Lua(#[from] crate::lua::ScriptError),
    /// Moongate cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The entrypoints cannot be set up.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A thread, a socket or a file is not to be had.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The configuration was not applied in time.
    #[error("the configuration was not applied within {0:?}")]
    Late(std::time::Duration),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean {name:?}?"))
}

/// What a line has come to.
#[derive(Debug, Default)]
pub struct Answer {
    /// For people; empty when there is nothing to say.
    pub text: String,
    /// For programs.
    pub data: Map<String, Value>,
    /// Whether the session is over.
    pub ends: bool,
}

impl Answer {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }
}

/// Whether every line was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every line was.
    Well,
    /// At least one failed.
    Failed,
}

/// Does the lines of a pipe or of a file.
///
/// # Errors
/// When nothing can be read or written any more.
pub fn follow(
    session: &mut Session,
    lines: impl BufRead,
    out: &mut dyn Write,
) -> Result<Ending, ReplError> {
    let mut ending = Ending::Well;
    let mut pending = String::new();
    for text in lines.lines() {
        pending.push_str(&text?);
        if line::is_open(&pending) {
            pending.push('\n');
            continue;
        }
        let text = std::mem::take(&mut pending);
        match perform(session, &text, out)? {
            Some(true) => {}
            Some(false) => ending = Ending::Failed,
            None => return Ok(ending),
        }
    }
    if !pending.trim().is_empty() && perform(session, &pending, out)? == Some(false) {
        ending = Ending::Failed;
    }
    Ok(ending)
}

/// Follows a person at a terminal.
///
/// # Errors
/// When the terminal is gone.
pub fn interact(
    session: &mut Session,
    history: Option<&Path>,
    out: &mut dyn Write,
) -> Result<Ending, ReplError> {
    let mut terminal = complete::Terminal::open(history)?;
    while let Some(text) = terminal.read(session)? {
        if perform(session, &text, out)?.is_none() {
            break;
        }
    }
    terminal.close();
    Ok(Ending::Well)
}

/// Does one line and says what came of it: whether it was done, and nothing at the end.
fn perform(
    session: &mut Session,
    text: &str,
    out: &mut dyn Write,
) -> Result<Option<bool>, ReplError> {
    if text.trim().is_empty() || text.trim_start().starts_with('#') {
        return Ok(Some(true));
    }
    let done = command::perform(session, text.trim());
    let well = done.is_ok();
    if session.json {
        let mut data = match &done {
            Ok(answer) => answer.data.clone(),
            Err(error) => Map::from_iter([("error".to_owned(), json!(error.to_string()))]),
        };
        data.insert("line".to_owned(), json!(text.trim()));
        data.insert("ok".to_owned(), json!(well));
        writeln!(out, "{}", Value::Object(data))?;
    } else {
        match &done {
            Ok(answer) if answer.text.is_empty() => {}
            Ok(answer) => writeln!(out, "{}", answer.text.trim_end())?,
            Err(error) => writeln!(out, "error: {error}")?,
        }
    }
    out.flush()?;
    Ok((!done.is_ok_and(|answer| answer.ends)).then_some(well))
}

//! One file's bytes become a configuration.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use super::{FileError, Place};
use crate::lua::{ScriptSource, settings};
use crate::model::Dynamic;
use crate::template::Template;
use crate::value::{Format, decode};

/// What becomes of the text that a template makes, beside being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It is written to the log, for `debugLogGeneratedTemplate`.
    Logged,
    Silent,
}

/// Reads a file's bytes in the language of its name; at the place of a script it is one.
pub(super) fn parse(
    place: &Place,
    path: &Path,
    bytes: &[u8],
    made: Made,
) -> Result<Dynamic, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        FileError::Encoding { line: before.split(|byte| *byte == b'\n').count() }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Place::Script(_) = place {
        let source = ScriptSource { name: path.display().to_string().into(), text: text.into() };
        return Ok(decode(&settings(&source, Rc::new(variable))?)?);
    }
    let format = Format::of(path).ok_or(FileError::Extension)?;
    let rendered = match Template::is_plain(text) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(Template::parse(text)?.render(&variable)?),
    };
    if made == Made::Logged {
        tracing::debug!(provider = super::FILE, file = %path.display(), "generated:\n{rendered}");
    }
    let document = format.parse(&rendered).map_err(|error| match &rendered {
        Cow::Borrowed(_) => FileError::Syntax(error),
        Cow::Owned(_) => FileError::Generated(error),
    })?;
    Ok(decode(&document)?)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

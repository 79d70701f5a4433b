//! One file's bytes become a configuration.

use std::path::Path;

use serde_json::Value;

use super::FileError;
use crate::model::Dynamic;
use crate::value::{Format, decode};

/// Reads a file's bytes in the language of its name.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Dynamic, FileError> {
    let format = Format::of(path).ok_or(FileError::Extension)?;
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        FileError::Encoding { line: before.split(|byte| *byte == b'\n').count() }
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A template is seldom a document, so that its syntax errors would mislead.
    let document = match (format.parse(text), action(text)) {
        (Ok(document), _) if !in_text(&document) => document,
        (Ok(_), line) => return Err(FileError::Template { line: line.unwrap_or(1) }),
        (Err(_), Some(line)) => return Err(FileError::Template { line }),
        (Err(error), None) => return Err(FileError::Syntax(error)),
    };
    Ok(decode(&document)?)
}

/// The first line, from 1, that holds a template's action and is no comment.
fn action(text: &str) -> Option<usize> {
    let holds = |line: &str| line.contains(ACTION) && !line.trim_start().starts_with('#');
    text.lines().position(holds).map(|index| index + 1)
}

/// Whether an action is in any text of the document, keys included.
fn in_text(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(ACTION),
        Value::Array(items) => items.iter().any(in_text),
        Value::Object(fields) => {
            fields.iter().any(|(key, value)| key.contains(ACTION) || in_text(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What begins an action of Go's templates, which Traefik's files are.
const ACTION: &str = "{{";

//! Options that tell where they are kept, in the environment or in a file, become text here, on
//! the control plane, so that scripts need neither.
//!
//! Must not know any middleware.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::schema::{Held, Schema, Source};

/// A file of options is at most this long; a list of ten thousand users has some 700 KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What changes when a file changes, whether it is written, renamed over or a link is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    modified: Option<SystemTime>,
    /// Its length in bytes.
    pub len: u64,
    file: u64,
}

impl Stamp {
    /// Looks at a file.
    ///
    /// # Errors
    /// When there is none, in the system's words.
    pub fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified().ok();
        Ok(Self { modified, len: metadata.len(), file: metadata.ino() })
    }
}

/// Files that options name, with what they were before they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Files(Vec<(PathBuf, Option<Stamp>)>);

impl Files {
    /// Whether all files are what they were; one that was missing still is.
    pub(super) fn are_current(&self) -> bool {
        self.0.iter().all(|(path, before)| Stamp::of(path).ok() == *before)
    }

    /// Takes over those of others.
    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read or is longer than `bytes_max`.
    pub(super) fn bytes(&mut self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
        let wrong = |cause: &dyn std::fmt::Display| format!("{}: {cause}", path.display());
        let stamp = Stamp::of(path);
        self.0.push((path.into(), stamp.as_ref().ok().cloned()));
        if stamp.map_err(|error| wrong(&error))?.len > bytes_max {
            return Err(wrong(&format_args!("longer than {bytes_max} bytes")));
        }
        fs::read(path).map_err(|error| wrong(&error))
    }

    /// The text of a file, without the line break at its end.
    fn read(&mut self, path: &str) -> Result<String, String> {
        let wrong = |cause: &dyn std::fmt::Display| format!("{path}: {cause}");
        let stamp = Stamp::of(Path::new(path));
        self.0.push((path.into(), stamp.as_ref().ok().cloned()));
        if stamp.map_err(|error| wrong(&error))?.len > FILE_BYTES_MAX {
            return Err(wrong(&format_args!("longer than {FILE_BYTES_MAX} bytes")));
        }
        let mut text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
        if text.ends_with('\n') {
            text.pop();
            text.truncate(text.trim_end_matches('\r').len());
        }
        Ok(text)
    }
}

/// Puts the text in the place of every `{env: NAME}` and `{file: PATH}` in decoded options.
///
/// # Errors
/// What cannot be read, each in a sentence.
pub(super) fn resolve(
    schema: &Schema,
    options: &mut Value,
    files: &mut Files,
) -> Result<(), Vec<String>> {
    let mut errors = Vec::new();
    schema.visit(options, Source::File, &mut |held, value| {
        if held != Held::Secret {
            return;
        }
        let way = |name: &str| value.get(name).and_then(Value::as_str);
        let text = match (way("env"), way("file")) {
            (Some(name), _) => std::env::var(name)
                .map_err(|_| format!("the environment has no text by the name {name}")),
            (None, Some(path)) => files.read(path),
            (None, None) => return,
        };
        match text {
            Ok(text) => *value = Value::String(text),
            Err(error) => errors.push(error),
        }
    });
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_and_environment_become_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        let schema = json!({"users": {"type": "list", "of": "secret"}, "more": {"type": "file"}});
        let schema = Schema::parse(&schema).unwrap();
        let written = json!({"users": ["a", {"env": "PATH"}, {"file": path}], "more": path});
        let decoded = schema.decode(&written, Source::File).unwrap().options;
        let read = |files: &mut Files| {
            let mut options = decoded.clone();
            resolve(&schema, &mut options, files).map(|()| options)
        };
        let mut files = Files::default();
        assert!(read(&mut files).unwrap_err()[0].contains("No such file"));
        assert!(files.are_current());

        fs::write(&path, "b\n\nc\r\n").unwrap();
        assert!(!files.are_current());
        let mut files = Files::default();
        let expect = json!({
            "users": ["a", std::env::var("PATH").unwrap(), "b\n\nc"], "more": "b\n\nc",
        });
        assert_eq!(read(&mut files), Ok(expect));
        assert!(files.are_current());

        fs::write(&path, "b\n\nc\r\nd\n").unwrap();
        assert!(!files.are_current());
    }

    #[test]
    fn what_is_missing_is_told_by_name() {
        let schema = Schema::parse(&json!({"key": {"type": "secret"}})).unwrap();
        let mut options = json!({"key": {"env": "NOBODY_SETS_THIS"}});
        let errors = resolve(&schema, &mut options, &mut Files::default()).unwrap_err();
        assert_eq!(errors, ["the environment has no text by the name NOBODY_SETS_THIS"]);
    }
}

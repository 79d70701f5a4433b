//! Why a file cannot be used.

use std::io;
use std::path::Path;

use crate::lua::ScriptError;
use crate::model::Diagnostic;
use crate::template::TemplateError;
use crate::value::{DecodeError, DocumentError};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file system refuses it.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is neither a file nor a link to one.
    #[error("is not a regular file")]
    Special,
    /// It is longer than a configuration may be.
    #[error("is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// There are more files, or deeper folders, than a configuration may have.
    #[error("holds more than {max_files} files, or folders deeper than {max_depth}")]
    TooMany {
        /// The limit of files.
        max_files: usize,
        /// The limit of folders in folders.
        max_depth: usize,
    },
    /// Its name does not tell its language.
    #[error("its name must end in .yaml, .yml, .toml or .json")]
    Extension,
    /// It is not UTF-8.
    #[error("is not UTF-8")]
    Encoding {
        /// The line where that is seen, from 1.
        line: usize,
    },
    /// It is a template that cannot be read, or makes no text.
    #[error("template: {0}")]
    Template(#[from] TemplateError),
    /// The text that its template makes is no document of its language.
    #[error("{}", .0.reason)]
    Generated(DocumentError),
    /// It is a script that returns no configuration.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// It is no document of its language.
    #[error("{}", .0.reason)]
    Syntax(DocumentError),
    /// An option is unknown or holds what it cannot hold.
    #[error("{}", without_path(.0))]
    Option(#[from] DecodeError),
}

impl FileError {
    /// The finding about the file at `path`.
    #[must_use]
    pub(super) fn diagnostic(&self, path: &Path) -> Diagnostic {
        let place = match self {
            Self::Syntax(error) => format!("line {}, column {}", error.line, error.column),
            Self::Generated(error) => {
                let (line, column) = (error.line, error.column);
                format!("line {line}, column {column} of what the template makes")
            }
            Self::Encoding { line } => format!("line {line}"),
            Self::Template(error) => format!("line {}", error.line),
            Self::Script(_) => "providers.script".to_owned(),
            Self::Option(error) => match error.path() {
                "" => "document".to_owned(),
                path => path.to_owned(),
            },
            Self::Read(_) | Self::Special | Self::TooLarge { .. } | Self::TooMany { .. } => {
                "providers.file".to_owned()
            }
            Self::Extension => "providers.file.filename".to_owned(),
        };
        let source = Some(path.display().to_string());
        Diagnostic { source, ..Diagnostic::error(place, self) }
    }
}

/// The error's words alone: a finding names the path itself.
fn without_path(error: &DecodeError) -> String {
    let text = error.to_string();
    let words = text.strip_prefix(error.path()).and_then(|rest| rest.strip_prefix(": "));
    words.unwrap_or(&text).to_owned()
}

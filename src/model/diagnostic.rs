//! A finding about a piece of configuration.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works, but perhaps not as meant.
    Warning,
    /// The element is disabled.
    Error,
}

/// One finding: where, how bad, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The source, such as a file's path, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The element's path, such as `http.routers.shop@file.rule`.
    pub path: String,
    /// The reason, one sentence.
    pub reason: String,
}

impl Diagnostic {
    /// An error about the element at `path`.
    pub fn error(path: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self {
            severity: Severity::Error,
            source: None,
            path: path.into(),
            reason: reason.to_string(),
        }
    }

    /// A warning about the element at `path`.
    pub fn warning(path: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, reason) }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "{source}: ")?;
        }
        write!(f, "{}: {}", self.path, self.reason)
    }
}

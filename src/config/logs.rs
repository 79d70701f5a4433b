//! The options of logs, as they are written.

use serde::{Deserialize, Serialize};

/// The leveled log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Log {
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL` or `PANIC`.
    pub level: String,
    /// `common` or `json`.
    pub format: String,
    /// Where it is written; empty means standard output.
    pub file_path: String,
    /// No colours on a terminal.
    pub no_color: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "ERROR".to_owned(),
            format: "common".to_owned(),
            file_path: String::new(),
            no_color: false,
        }
    }
}

/// The log of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLog {
    /// Where it is written; empty means standard output.
    pub file_path: String,
    /// `common`.
    pub format: String,
    /// Whether requests of internal services, such as `ping@internal`, are in it.
    pub add_internals: bool,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { file_path: String::new(), format: "common".to_owned(), add_internals: false }
    }
}

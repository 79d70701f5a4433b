//! How a whole entrypoint sends its requests to another one.

use serde::{Deserialize, Serialize};

use crate::value::section;

/// Sends all requests to another entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Redirections {
    /// To which, and how.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<Redirection>,
}

/// To which entrypoint, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Redirection {
    /// An entrypoint's name, or `:port`.
    pub to: String,
    /// The scheme of the new place.
    pub scheme: String,
    /// 301 and 308 instead of 302 and 307.
    pub permanent: bool,
    /// The priority of the redirecting router.
    pub priority: i64,
}

impl Default for Redirection {
    fn default() -> Self {
        Self {
            to: String::new(),
            scheme: "https".to_owned(),
            permanent: true,
            priority: i64::MAX - 1,
        }
    }
}

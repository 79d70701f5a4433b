//! Pages of an entrypoint in the place of Moongate's own plain answers.

use serde::{Deserialize, Serialize};

use crate::value::section;

/// Pages by what went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answers {
    /// Where no router matches.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub no_router: Option<AnswerPage>,
    /// Where a service has no server to send the request to.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub no_server: Option<AnswerPage>,
    /// Where anything else fails.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub error: Option<AnswerPage>,
}

/// One page: from a file or by a script.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AnswerPage {
    /// The status in place of the failure's own; 0 keeps it.
    pub status: u16,
    /// The file that is sent.
    pub file: String,
    /// The type of the file; empty means the one of its name.
    pub content_type: String,
    /// The script that makes the page, by name or path.
    pub lua: String,
}

impl Answers {
    /// Whether there is no page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The pages there are, with the names of their options.
    pub fn pages(&self) -> impl Iterator<Item = (&'static str, &AnswerPage)> {
        let all =
            [("noRouter", &self.no_router), ("noServer", &self.no_server), ("error", &self.error)];
        all.into_iter().filter_map(|(name, page)| Some((name, page.as_ref()?)))
    }
}

impl AnswerPage {
    /// What is wrong with it, if anything is.
    pub(super) fn fault(&self) -> Option<String> {
        if self.file.is_empty() == self.lua.is_empty() {
            return Some("give exactly one of file and lua".to_owned());
        }
        if !self.lua.is_empty() && !self.content_type.is_empty() {
            return Some("contentType: the script says it itself".to_owned());
        }
        match self.status {
            0 | 200..=203 | 205..=303 | 305..=599 => None,
            status => Some(format!("status: {status} is no status of an answer with a body")),
        }
    }
}

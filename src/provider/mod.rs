//! Sources of dynamic configuration.
//!
//! A provider builds its whole configuration and sends it over a bounded channel where the newest
//! wins. It cannot see what is served.

mod channel;
mod file;

use std::sync::Arc;

use crate::model::{Diagnostic, Dynamic};

pub use channel::{Receiver, Sender, channel};
pub use file::{Check, FileError, FileProvider};

/// What a provider says.
#[derive(Debug, Clone)]
pub enum Message {
    /// Its whole configuration.
    Update(Update),
    /// What it found cannot be used; its last configuration stays.
    Rejected {
        /// The provider's name.
        provider: Arc<str>,
        /// What is wrong.
        diagnostics: Vec<Diagnostic>,
    },
}

/// A provider's whole configuration.
#[derive(Debug, Clone)]
pub struct Update {
    /// The provider's name, such as `file`.
    pub provider: Arc<str>,
    /// Its configuration, names without provider.
    pub dynamic: Arc<Dynamic>,
    /// Findings that did not keep it from being used.
    pub diagnostics: Vec<Diagnostic>,
}

impl Update {
    /// A configuration without findings.
    #[must_use]
    pub fn new(provider: &str, dynamic: Arc<Dynamic>) -> Self {
        Self { provider: provider.into(), dynamic, diagnostics: Vec::new() }
    }
}

impl Message {
    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &Arc<str> {
        match self {
            Self::Update(update) => &update.provider,
            Self::Rejected { provider, .. } => provider,
        }
    }
}

//! Sources of dynamic configuration.
//!
//! A provider builds its whole configuration and sends it over a bounded channel where the newest
//! wins. It cannot see what is served.

use std::sync::Arc;

use crate::model::{Diagnostic, Dynamic};

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

/// The providers' end of the channel.
#[derive(Debug, Clone)]
pub struct Sender {}

/// The reconciler's end of the channel.
#[derive(Debug)]
pub struct Receiver {}

/// A channel on which a provider's newer message replaces its older one that nobody has taken.
#[must_use]
pub fn channel() -> (Sender, Receiver) {
    (Sender {}, Receiver {})
}

impl Sender {
    /// Says something; never waits.
    pub fn send(&self, message: Message) {
        let _ = message;
    }
}

impl Receiver {
    /// The next message; `None` when all providers have ended.
    pub async fn recv(&mut self) -> Option<Message> {
        None
    }

    /// The next message, if there is one.
    pub fn try_recv(&mut self) -> Option<Message> {
        None
    }
}

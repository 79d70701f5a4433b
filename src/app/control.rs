//! What those who started Moongate may ask of it while it runs, and say to it.

use std::sync::Arc;

use tokio::sync::watch;

use super::App;
use crate::config::Static;
use crate::model::Diagnostic;
use crate::provider::Message;

impl App {
    /// The static configuration.
    #[must_use]
    pub fn plan(&self) -> &Static {
        &self.plan
    }

    /// Says something in a provider's place.
    pub fn provide(&self, message: Message) {
        self.control.provided.send(message);
    }

    /// What is found of all that is served; told anew whenever a configuration is.
    #[must_use]
    pub fn findings(&self) -> watch::Receiver<Arc<Vec<Diagnostic>>> {
        self.control.findings.clone()
    }
}

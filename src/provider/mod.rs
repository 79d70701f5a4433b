//! Sources of dynamic configuration.
//!
//! A provider builds its whole configuration and sends it over a bounded channel where the newest
//! wins. It cannot see what is served.

mod channel;
pub mod definitions;
mod file;
mod kubernetes;
mod share;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Diagnostic, Dynamic};

pub use channel::{Receiver, Sender, channel};
pub use file::{Check, FileError, FileProvider};
pub use kubernetes::{
    Candidate, ConnectError, Connection, Findings, Kinds, Kubernetes, Manifest, Schemas, Written,
    identity, nginx_annotations,
};

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
    /// Where its elements are written, for a provider that reads files.
    pub files: Vec<(PathBuf, Arc<Dynamic>)>,
    /// What elements are made of, by their paths without provider, for a provider of objects.
    pub origins: Arc<HashMap<String, String>>,
}

impl Update {
    /// A configuration without findings.
    #[must_use]
    pub fn new(provider: &str, dynamic: Arc<Dynamic>) -> Self {
        let (diagnostics, files, origins) = (Vec::new(), Vec::new(), Arc::default());
        Self { provider: provider.into(), dynamic, diagnostics, files, origins }
    }

    /// Adds to findings about elements of this provider the files those are written in, or the
    /// objects they are made of.
    pub fn locate(&self, findings: &mut [Diagnostic]) {
        for finding in findings.iter_mut().filter(|finding| finding.source.is_none()) {
            let Some((element, provider)) = finding.path.rsplit_once('@') else { continue };
            if *provider == *self.provider {
                let found = self.files.iter().find(|(_, file)| holds(file, element));
                let file = found.map(|(path, _)| path.display().to_string());
                finding.source = file.or_else(|| self.origins.get(element).cloned());
            }
        }
    }
}

/// Whether a file holds an element such as `http.routers.shop`.
fn holds(file: &Dynamic, element: &str) -> bool {
    let mut parts = element.splitn(3, '.');
    let (Some("http"), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let http = &file.http;
    match kind {
        "routers" => http.routers.contains_key(name),
        "services" => http.services.contains_key(name),
        "middlewares" => http.middlewares.contains_key(name),
        "serversTransports" => http.servers_transports.contains_key(name),
        _ => false,
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

//! What a provider makes of a cluster, with the objects its elements come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::ObjectError;
use super::names::Id;
use crate::model::{Certificate, Diagnostic, Dynamic};

/// A configuration on its way.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) dynamic: Dynamic,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The findings about what is not there, or not ready, by their places in the list.
    pub(super) absences: Vec<usize>,
    /// The object an element comes from, by the element's path without provider.
    pub(super) origins: HashMap<String, String>,
    /// Certificates by Secret, so that each is there once.
    certificates: BTreeMap<Id, Arc<Certificate>>,
}

/// An object in findings: `IngressRoute default/shop`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) kind: &'static str,
    pub(super) id: &'a Id,
}

impl Origin<'_> {
    fn source(&self) -> String {
        format!("{} {}", self.kind, self.id)
    }
}

impl Output {
    /// Notes where an element comes from.
    pub(super) fn origin(&mut self, section: &str, element: &str, origin: Origin<'_>) {
        self.origins.insert(format!("{section}.{element}"), origin.source());
    }

    /// Notes that a part of an object is left out.
    pub(super) fn error(&mut self, origin: Origin<'_>, path: &str, error: &ObjectError) {
        let source = Some(origin.source());
        if error.is_absence() {
            self.absences.push(self.diagnostics.len());
        }
        self.diagnostics.push(Diagnostic { source, ..Diagnostic::error(path, error) });
    }

    /// Notes what works, but perhaps not as meant.
    pub(super) fn warn(&mut self, origin: Origin<'_>, path: &str, reason: impl std::fmt::Display) {
        let source = Some(origin.source());
        self.diagnostics.push(Diagnostic { source, ..Diagnostic::warning(path, reason) });
    }

    /// Adds the certificate of a Secret, once.
    pub(super) fn certificate(&mut self, secret: Id, certificate: Arc<Certificate>) {
        self.certificates.insert(secret, certificate);
    }

    /// Puts the certificates into the configuration.
    pub(super) fn finish(mut self) -> Self {
        self.dynamic.tls.certificates =
            std::mem::take(&mut self.certificates).into_values().collect();
        self
    }
}

//! Which names have a certificate, by themselves or by the wildcard above them.
//!
//! Must not know certificates.

use hashbrown::HashSet;

use crate::tls::wildcard;

/// Names that certificates are there for, or on their way.
#[derive(Default)]
pub(super) struct Covered(HashSet<String>);

impl Covered {
    /// Adds names, in whatever case.
    pub(super) fn add<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        self.0.extend(names.map(|name| name.to_ascii_lowercase()));
    }

    /// Whether one of them is that name, or the wildcard above it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name) || wildcard(name).is_some_and(|above| self.0.contains(&above))
    }
}

//! The option schemas of middlewares, by kind.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::lua::{ScriptSource, inspect};
use crate::schema::Schema;

/// Schemas by kind in lower case.
pub type Kinds = HashMap<String, Arc<Schema>>;

/// The option schemas of middlewares.
#[derive(Debug, Default)]
pub struct Schemas {
    http: Kinds,
    tcp: Kinds,
    /// Schemas of scripts that stand in objects, by their text.
    inline: Mutex<HashMap<String, Arc<Schema>>>,
}

/// Scripts in objects whose schemas are remembered; beyond that all are read anew.
const INLINE_MAX: usize = 1000;

impl Schemas {
    /// Those of scripts for HTTP and for TCP.
    #[must_use]
    pub fn new(http: Kinds, tcp: Kinds) -> Self {
        Self { http, tcp, inline: Mutex::default() }
    }

    /// The schema of a kind of middleware of HTTP.
    pub(super) fn http(&self, kind: &str) -> Option<&Arc<Schema>> {
        self.http.get(&kind.to_ascii_lowercase())
    }

    /// The schema of a kind of middleware of TCP.
    pub(super) fn tcp(&self, kind: &str) -> Option<&Arc<Schema>> {
        self.tcp.get(&kind.to_ascii_lowercase())
    }

    /// The schema that a script's text declares; none if the text is broken, which is told where
    /// it is used.
    pub(super) fn of_text(&self, text: &str) -> Option<Arc<Schema>> {
        if let Some(known) = self.inline.lock().get(text) {
            return Some(Arc::clone(known));
        }
        let source = ScriptSource { name: "inline".into(), text: text.into() };
        let schema = inspect(&source).ok()?.schema;
        let mut inline = self.inline.lock();
        if inline.len() >= INLINE_MAX {
            inline.clear();
        }
        inline.insert(text.to_owned(), Arc::clone(&schema));
        Some(schema)
    }
}

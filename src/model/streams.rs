//! What became of TCP and UDP elements. They are shown alike, so that one kind of decision is
//! enough for all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Diagnostic, ElementStatus, ServerHealth, Verdict};

/// A configuration that can be shown.
pub trait Shown: fmt::Debug + Send + Sync {
    /// Its options by name.
    fn fields(&self) -> Map<String, Value>;
}

impl<T: Serialize + fmt::Debug + Send + Sync> Shown for T {
    fn fields(&self) -> Map<String, Value> {
        // The model is plain data, which always has a value.
        match serde_json::to_value(self) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        }
    }
}

/// The decisions about all elements of a protocol, by name with provider.
#[derive(Debug, Clone, Default)]
pub struct StreamOutcome {
    /// Routers.
    pub routers: BTreeMap<String, StreamVerdict>,
    /// Services.
    pub services: BTreeMap<String, StreamVerdict>,
    /// Middlewares; UDP has none.
    pub middlewares: BTreeMap<String, StreamVerdict>,
}

/// The decision about one element, with what it came to.
#[derive(Debug, Clone)]
pub struct StreamVerdict {
    /// As configured.
    pub config: Arc<dyn Shown>,
    /// The decision.
    pub verdict: Verdict,
    /// A router's entrypoints.
    pub using: Vec<Arc<str>>,
    /// A TCP router's priority in force.
    pub priority: Option<i64>,
    /// A router's service, with provider.
    pub service: Option<String>,
    /// A router's middlewares, with provider.
    pub middlewares: Vec<String>,
    /// A service's servers.
    pub servers: Vec<String>,
    /// Their health, where it is watched.
    pub health: Option<Arc<dyn ServerHealth>>,
}

impl StreamVerdict {
    /// The decision about an element that nothing more is told of.
    #[must_use]
    pub fn new(config: Arc<dyn Shown>, verdict: Verdict) -> Self {
        Self {
            config,
            verdict,
            using: Vec::new(),
            priority: None,
            service: None,
            middlewares: Vec::new(),
            servers: Vec::new(),
            health: None,
        }
    }
}

impl StreamOutcome {
    /// All findings; `protocol` begins their paths.
    #[must_use]
    pub fn diagnostics(&self, protocol: &str) -> Vec<Diagnostic> {
        let kinds = [
            ("routers", &self.routers),
            ("services", &self.services),
            ("middlewares", &self.middlewares),
        ];
        let mut all = Vec::new();
        for (kind, elements) in kinds {
            for (name, element) in elements {
                let path = format!("{protocol}.{kind}.{name}");
                all.extend(element.verdict.errors.iter().map(|e| match element.verdict.status {
                    ElementStatus::Disabled => Diagnostic::error(path.clone(), e),
                    _ => Diagnostic::warning(path.clone(), e),
                }));
            }
        }
        all
    }
}

//! What became of each element: the data behind the API, the dashboard and `check`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Diagnostic, Middleware, Router, Service};

/// Whether an element is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ElementStatus {
    /// In force.
    #[default]
    Enabled,
    /// In force, with warnings.
    Warning,
    /// Not in force.
    Disabled,
}

impl ElementStatus {
    /// The status as Traefik's API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Warning => "warning",
            Self::Disabled => "disabled",
        }
    }
}

/// What became of all elements, by name with provider.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Routers.
    pub routers: BTreeMap<String, RouterReport>,
    /// Services.
    pub services: BTreeMap<String, ServiceReport>,
    /// Middlewares.
    pub middlewares: BTreeMap<String, MiddlewareReport>,
    /// All findings.
    pub diagnostics: Arc<Vec<Diagnostic>>,
}

/// What became of a router.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterReport {
    /// As configured.
    pub config: Arc<Router>,
    /// The entrypoints it listens on, as resolved.
    pub using: Vec<Arc<str>>,
    /// The priority in force: the explicit one, else the rule's length.
    pub priority: i64,
    /// The rule's syntax, where the router does not name it and it is not the usual one.
    pub rule_syntax: Option<&'static str>,
    /// Whether it is in force.
    pub status: ElementStatus,
    /// Errors and warnings.
    pub errors: Vec<String>,
}

/// What became of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceReport {
    /// As configured; none for an internal service.
    pub config: Option<Arc<Service>>,
    /// Routers that use it, by name.
    pub used_by: Vec<String>,
    /// Servers by URL: `UP` or `DOWN`.
    pub server_status: BTreeMap<String, &'static str>,
    /// Whether it is in force.
    pub status: ElementStatus,
    /// Errors and warnings.
    pub errors: Vec<String>,
}

/// What became of a middleware.
#[derive(Debug, Clone, PartialEq)]
pub struct MiddlewareReport {
    /// As configured.
    pub config: Arc<Middleware>,
    /// Routers that use it, by name.
    pub used_by: Vec<String>,
    /// Whether it is in force.
    pub status: ElementStatus,
    /// Errors and warnings.
    pub errors: Vec<String>,
}

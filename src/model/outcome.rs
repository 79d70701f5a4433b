//! What compiling decided about each element, kept light; the full report is made when somebody
//! asks for it, off the way of a configuration change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{
    Diagnostic, ElementStatus, Elements, Middleware, MiddlewareReport, Report, Router,
    RouterReport, Service, ServiceReport, StreamOutcome,
};

/// The decision about one element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is in force.
    pub status: ElementStatus,
    /// Errors and warnings.
    pub errors: Vec<String>,
}

impl Verdict {
    /// In force, with warnings if there are any.
    #[must_use]
    pub fn live(warnings: Vec<String>) -> Self {
        let status =
            if warnings.is_empty() { ElementStatus::Enabled } else { ElementStatus::Warning };
        Self { status, errors: warnings }
    }

    /// Not in force.
    #[must_use]
    pub fn disabled(errors: Vec<String>) -> Self {
        Self { status: ElementStatus::Disabled, errors }
    }
}

/// The decision about a router, with what it came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterVerdict {
    /// As configured.
    pub config: Arc<Router>,
    /// The entrypoints it listens on.
    pub using: Arc<[Arc<str>]>,
    /// The priority in force.
    pub priority: i64,
    /// The rule's syntax, where the router does not name it and it is not the usual one.
    pub rule_syntax: Option<&'static str>,
    /// The decision.
    pub verdict: Verdict,
}

/// A service that knows the health of its servers.
pub trait ServerHealth: Send + Sync + std::fmt::Debug {
    /// Whether the server of that URL may get requests.
    fn is_up(&self, url: &str) -> bool;
}

/// The decisions about all elements.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Routers by name with provider.
    pub routers: BTreeMap<Arc<str>, Arc<RouterVerdict>>,
    /// Services as configured.
    pub services: Elements<Service>,
    /// Services that are not simply in force.
    pub service_verdicts: HashMap<String, Verdict>,
    /// Services whose servers' health is watched.
    pub service_health: HashMap<String, Arc<dyn ServerHealth>>,
    /// Internal services in force.
    pub internals: Vec<String>,
    /// Middlewares as configured.
    pub middlewares: Elements<Middleware>,
    /// Middlewares that are not simply in force.
    pub middleware_verdicts: HashMap<String, Verdict>,
    /// TCP elements.
    pub tcp: StreamOutcome,
    /// UDP elements.
    pub udp: StreamOutcome,
    /// Findings about anything else.
    pub findings: Vec<Diagnostic>,
}

impl Outcome {
    /// All findings: those of elements, and the others.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut all = self.findings.clone();
        let mut add = |kind: &str, name: &str, verdict: &Verdict| {
            let path = format!("http.{kind}.{name}");
            all.extend(verdict.errors.iter().map(|error| match verdict.status {
                ElementStatus::Disabled => Diagnostic::error(path.clone(), error),
                _ => Diagnostic::warning(path.clone(), error),
            }));
        };
        for (name, router) in &self.routers {
            add("routers", name, &router.verdict);
        }
        for (name, verdict) in &self.service_verdicts {
            add("services", name, verdict);
        }
        for (name, verdict) in &self.middleware_verdicts {
            add("middlewares", name, verdict);
        }
        all.extend(self.tcp.diagnostics("tcp"));
        all.extend(self.udp.diagnostics("udp"));
        all.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.path.cmp(&b.path)));
        all
    }

    /// The report that the API, the dashboard and `check` show.
    #[must_use]
    pub fn report(&self) -> Report {
        let uses = self.uses();
        let routers = self.routers.iter().map(|(name, router)| (name.to_string(), router.report()));
        let services = self.services.keys().chain(&self.internals);
        let services = services.filter_map(|n| Some((n.clone(), self.service_report(n, &uses)?)));
        let middlewares = self.middlewares.keys();
        let middlewares =
            middlewares.filter_map(|n| Some((n.clone(), self.middleware_report(n, &uses)?)));
        Report {
            routers: routers.collect(),
            services: services.collect(),
            middlewares: middlewares.collect(),
            diagnostics: Arc::new(self.diagnostics()),
        }
    }

    /// The report of one service.
    #[must_use]
    pub fn service_report(&self, name: &str, uses: &Uses) -> Option<ServiceReport> {
        let config = self.services.get(name);
        if config.is_none() && !self.internals.iter().any(|internal| internal == name) {
            return None;
        }
        let verdict = self.service_verdicts.get(name).cloned().unwrap_or_default();
        let balancer = config.and_then(|config| config.load_balancer.as_ref());
        let servers = balancer.filter(|_| verdict.status != ElementStatus::Disabled);
        let servers = servers.map_or(&[][..], |balancer| &balancer.servers);
        let health = self.service_health.get(name);
        let status = |url: &str| match health {
            Some(health) if !health.is_up(url) => "DOWN",
            _ => "UP",
        };
        Some(ServiceReport {
            config: config.cloned(),
            used_by: uses.services.get(name).cloned().unwrap_or_default(),
            server_status: servers.iter().map(|s| (s.url.clone(), status(&s.url))).collect(),
            status: verdict.status,
            errors: verdict.errors,
        })
    }

    /// The report of one middleware.
    #[must_use]
    pub fn middleware_report(&self, name: &str, uses: &Uses) -> Option<MiddlewareReport> {
        let config = self.middlewares.get(name)?;
        let verdict = self.middleware_verdicts.get(name).cloned().unwrap_or_default();
        Some(MiddlewareReport {
            config: Arc::clone(config),
            used_by: uses.middlewares.get(name).cloned().unwrap_or_default(),
            status: verdict.status,
            errors: verdict.errors,
        })
    }

    /// Which routers use which services and middlewares.
    #[must_use]
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        for (name, router) in &self.routers {
            let provider = name.rsplit_once('@').map_or("", |(_, provider)| provider);
            let qualified = |name: &str| {
                if name.contains('@') { name.to_owned() } else { format!("{name}@{provider}") }
            };
            let config = &router.config;
            if !config.service.is_empty() {
                let service = qualified(&config.service);
                uses.services.entry(service).or_default().push(name.to_string());
            }
            for middleware in &config.middlewares {
                let middleware = qualified(middleware);
                uses.middlewares.entry(middleware).or_default().push(name.to_string());
            }
        }
        uses
    }
}

impl RouterVerdict {
    /// The report of the router.
    #[must_use]
    pub fn report(&self) -> RouterReport {
        RouterReport {
            config: Arc::clone(&self.config),
            using: self.using.to_vec(),
            priority: self.priority,
            rule_syntax: self.rule_syntax,
            status: self.verdict.status,
            errors: self.verdict.errors.clone(),
        }
    }
}

/// Routers by the name of what they use.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    /// By service.
    pub services: HashMap<String, Vec<String>>,
    /// By middleware.
    pub middlewares: HashMap<String, Vec<String>>,
}

//! HTTP routers, services and middlewares as the API shows them.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::list::{Key, Row};
use super::redact;
use crate::model::{
    ElementStatus, LoadBalancer, MiddlewareReport, Outcome, RouterReport, Service, ServiceReport,
    Uses,
};
use crate::snapshot::{Infos, Snapshot};

/// A kind of element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Routers,
    Middlewares,
    Services,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Routers, Self::Middlewares, Self::Services];

    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Routers => "routers",
            Self::Middlewares => "middlewares",
            Self::Services => "services",
        }
    }

    pub(super) fn singular(self) -> &'static str {
        match self {
            Self::Routers => "router",
            Self::Middlewares => "middleware",
            Self::Services => "service",
        }
    }
}

/// The elements of HTTP.
#[derive(Debug)]
pub(super) struct Elements<'a> {
    outcome: &'a Outcome,
    infos: &'a Infos,
    uses: Uses,
}

impl<'a> Elements<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, kinds: &[Kind]) -> Self {
        let outcome = &*snapshot.outcome;
        // Routers tell nobody of those that use them.
        let is_needed = kinds.iter().any(|kind| *kind != Kind::Routers);
        let uses = if is_needed { outcome.uses() } else { Uses::default() };
        Self { outcome, infos: &snapshot.infos[0], uses }
    }

    /// What lists look at.
    pub(super) fn rows(&self, kind: Kind) -> Vec<Row<'a>> {
        let outcome = self.outcome;
        match kind {
            Kind::Routers => {
                outcome.routers.iter().map(|(n, router)| router_row(n, router)).collect()
            }
            Kind::Services => {
                let own = outcome.services.iter().map(|(name, service)| (name, Some(&**service)));
                let internal = outcome.internals.iter().map(|name| (name, None));
                own.chain(internal).map(|(name, service)| self.service_row(name, service)).collect()
            }
            Kind::Middlewares => {
                let all = outcome.middlewares.iter();
                all.map(|(name, config)| {
                    let verdict = outcome.middleware_verdicts.get(name);
                    let status = verdict.map(|v| v.status).unwrap_or_default();
                    let kind = config.kinds.keys().next().map(|kind| kind.to_lowercase());
                    row(name, status, kind.unwrap_or_default())
                })
                .collect()
            }
        }
    }

    fn service_row(&self, name: &'a str, service: Option<&'a Service>) -> Row<'a> {
        let verdict = self.outcome.service_verdicts.get(name);
        let status = verdict.map(|v| v.status).unwrap_or_default();
        let kind = service.and_then(kind_of).unwrap_or_default();
        let mut row = row(name, status, kind.to_owned());
        let balancer = service.and_then(|service| service.load_balancer.as_ref());
        let servers = balancer.map_or(0, |balancer| balancer.servers.len());
        row.keys.push(("servers", Key::count(servers)));
        row
    }

    /// One element by its name with provider, as lists show it.
    pub(super) fn one(&self, kind: Kind, name: &str) -> Option<Value> {
        let mut fields = self.fields(kind, name)?;
        fields.insert("name".to_owned(), name.into());
        fields.insert("provider".to_owned(), provider(name).into());
        match kind {
            Kind::Routers => {
                // JavaScript cannot hold the greatest priorities as numbers.
                let priority = fields.get("priority").map(ToString::to_string);
                fields.insert("priorityStr".to_owned(), priority.unwrap_or_default().into());
            }
            Kind::Services => {
                let service = self.outcome.services.get(name);
                if let Some(kind) = service.and_then(|service| kind_of(service)) {
                    fields.insert("type".to_owned(), kind.into());
                }
            }
            Kind::Middlewares => {
                let config = self.outcome.middlewares.get(name);
                let kind = config.and_then(|config| config.kinds.keys().next());
                let kind = kind.map(|kind| kind.to_lowercase()).unwrap_or_default();
                fields.insert("type".to_owned(), kind.into());
            }
        }
        Some(fields.into())
    }

    /// All elements by name, as `/api/rawdata` shows them.
    pub(super) fn raw(&self, kind: Kind) -> Map<String, Value> {
        let raw = |name: &str| Some((name.to_owned(), self.fields(kind, name)?.into()));
        let outcome = self.outcome;
        match kind {
            Kind::Routers => outcome.routers.keys().filter_map(|name| raw(name)).collect(),
            Kind::Services => {
                outcome.services.keys().chain(&outcome.internals).filter_map(|n| raw(n)).collect()
            }
            Kind::Middlewares => outcome.middlewares.keys().filter_map(|name| raw(name)).collect(),
        }
    }

    fn fields(&self, kind: Kind, name: &str) -> Option<Map<String, Value>> {
        let outcome = self.outcome;
        Some(match kind {
            Kind::Routers => router(name, &outcome.routers.get(name)?.report()),
            Kind::Services => service(&outcome.service_report(name, &self.uses)?),
            Kind::Middlewares => {
                let report = outcome.middleware_report(name, &self.uses)?;
                self.middleware(name, &report)
            }
        })
    }

    fn middleware(&self, name: &str, report: &MiddlewareReport) -> Map<String, Value> {
        let mut fields = object(&*report.config);
        let info = self.infos.get(name).map(|info| &**info);
        redact::middleware(&mut fields, report.config.kinds.keys(), info);
        status(&mut fields, report.status, &report.errors);
        if !report.used_by.is_empty() {
            fields.insert("usedBy".to_owned(), json!(report.used_by));
        }
        fields
    }
}

fn router_row<'a>(name: &'a str, router: &'a crate::model::RouterVerdict) -> Row<'a> {
    let config = &router.config;
    let mut row = row(name, router.verdict.status, String::new());
    row.texts.push(Cow::Borrowed(&config.rule));
    let entrypoints = match config.entry_points.len() {
        0 => router.using.len(),
        named => named,
    };
    row.keys.extend([
        ("priority", Key::Number(router.priority)),
        ("rule", Key::text(&config.rule)),
        ("service", Key::text(&config.service)),
        ("entryPoints", Key::count(entrypoints)),
    ]);
    row.service = Cow::Borrowed(&config.service);
    row.middlewares = &config.middlewares;
    row
}

/// A row of what all elements have.
pub(super) fn row(name: &str, status: ElementStatus, kind: String) -> Row<'_> {
    Row {
        id: Cow::Borrowed(name),
        status: status.as_str(),
        texts: vec![Cow::Borrowed(name)],
        keys: vec![
            ("provider", Key::text(provider(name))),
            ("status", Key::text(status.as_str())),
            ("type", Key::Text(Cow::Owned(kind))),
        ],
        ..Row::default()
    }
}

fn provider(name: &str) -> &str {
    name.rsplit_once('@').map_or("", |(_, provider)| provider)
}

fn status(fields: &mut Map<String, Value>, status: ElementStatus, errors: &[String]) {
    if !errors.is_empty() {
        fields.insert("error".to_owned(), errors.into());
    }
    fields.insert("status".to_owned(), status.as_str().into());
}

fn object(value: impl serde::Serialize) -> Map<String, Value> {
    // The model is plain data, which always has a value.
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

fn router(name: &str, report: &RouterReport) -> Map<String, Value> {
    let mut fields = object(&*report.config);
    let qualified = |other: &String| match other.contains('@') {
        true => other.clone(),
        false => format!("{other}@{}", provider(name)),
    };
    if !report.config.middlewares.is_empty() {
        let middlewares: Vec<_> = report.config.middlewares.iter().map(qualified).collect();
        fields.insert("middlewares".to_owned(), middlewares.into());
    }
    let mut using: Vec<&str> = report.using.iter().map(|name| &**name).collect();
    using.sort_unstable();
    let mut entrypoints = using.clone();
    if !report.config.entry_points.is_empty() {
        entrypoints = report.config.entry_points.iter().map(String::as_str).collect();
    }
    if let Some(Value::Object(tls)) = fields.get_mut("tls") {
        tls.entry("options").or_insert_with(|| "default".into());
    }
    fields.insert("priority".to_owned(), report.priority.into());
    if let Some(syntax) = report.rule_syntax {
        fields.insert("ruleSyntax".to_owned(), syntax.into());
    }
    if !report.config.parent_refs.is_empty() {
        let parents: Vec<_> = report.config.parent_refs.iter().map(qualified).collect();
        fields.insert("parentRefs".to_owned(), parents.into());
        status(&mut fields, report.status, &report.errors);
        return fields;
    }
    fields.insert("entryPoints".to_owned(), json!(entrypoints));
    let all = [("accessLogs", true), ("metrics", true), ("tracing", true)];
    let all = all.into_iter().map(|(name, on)| (name, Value::from(on)));
    let shown = fields.entry("observability").or_insert_with(|| Value::Object(Map::new()));
    if let Some(shown) = shown.as_object_mut() {
        for (name, value) in all.chain([("traceVerbosity", "minimal".into())]) {
            shown.entry(name).or_insert(value);
        }
    }
    status(&mut fields, report.status, &report.errors);
    if report.status != ElementStatus::Disabled {
        fields.insert("using".to_owned(), json!(using));
    }
    fields
}

fn service(report: &ServiceReport) -> Map<String, Value> {
    let mut fields = report.config.as_deref().map(object).unwrap_or_default();
    if let Some(balancer) = report.config.as_ref().and_then(|c| c.load_balancer.as_ref()) {
        fields.insert("loadBalancer".to_owned(), load_balancer(balancer));
    }
    status(&mut fields, report.status, &report.errors);
    if !report.used_by.is_empty() {
        fields.insert("usedBy".to_owned(), json!(report.used_by));
    }
    if !report.server_status.is_empty() {
        fields.insert("serverStatus".to_owned(), json!(report.server_status));
    }
    fields
}

/// Defaults are shown as if they were written.
fn load_balancer(balancer: &LoadBalancer) -> Value {
    let mut fields = object(balancer);
    fields.entry("strategy").or_insert_with(|| "wrr".into());
    fields.entry("responseForwarding").or_insert_with(|| json!({"flushInterval": "100ms"}));
    Value::Object(fields)
}

/// The kind of a service, in lower case.
fn kind_of(service: &Service) -> Option<&'static str> {
    let kinds = [
        (service.load_balancer.is_some(), "loadbalancer"),
        (service.weighted.is_some(), "weighted"),
        (service.mirroring.is_some(), "mirroring"),
        (service.failover.is_some(), "failover"),
        (service.highest_random_weight.is_some(), "highestrandomweight"),
    ];
    kinds.into_iter().find(|(is, _)| *is).map(|(_, kind)| kind)
}

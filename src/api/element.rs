//! Routers, services and middlewares as the API shows them.

use serde_json::{Map, Value, json};

use super::list::Search;
use crate::model::{
    ElementStatus, LoadBalancer, MiddlewareReport, Report, RouterReport, ServiceReport,
};

/// A kind of element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Routers,
    Middlewares,
    Services,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Routers, Self::Middlewares, Self::Services];

    /// The kind by its name in paths.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == name)
    }

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

    pub(super) fn search(self) -> &'static Search {
        match self {
            Self::Routers => &Search {
                fields: &["name", "rule"],
                sort: &["name", "provider", "priority", "status", "rule", "service"],
            },
            Self::Middlewares | Self::Services => {
                &Search { fields: &["name"], sort: &["name", "type", "provider", "status"] }
            }
        }
    }

    /// All elements by name, as `/api/rawdata` shows them.
    pub(super) fn raw(self, report: &Report) -> Map<String, Value> {
        match self {
            Self::Routers => raw(&report.routers, router),
            Self::Middlewares => raw(&report.middlewares, middleware),
            Self::Services => raw(&report.services, service),
        }
    }

    /// All elements, as lists show them.
    pub(super) fn all(self, report: &Report) -> Vec<Value> {
        match self {
            Self::Routers => listed(&report.routers, listed_router),
            Self::Middlewares => listed(&report.middlewares, listed_middleware),
            Self::Services => listed(&report.services, listed_service),
        }
    }

    /// One element by its name with provider.
    pub(super) fn one(self, report: &Report, name: &str) -> Option<Value> {
        let fields = match self {
            Self::Routers => report.routers.get(name).map(|r| listed_router(name, r)),
            Self::Middlewares => report.middlewares.get(name).map(|m| listed_middleware(name, m)),
            Self::Services => report.services.get(name).map(|s| listed_service(name, s)),
        };
        fields.map(Value::Object)
    }
}

type Elements<T> = std::collections::BTreeMap<String, std::sync::Arc<T>>;

fn raw<T>(all: &Elements<T>, body: impl Fn(&str, &T) -> Map<String, Value>) -> Map<String, Value> {
    all.iter().map(|(name, element)| (name.clone(), body(name, element).into())).collect()
}

fn listed<T>(all: &Elements<T>, body: impl Fn(&str, &T) -> Map<String, Value>) -> Vec<Value> {
    all.iter().map(|(name, element)| body(name, element).into()).collect()
}

fn provider(name: &str) -> &str {
    name.rsplit_once('@').map_or("", |(_, provider)| provider)
}

fn name_and_provider(fields: &mut Map<String, Value>, name: &str) {
    fields.insert("name".to_owned(), name.into());
    fields.insert("provider".to_owned(), provider(name).into());
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
    let mut observability: Map<String, Value> =
        all.into_iter().map(|(name, on)| (name.to_owned(), on.into())).collect();
    observability.insert("traceVerbosity".to_owned(), "minimal".into());
    fields.entry("observability").or_insert(Value::Object(observability));
    status(&mut fields, report.status, &report.errors);
    if report.status != ElementStatus::Disabled {
        fields.insert("using".to_owned(), json!(using));
    }
    fields
}

fn listed_router(name: &str, report: &RouterReport) -> Map<String, Value> {
    let mut fields = router(name, report);
    name_and_provider(&mut fields, name);
    // JavaScript cannot hold the greatest priorities as numbers.
    fields.insert("priorityStr".to_owned(), report.priority.to_string().into());
    fields
}

fn middleware(_name: &str, report: &MiddlewareReport) -> Map<String, Value> {
    let mut fields = object(&*report.config);
    status(&mut fields, report.status, &report.errors);
    if !report.used_by.is_empty() {
        fields.insert("usedBy".to_owned(), json!(report.used_by));
    }
    fields
}

fn listed_middleware(name: &str, report: &MiddlewareReport) -> Map<String, Value> {
    let mut fields = middleware(name, report);
    name_and_provider(&mut fields, name);
    let kind = report.config.kinds.keys().next();
    let kind = kind.map(|kind| kind.to_lowercase()).unwrap_or_default();
    fields.insert("type".to_owned(), kind.into());
    fields
}

fn service(_name: &str, report: &ServiceReport) -> Map<String, Value> {
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

fn listed_service(name: &str, report: &ServiceReport) -> Map<String, Value> {
    let mut fields = service(name, report);
    name_and_provider(&mut fields, name);
    if let Some(kind) = report.config.as_deref().and_then(kind_of) {
        fields.insert("type".to_owned(), kind.into());
    }
    fields
}

fn kind_of(service: &crate::model::Service) -> Option<String> {
    let fields = object(service);
    fields.keys().find(|name| *name != "middlewares").map(|name| name.to_lowercase())
}

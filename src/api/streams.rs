//! TCP and UDP elements as the API shows them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::element::{Kind, row};
use super::list::{Key, Row};
use super::redact;
use crate::model::{ElementStatus, StreamOutcome, StreamVerdict};
use crate::snapshot::{Infos, Snapshot};

/// The elements of a protocol.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    protocol: &'static str,
    outcome: &'a StreamOutcome,
    infos: Option<&'a Infos>,
}

impl<'a> Streams<'a> {
    /// Those of TCP.
    pub(super) fn tcp(snapshot: &'a Snapshot) -> Self {
        let (outcome, infos) = (&snapshot.outcome.tcp, Some(&snapshot.infos[1]));
        Self { protocol: "tcp", outcome, infos }
    }

    /// Those of UDP.
    pub(super) fn udp(snapshot: &'a Snapshot) -> Self {
        Self { protocol: "udp", outcome: &snapshot.outcome.udp, infos: None }
    }

    /// What lists look at.
    pub(super) fn rows(&self, kind: Kind) -> Vec<Row<'a>> {
        self.elements(kind).iter().map(|(name, element)| stream_row(kind, name, element)).collect()
    }

    /// One element by its name with provider.
    pub(super) fn one(&self, kind: Kind, name: &str) -> Option<Value> {
        self.elements(kind).get(name).map(|element| self.listed(kind, name, element))
    }

    /// Adds all elements by kind and name, as `/api/rawdata` shows them.
    pub(super) fn raw(&self, body: &mut Map<String, Value>) {
        for kind in Kind::ALL {
            let elements = self.elements(kind).iter();
            let elements: Map<String, Value> = elements
                .map(|(name, element)| (name.clone(), self.fields(kind, name, element).into()))
                .collect();
            if !elements.is_empty() {
                let (first, rest) = kind.plural().split_at(1);
                let key = format!("{}{}{rest}", self.protocol, first.to_uppercase());
                body.insert(key, Value::Object(elements));
            }
        }
    }

    fn elements(&self, kind: Kind) -> &'a BTreeMap<String, StreamVerdict> {
        match kind {
            Kind::Routers => &self.outcome.routers,
            Kind::Services => &self.outcome.services,
            Kind::Middlewares => &self.outcome.middlewares,
        }
    }

    fn listed(&self, kind: Kind, name: &str, element: &StreamVerdict) -> Value {
        let mut fields = self.fields(kind, name, element);
        let provider = name.rsplit_once('@').map_or("", |(_, provider)| provider);
        fields.insert("name".to_owned(), name.into());
        fields.insert("provider".to_owned(), provider.into());
        if let Some(priority) = element.priority {
            // JavaScript cannot hold the greatest priorities as numbers.
            fields.insert("priorityStr".to_owned(), priority.to_string().into());
        }
        if kind != Kind::Routers
            && let Some(kind) = element.config.fields().keys().next()
        {
            fields.insert("type".to_owned(), kind.to_lowercase().into());
        }
        Value::Object(fields)
    }

    fn fields(&self, kind: Kind, name: &str, element: &StreamVerdict) -> Map<String, Value> {
        let mut fields = element.config.fields();
        let is_live = element.verdict.status != ElementStatus::Disabled;
        if kind == Kind::Middlewares {
            let kinds: Vec<String> = fields.keys().filter(|key| is_kind(key)).cloned().collect();
            let info = self.infos.and_then(|infos| infos.get(name)).map(|info| &**info);
            redact::middleware(&mut fields, kinds.iter(), info);
        }
        if kind == Kind::Routers {
            fields.entry("entryPoints").or_insert_with(|| json!(element.using));
            if !element.middlewares.is_empty() {
                fields.insert("middlewares".to_owned(), json!(element.middlewares));
            }
            if let Some(priority) = element.priority {
                fields.insert("priority".to_owned(), priority.into());
            }
        }
        if !element.verdict.errors.is_empty() {
            fields.insert("error".to_owned(), json!(element.verdict.errors));
        }
        fields.insert("status".to_owned(), element.verdict.status.as_str().into());
        if kind == Kind::Routers && is_live {
            fields.insert("using".to_owned(), json!(element.using));
        }
        let used_by = self.used_by(kind, name);
        if !used_by.is_empty() {
            fields.insert("usedBy".to_owned(), json!(used_by));
        }
        if is_live && !element.servers.is_empty() {
            let status = |address: &String| match &element.health {
                Some(health) if !health.is_up(address) => "DOWN",
                _ => "UP",
            };
            let servers = element.servers.iter().map(|a| (a.clone(), status(a).into()));
            fields.insert("serverStatus".to_owned(), Value::Object(servers.collect()));
        }
        fields
    }

    /// The routers that use an element.
    fn used_by(&self, kind: Kind, name: &str) -> Vec<&'a str> {
        let uses = |router: &StreamVerdict| match kind {
            Kind::Routers => false,
            Kind::Services => router.service.as_deref() == Some(name),
            Kind::Middlewares => router.middlewares.iter().any(|used| used == name),
        };
        let routers = self.outcome.routers.iter();
        routers.filter(|(_, router)| uses(router)).map(|(name, _)| name.as_str()).collect()
    }
}

fn stream_row<'a>(kind: Kind, name: &'a str, element: &'a StreamVerdict) -> Row<'a> {
    let fields = element.config.fields();
    let title = fields.keys().next().filter(|_| kind != Kind::Routers);
    let title = title.map(|title| title.to_lowercase()).unwrap_or_default();
    let mut row = row(name, element.verdict.status, title);
    row.keys.push(("servers", Key::count(element.servers.len())));
    if kind == Kind::Routers {
        let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
        let (rule, service) = (text("rule").to_owned(), text("service").to_owned());
        row.keys.extend([
            ("priority", Key::Number(element.priority.unwrap_or_default())),
            ("rule", Key::Text(Cow::Owned(rule.clone()))),
            ("service", Key::Text(Cow::Owned(service.clone()))),
            ("entryPoints", Key::count(element.using.len())),
        ]);
        row.texts.push(Cow::Owned(rule));
        row.service = Cow::Owned(service);
        row.middlewares = &element.middlewares;
    }
    row
}

/// Whether a field of a middleware is the section of its kind.
fn is_kind(field: &str) -> bool {
    !["limits", "onError"].contains(&field)
}

//! TCP and UDP elements as the API shows them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::element::Kind;
use crate::model::{ElementStatus, Outcome, StreamOutcome, StreamVerdict};

/// The elements of a protocol.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    protocol: &'static str,
    outcome: &'a StreamOutcome,
}

impl<'a> Streams<'a> {
    /// The elements of a protocol by its name in paths.
    pub(super) fn named(protocol: &str, outcome: &'a Outcome) -> Option<Self> {
        match protocol {
            "tcp" => Some(Self { protocol: "tcp", outcome: &outcome.tcp }),
            "udp" => Some(Self { protocol: "udp", outcome: &outcome.udp }),
            _ => None,
        }
    }

    /// Whether the protocol has elements of that kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.protocol == "tcp" || kind != Kind::Middlewares
    }

    /// All elements, as lists show them.
    pub(super) fn all(&self, kind: Kind) -> Vec<Value> {
        let elements = self.elements(kind).iter();
        elements.map(|(name, element)| self.listed(kind, name, element)).collect()
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

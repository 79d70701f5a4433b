//! `service`, `middleware`, `serversTransport`: references to other elements.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::declaration::Declaration;
use super::super::fields::Fields;
use super::super::place::Place;
use super::super::{Held, ReferenceKind, SchemaError, Source};
use super::{Entry, Kind, Object, openapi, shape};

pub(super) const SERVICE: Entry = Entry {
    name: "service",
    doc: "A service by its name; in Kubernetes objects as routes name services: \
          `{name, port, ...}`.",
    example: r#"{"type": "service", "required": true}"#,
    build: |own| build(own, "service", ReferenceKind::Service, Some(service())),
};

pub(super) const MIDDLEWARE: Entry = Entry {
    name: "middleware",
    doc: "A middleware by its name; in Kubernetes objects `{name, namespace}`.",
    example: r#"{"type": "list", "of": "middleware"}"#,
    build: |own| build(own, "middleware", ReferenceKind::Middleware, Some(middleware())),
};

pub(super) const SERVERS_TRANSPORT: Entry = Entry {
    name: "serversTransport",
    doc: "A serversTransport by its name.",
    example: r#"{"type": "serversTransport"}"#,
    build: |own| build(own, "serversTransport", ReferenceKind::ServersTransport, None),
};

#[derive(Debug)]
struct Name {
    title: &'static str,
    kind: ReferenceKind,
    /// How Kubernetes objects write it, if not as a name.
    crd: Option<Object>,
}

fn build(
    own: &Declaration<'_>,
    title: &'static str,
    kind: ReferenceKind,
    crd: Option<Value>,
) -> Result<Arc<dyn Kind>, SchemaError> {
    let fields = crd.map(|declared| Fields::parse(&declared, own)).transpose()?;
    Ok(Arc::new(Name { title, kind, crd: fields.map(|fields| Object { fields }) }))
}

/// Traefik's `MiddlewareRef`.
fn middleware() -> Value {
    json!({
        "name": {"type": "string", "required": true, "non_empty": true, "doc": "Its name."},
        "namespace": {"type": "string", "doc": "Its namespace, else that of the object."},
    })
}

/// Traefik's `LoadBalancerSpec`; whoever resolves the reference reads its sections.
fn service() -> Value {
    let plain = |name: &str, doc: &str| json!({"type": name, "doc": doc});
    json!({
        "name": {"type": "string", "required": true, "non_empty": true, "doc": "Its name."},
        "namespace": plain("string", "Its namespace, else that of the object."),
        "kind": {
            "type": "enum",
            "values": ["Service", "TraefikService"],
            "doc": "What it is, a Service unless said otherwise.",
        },
        "port": {
            "type": "union",
            "of": ["integer", "string"],
            "doc": "The Service's port: its number, or its name.",
        },
        "scheme": plain("string", "The scheme of requests to its servers."),
        "strategy": plain("string", "How a server is chosen."),
        "weight": plain("integer", "Its weight among several."),
        "passHostHeader": plain("boolean", "Whether servers get the client's Host."),
        "serversTransport": plain("string", "The ServersTransport to use."),
        "nativeLB": plain("boolean", "Whether Kubernetes balances."),
        "nodePortLB": plain("boolean", "Whether the nodes' port is used."),
        "responseForwarding": plain("any", "How responses are flushed."),
        "sticky": plain("any", "How clients stay with a server."),
        "healthCheck": plain("any", "How servers are probed."),
        "passiveHealthCheck": plain("any", "How failures of requests count."),
        "middlewares": plain("any", "Middlewares of the service."),
    })
}

impl Kind for Name {
    fn title(&self) -> String {
        format!("{} name", self.title)
    }

    fn title_in_objects(&self) -> String {
        if self.crd.is_none() {
            return self.title();
        }
        format!("{} object", self.title)
    }

    fn fits(&self, value: &Value, source: Source) -> bool {
        let section = source == Source::Crd && self.crd.is_some() && value.is_object();
        section || value.as_str().is_some_and(|name| !name.is_empty())
    }

    fn decode(&self, value: &Value, place: &mut Place) -> Option<Value> {
        let name = match (value, &self.crd, place.source) {
            (Value::Object(_), Some(crd), Source::Crd) => return crd.decode(value, place),
            (Value::String(name), ..) => name.clone(),
            (Value::Number(number), ..) => number.to_string(),
            _ => {
                let (title, got) = (self.title, shape(value));
                return place.refuse(format!("expected the name of a {title}, got {got}"));
            }
        };
        match (&self.crd, place.source) {
            _ if name.is_empty() => place.refuse_value("must not be empty"),
            (Some(_), Source::Crd) => Some(json!({ "name": name })),
            _ => Some(Value::String(name)),
        }
    }

    fn openapi(&self) -> Map<String, Value> {
        self.crd.as_ref().map_or_else(|| openapi("string"), Kind::openapi)
    }

    fn editor(&self, _: &str, _: &mut Vec<String>) -> String {
        "string".to_owned()
    }

    fn held(&self) -> Option<Held> {
        Some(Held::Reference(self.kind))
    }
}

//! Ingress objects as they are written. Must not know what they come to.

use std::collections::BTreeMap;

use kube::api::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

use super::super::objects::{CLASS, Watched, annotations};
use super::super::port::Port;

/// An Ingress.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::provider::kubernetes) struct Ingress {
    /// Those that speak to Traefik, and the class.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: Spec,
    /// The addresses in its status.
    pub(in crate::provider::kubernetes) addresses: Vec<Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    pub(super) ingress_class_name: Option<String>,
    pub(super) default_backend: Option<Backend>,
    pub(super) rules: Vec<Rule>,
    pub(super) tls: Vec<Tls>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Rule {
    pub(super) host: String,
    pub(super) http: Paths,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Paths {
    pub(super) paths: Vec<Path>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Path {
    #[serde(rename = "path")]
    pub(super) text: String,
    #[serde(rename = "pathType")]
    pub(super) kind: String,
    pub(super) backend: Backend,
}

/// A Service, or something else that cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Backend {
    pub(super) service: Option<BackendService>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct BackendService {
    pub(super) name: String,
    pub(super) port: BackendPort,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct BackendPort {
    name: String,
    number: u16,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Tls {
    pub(super) secret_name: String,
}

/// Its name, or its number where it has none.
impl std::fmt::Display for BackendPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{}", self.number),
            name => f.write_str(name),
        }
    }
}

impl BackendPort {
    pub(super) fn port(&self) -> Port {
        match (self.name.as_str(), self.number) {
            ("", 0) => Port::None,
            ("", number) => Port::Number(number),
            (name, _) => Port::Name(name.to_owned()),
        }
    }
}

impl Ingress {
    /// The class it names, if any.
    pub(in crate::provider::kubernetes) fn class(&self) -> &str {
        let annotated = || self.annotations.get(CLASS).map(String::as_str);
        self.spec.ingress_class_name.as_deref().or_else(annotated).unwrap_or_default()
    }
}

impl Watched for Ingress {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        let addresses = object.data.pointer_mut("/status/loadBalancer/ingress").map(Value::take);
        let spec = match object.data.get_mut("spec").map(Value::take) {
            None | Some(Value::Null) => Spec::default(),
            Some(spec) => serde_json::from_value(spec).map_err(|error| format!("spec: {error}"))?,
        };
        Ok(Self {
            annotations: annotations(&object),
            spec,
            addresses: match addresses {
                Some(Value::Array(addresses)) => addresses,
                _ => Vec::new(),
            },
        })
    }
}

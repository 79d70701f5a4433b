//! Traefik's annotations on Ingress objects and Services.
//!
//! Their dots are sections and numbers between dots are places in lists; then they are decoded as
//! any configuration, so that an unknown one is told.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::{Observability, RouterTls, Sticky};
use crate::value::{DecodeError, decode_at, section};

/// What the annotations of an Ingress say of its routers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RouterOptions {
    pub(super) entry_points: Vec<String>,
    pub(super) middlewares: Vec<String>,
    pub(super) priority: i64,
    pub(super) rule_syntax: String,
    pub(super) path_matcher: String,
    #[serde(deserialize_with = "section")]
    pub(super) tls: Option<RouterTls>,
    pub(super) observability: Option<Observability>,
}

/// What the annotations of a Service say of its servers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServiceOptions {
    pub(super) servers_scheme: String,
    pub(super) servers_transport: String,
    pub(super) pass_host_header: Option<bool>,
    pub(super) middlewares: Vec<String>,
    #[serde(deserialize_with = "section")]
    pub(super) sticky: Option<Sticky>,
    #[serde(rename = "nativeLB")]
    pub(super) native_lb: Option<bool>,
    #[serde(rename = "nodePortLB")]
    pub(super) node_port_lb: bool,
    pub(super) strategy: String,
}

/// What all of Traefik's annotations begin with.
const PREFIX: &str = "traefik.ingress.kubernetes.io/";

/// Reads the annotations of an Ingress.
///
/// # Errors
/// When one is unknown or holds what it cannot hold; then the whole Ingress is left out, as in
/// Traefik.
pub(super) fn router(all: &BTreeMap<String, String>) -> Result<RouterOptions, DecodeError> {
    decode_at(&sections(all, "router"), &format!("metadata.annotations.{PREFIX}router"))
}

/// Reads the annotations of a Service.
///
/// # Errors
/// When one is unknown or holds what it cannot hold.
pub(super) fn service(all: &BTreeMap<String, String>) -> Result<ServiceOptions, DecodeError> {
    decode_at(&sections(all, "service"), &format!("metadata.annotations.{PREFIX}service"))
}

/// The annotations below one word, as sections.
fn sections(all: &BTreeMap<String, String>, word: &str) -> Value {
    let mut root = Map::new();
    for (key, value) in all {
        let key = key.strip_prefix(PREFIX).and_then(|key| key.strip_prefix(word));
        if let Some(path) = key.and_then(|key| key.strip_prefix('.')) {
            put(&mut root, path, value);
        }
    }
    Value::Object(root)
}

fn put(section: &mut Map<String, Value>, path: &str, value: &str) {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = name.to_ascii_lowercase();
    let known = section.entry(name).or_insert(Value::Null);
    match (rest, &mut *known) {
        // A switch beside options of its section adds nothing.
        ("", Value::Object(_)) => {}
        ("", _) => *known = Value::String(value.to_owned()),
        (rest, Value::Object(inner)) => put(inner, rest, value),
        (rest, _) => {
            let mut inner = Map::new();
            put(&mut inner, rest, value);
            *known = Value::Object(inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TlsDomain;

    fn annotations(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect()
    }

    #[test]
    fn dots_are_sections() {
        let given = annotations(&[
            ("router.entrypoints", "web, websecure"),
            ("router.priority", "42"),
            ("router.tls", "true"),
            ("router.tls.options", "default-strict@kubernetescrd"),
            ("router.tls.domains.0.main", "a.test"),
            ("router.tls.domains.0.sans", "b.test,c.test"),
            ("service.nativelb", "true"),
        ]);
        let domain =
            TlsDomain { main: "a.test".into(), sans: vec!["b.test".into(), "c.test".into()] };
        let tls = RouterTls {
            options: "default-strict@kubernetescrd".into(),
            domains: vec![domain],
            ..RouterTls::default()
        };
        let expect = RouterOptions {
            entry_points: vec!["web".into(), "websecure".into()],
            priority: 42,
            tls: Some(tls),
            ..RouterOptions::default()
        };
        assert_eq!(router(&given), Ok(expect));
        assert_eq!(service(&given).unwrap().native_lb, Some(true));
    }

    #[test]
    fn unknown_ones_are_told() {
        let error = router(&annotations(&[("router.nosuch", "x")])).unwrap_err();
        assert!(error.path().ends_with("router.nosuch"), "{error}");
        assert!(router(&annotations(&[("service.nosuch", "x")])).is_ok());
    }
}

//! Configurations from elsewhere: files, folders, scripts, manifests, a running instance.
//!
//! Names lose their provider, since all elements of a session have the same one. Must not know
//! what is served.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};

use super::ReplError;
use crate::app::{Objects, manifests};
use crate::config;
use crate::model::Dynamic;
use crate::outbound::Remote;
use crate::provider::{FileProvider, Message};
use crate::schema::STARS;

/// The sections of a configuration, and what is in them by name.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("http", &["routers", "services", "middlewares", "serversTransports"]),
    ("tcp", &["routers", "services", "middlewares", "serversTransports"]),
    ("udp", &["routers", "services"]),
    ("tls", &["options", "stores"]),
];

/// What a file or a folder of the file provider holds, or what a script returns.
pub(super) fn files(path: &Path) -> Result<Value, ReplError> {
    let check = Arc::new(|_: &Dynamic| Vec::new());
    let text = path.display().to_string();
    let mut provider = match (path.is_dir(), path.extension().is_some_and(|end| end == "lua")) {
        (true, _) => {
            let place = config::FileProvider { directory: text, ..Default::default() };
            FileProvider::new(&place, check)
        }
        (_, true) => {
            FileProvider::script(&config::ScriptProvider { filename: text, watch: false }, check)
        }
        _ => {
            let place = config::FileProvider { filename: text, ..Default::default() };
            FileProvider::new(&place, check)
        }
    };
    match provider.load() {
        Message::Update(update) => Ok(document(&update.dynamic)),
        Message::Rejected { diagnostics, .. } => {
            let reasons: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
            Err(ReplError::Element(reasons.join("; ")))
        }
    }
}

/// Whether a file holds Kubernetes objects.
pub(super) fn holds_objects(path: &Path) -> bool {
    let place = path.display().to_string();
    manifests::read(&place)
        .is_ok_and(|objects| objects.iter().any(|found| found.object.get("apiVersion").is_some()))
}

/// What the objects of a file or of a folder become.
pub(super) fn objects(path: &Path, objects: &Objects) -> Result<Value, ReplError> {
    let place = path.display().to_string();
    let failed = |reason: String| ReplError::Place { place: place.clone(), reason };
    let found = manifests::read(&place).map_err(|error| failed(error.to_string()))?;
    let mut all = Value::Object(Map::new());
    for update in objects.written(&found) {
        merge(&mut all, &document(&update.dynamic));
    }
    Ok(all)
}

/// What an instance serves, by its API.
pub(super) async fn instance(url: &str) -> Result<Value, ReplError> {
    let failed = |reason: String| ReplError::Place { place: url.to_owned(), reason };
    let remote = Remote::new(url).map_err(|error| failed(error.to_string()))?;
    let (status, body) =
        remote.get("/api/rawdata").await.map_err(|error| failed(error.to_string()))?;
    if status != StatusCode::OK {
        return Err(failed(format!("the API answers with {}", status.as_u16())));
    }
    let raw = serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
    Ok(local(&written(&raw)))
}

/// The raw data of an API as a configuration: in sections, without what is told of the run.
fn written(raw: &Value) -> Value {
    const TOLD: &[&str] = &["status", "using", "usedBy", "error", "serverStatus", "provider"];
    let mut all = Value::Object(Map::new());
    for (kind, section, list) in [
        ("routers", "http", "routers"),
        ("services", "http", "services"),
        ("middlewares", "http", "middlewares"),
        ("tcpRouters", "tcp", "routers"),
        ("tcpServices", "tcp", "services"),
        ("tcpMiddlewares", "tcp", "middlewares"),
        ("udpRouters", "udp", "routers"),
        ("udpServices", "udp", "services"),
    ] {
        for (name, element) in raw.get(kind).and_then(Value::as_object).into_iter().flatten() {
            if name.ends_with("@internal") {
                continue;
            }
            let mut element = element.clone();
            if let Some(fields) = element.as_object_mut() {
                fields.retain(|key, _| !TOLD.contains(&key.as_str()));
                if let Some(Value::Object(observability)) = fields.get_mut("observability") {
                    observability.remove("metadata");
                }
            }
            all[section][list][name] = element;
        }
    }
    all
}

/// Elements that an API has told without their secrets.
pub(super) fn hidden(document: &Value) -> Vec<String> {
    fn hides(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains(STARS),
            Value::Array(items) => items.iter().any(hides),
            Value::Object(fields) => fields.values().any(hides),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let mut all = Vec::new();
    for (section, kinds) in SECTIONS {
        for kind in *kinds {
            let elements = document[*section][*kind].as_object().into_iter().flatten();
            all.extend(elements.filter(|(_, value)| hides(value)).map(|(name, _)| name.clone()));
        }
    }
    all
}

/// A configuration as a document, without empty sections.
pub(super) fn document(dynamic: &Dynamic) -> Value {
    let mut all = serde_json::to_value(dynamic).unwrap_or_default();
    if let Some(sections) = all.as_object_mut() {
        for section in sections.values_mut().filter_map(Value::as_object_mut) {
            section.retain(|_, value| !is_empty(value));
        }
        sections.retain(|_, value| !is_empty(value));
    }
    local(&all)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Takes the provider out of the names of elements, and of what refers to them.
fn local(document: &Value) -> Value {
    let mut known = BTreeSet::new();
    for (section, kinds) in SECTIONS {
        for kind in *kinds {
            let elements = document.get(section).and_then(|section| section.get(kind));
            known.extend(elements.and_then(Value::as_object).into_iter().flat_map(Map::keys));
        }
    }
    rename(document, &known)
}

fn rename(value: &Value, known: &BTreeSet<&String>) -> Value {
    let short = |text: &String| match text.rsplit_once('@') {
        Some((name, _)) if known.contains(text) => name.to_owned(),
        _ => text.clone(),
    };
    match value {
        Value::String(text) => Value::String(short(text)),
        Value::Array(items) => items.iter().map(|item| rename(item, known)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (short(name), rename(value, known)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// Adds a document to another; what is in both is the added one's.
pub(super) fn merge(into: &mut Value, from: &Value) {
    for (section, kinds) in SECTIONS {
        for kind in *kinds {
            let elements = from.get(section).and_then(|section| section.get(kind));
            for (name, element) in elements.and_then(Value::as_object).into_iter().flatten() {
                into[section][kind][name] = element.clone();
            }
        }
    }
    for certificate in from["tls"]["certificates"].as_array().into_iter().flatten() {
        let held = &mut into["tls"]["certificates"];
        if !held.is_array() {
            *held = Value::Array(Vec::new());
        }
        if let Some(held) = held.as_array_mut() {
            held.push(certificate.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn raw_data_becomes_a_configuration() {
        let raw = json!({
            "routers": {
                "a@docker": {"rule": "Path(`/`)", "service": "s@file", "status": "enabled",
                    "using": ["web"], "middlewares": ["m@docker", "x@none"]},
                "api@internal": {"rule": "y", "service": "api@internal"},
            },
            "services": {"s@file": {"loadBalancer": {}, "usedBy": ["a@docker"],
                "serverStatus": {"http://a": "UP"}}},
            "middlewares": {"m@docker": {"addPrefix": {"prefix": "/p"}, "status": "enabled"}},
        });
        let expect = json!({"http": {
            "routers": {"a": {"rule": "Path(`/`)", "service": "s", "middlewares": ["m", "x@none"]}},
            "services": {"s": {"loadBalancer": {}}},
            "middlewares": {"m": {"addPrefix": {"prefix": "/p"}}},
        }});
        assert_eq!(local(&written(&raw)), expect);
    }
}

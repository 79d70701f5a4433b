//! `ServersTransport` and `ServersTransportTCP`: how servers are connected to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::error::ObjectError;
use super::super::names::{Id, element};
use super::super::output::Origin;
use super::super::secrets::{self, AUTHORITIES};
use super::Work;
use super::model::{Transport, TransportSecrets, take};
use crate::value::decode_at;

type Objects = BTreeMap<Id, Arc<Transport>>;

/// What transports take from Secrets and `ConfigMap`s.
const SECRETS: &[&str] = &["rootCAs", "rootCAsSecrets", "certificatesSecrets"];

impl Work<'_> {
    pub(super) fn transports(&mut self, all: &Objects) {
        for (id, object) in all {
            let origin = Origin { kind: "ServersTransport", id };
            let Value::Object(mut spec) = object.spec.clone() else { continue };
            self.put_material(origin, "spec", &mut spec);
            match decode_at(&spec.into(), "spec") {
                Ok(transport) => {
                    let name = element(&id.namespace, &id.name);
                    self.output.origin("http.serversTransports", &name, origin);
                    let all = &mut self.output.dynamic.http.servers_transports;
                    all.insert(name, Arc::new(transport));
                }
                Err(error) => self.undecoded(origin, &error),
            }
        }
    }

    pub(super) fn tcp_transports(&mut self, all: &Objects) {
        for (id, object) in all {
            let origin = Origin { kind: "ServersTransportTCP", id };
            let mut spec = object.spec.clone();
            if let Some(Value::Object(tls)) = spec.get_mut("tls") {
                self.put_material(origin, "spec.tls", tls);
            }
            match decode_at(&spec, "spec") {
                Ok(transport) => {
                    let name = element(&id.namespace, &id.name);
                    self.output.origin("tcp.serversTransports", &name, origin);
                    let all = &mut self.output.dynamic.tcp.servers_transports;
                    all.insert(name, Arc::new(transport));
                }
                Err(error) => self.undecoded(origin, &error),
            }
        }
    }

    /// Puts the text of authorities and certificates in the place of who holds them. What is not
    /// there is left out and told, as in Traefik.
    fn put_material(&mut self, origin: Origin<'_>, path: &str, spec: &mut Map<String, Value>) {
        let named = take(spec, SECRETS);
        if named.is_empty() {
            return;
        }
        let named: TransportSecrets = match decode_at(&named.into(), path) {
            Ok(named) => named,
            Err(error) => return self.undecoded(origin, &error),
        };
        let own = |name: &str| Id::new(&origin.id.namespace, name);
        let (view, mut roots, mut pairs) = (self.view, Vec::new(), Vec::new());
        for (place, root) in named.root_cas.iter().enumerate() {
            let found = match (root.secret.as_str(), root.config_map.as_str()) {
                (secret, "") if !secret.is_empty() => {
                    secrets::value(view, &own(secret), AUTHORITIES)
                }
                ("", map) if !map.is_empty() => secrets::authorities_of_map(view, &own(map)),
                _ => Err(ObjectError::OneOf("secret and configMap")),
            };
            self.collect(origin, &format!("{path}.rootCAs[{place}]"), found, &mut roots);
        }
        for (place, secret) in named.root_cas_secrets.iter().enumerate() {
            let found = secrets::value(view, &own(secret), AUTHORITIES);
            self.collect(origin, &format!("{path}.rootCAsSecrets[{place}]"), found, &mut roots);
        }
        for (place, secret) in named.certificates_secrets.iter().enumerate() {
            let found = secrets::certificate(view, &own(secret));
            let found =
                found.map(|pair| json!({"certFile": pair.cert_file, "keyFile": pair.key_file}));
            let path = format!("{path}.certificatesSecrets[{place}]");
            self.collect(origin, &path, found, &mut pairs);
        }
        for (name, list) in [("rootCAs", roots), ("certificates", pairs)] {
            if !list.is_empty() {
                spec.insert(name.to_owned(), Value::Array(list));
            }
        }
    }

    fn collect<T: Into<Value>>(
        &mut self,
        origin: Origin<'_>,
        path: &str,
        found: Result<T, ObjectError>,
        all: &mut Vec<Value>,
    ) {
        match found {
            Ok(found) => all.push(found.into()),
            Err(error) => self.output.error(origin, path, &error),
        }
    }
}

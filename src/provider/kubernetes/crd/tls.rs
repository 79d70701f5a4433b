//! `TLSOption` and `TLSStore`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::error::ObjectError;
use super::super::names::{Id, element};
use super::super::output::Origin;
use super::super::secrets::{self, AUTHORITIES};
use super::http::DEFAULT;
use super::model::{TlsOption, TlsStore, TlsStoreSpec};
use super::{Work, stays_inside};
use crate::model::TlsOptions;
use crate::value::{DecodeError, decode_at};

impl Work<'_> {
    pub(super) fn tls_options(&mut self, all: &BTreeMap<Id, Arc<TlsOption>>) {
        let defaults: Vec<&Id> = all.keys().filter(|id| id.name == DEFAULT).collect();
        for (id, object) in all {
            let origin = Origin { kind: "TLSOption", id };
            if id.name == DEFAULT && defaults.len() > 1 {
                let others =
                    defaults.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let reason = format!("several cancel each other, and none is used: {others}");
                self.output.error(origin, "metadata.name", &ObjectError::Options(reason));
                continue;
            }
            let name = match id.name.as_str() {
                DEFAULT => DEFAULT.to_owned(),
                name => element(&id.namespace, name),
            };
            match self.tls_option(id, &object.spec) {
                Ok(options) => {
                    self.output.origin("tls.options", &name, origin);
                    self.output.dynamic.tls.options.insert(name, Arc::new(options));
                }
                Err((_, ObjectError::Decode(error))) => self.undecoded(origin, &error),
                Err((path, error)) => self.output.error(origin, &path, &error),
            }
        }
    }

    /// Options that lack an authority are left out as a whole: without it they would let in
    /// clients that they were to keep out.
    fn tls_option(&self, id: &Id, spec: &Value) -> Result<TlsOptions, (String, ObjectError)> {
        let mut spec = spec.clone();
        let path = "spec.clientAuth.secretNames";
        if let Some(Value::Object(auth)) = spec.get_mut("clientAuth") {
            let names = match auth.remove("secretNames") {
                Some(Value::Array(names)) => names,
                _ => Vec::new(),
            };
            let files = names.iter().filter_map(Value::as_str).map(|name| {
                let text = secrets::value(self.view, &Id::new(&id.namespace, name), AUTHORITIES);
                text.map(Value::String)
            });
            let files: Result<Vec<_>, _> = files.collect();
            let files = files.map_err(|error| (path.to_owned(), error))?;
            if !files.is_empty() {
                auth.insert("caFiles".to_owned(), Value::Array(files));
            }
        }
        let decoded: Result<TlsOptions, DecodeError> = decode_at(&spec, "spec");
        let options = decoded.map_err(|error| (error.path().to_owned(), error.into()))?;
        let outside = |error| ("spec.lua".to_owned(), error);
        stays_inside("lua", &options.lua).map_err(outside)?;
        Ok(options)
    }

    pub(super) fn tls_stores(&mut self, all: &BTreeMap<Id, Arc<TlsStore>>) {
        let defaults = all.keys().filter(|id| id.name == DEFAULT).count();
        for (id, object) in all {
            let origin = Origin { kind: "TLSStore", id };
            match &object.spec {
                Err(error) => self.undecoded(origin, error),
                Ok(_) if id.name != DEFAULT => {
                    let reason = "has no effect: only the store \"default\" is used";
                    self.output.warn(origin, "metadata.name", reason);
                }
                Ok(spec) => self.tls_store(origin, spec, defaults > 1),
            }
        }
    }

    fn tls_store(&mut self, origin: Origin<'_>, spec: &TlsStoreSpec, is_disputed: bool) {
        for (place, certificate) in spec.certificates.iter().enumerate() {
            let secret = Id::new(&origin.id.namespace, &certificate.secret_name);
            match secrets::certificate(self.view, &secret) {
                Ok(certificate) => self.output.certificate(secret, certificate),
                Err(error) => {
                    let path = format!("spec.certificates[{place}].secretName");
                    self.output.error(origin, &path, &error);
                }
            }
        }
        if is_disputed {
            let reason = "several stores of this name cancel each other, and none is used";
            let error = ObjectError::Options(reason.to_owned());
            return self.output.error(origin, "metadata.name", &error);
        }
        let mut store = Map::new();
        if let Some(default) = &spec.default_certificate {
            let secret = Id::new(&origin.id.namespace, &default.secret_name);
            match secrets::certificate(self.view, &secret) {
                Ok(found) => {
                    let files = json!({"certFile": found.cert_file, "keyFile": found.key_file});
                    store.insert("defaultCertificate".to_owned(), files);
                }
                Err(error) => {
                    self.output.error(origin, "spec.defaultCertificate.secretName", &error);
                }
            }
        }
        if let Some(generated) = &spec.default_generated_cert {
            store.insert("defaultGeneratedCert".to_owned(), generated.clone());
        }
        self.output.origin("tls.stores", DEFAULT, origin);
        self.output.dynamic.tls.stores.insert(DEFAULT.to_owned(), Value::Object(store));
    }
}

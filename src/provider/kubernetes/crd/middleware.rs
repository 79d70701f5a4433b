//! Middleware and `MiddlewareTCP`: options are decoded by the script's schema, what they refer to
//! is put in.
//!
//! Knows no middleware: what is a Secret, a service or a middleware in the options, the schema
//! tells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::error::ObjectError;
use super::super::names::{Id, element};
use super::super::output::Origin;
use super::super::secrets;
use super::model::{self, ObjectRef, ServiceRef};
use super::service::Named;
use super::{Work, stays_inside};
use crate::model::Middleware;
use crate::schema::{Held, Problem, ReferenceKind, Schema, Source};
use crate::value::{GoDuration, decode, decode_at};

type Objects = BTreeMap<Id, Arc<model::Middleware>>;

/// Whose scripts a middleware is of.
#[derive(Clone, Copy)]
enum Protocol {
    Http,
    Tcp,
}

impl Work<'_> {
    pub(super) fn middlewares(&mut self, all: &Objects) {
        for (id, object) in all {
            let origin = Origin { kind: "Middleware", id };
            if let Some(middleware) = self.middleware(origin, &object.spec, Protocol::Http) {
                let name = element(&id.namespace, &id.name);
                self.output.origin("http.middlewares", &name, origin);
                self.output.dynamic.http.middlewares.insert(name, Arc::new(middleware));
            }
        }
    }

    pub(super) fn tcp_middlewares(&mut self, all: &Objects) {
        for (id, object) in all {
            let origin = Origin { kind: "MiddlewareTCP", id };
            if let Some(middleware) = self.middleware(origin, &object.spec, Protocol::Tcp) {
                let name = element(&id.namespace, &id.name);
                self.output.origin("tcp.middlewares", &name, origin);
                self.output.dynamic.tcp.middlewares.insert(name, Arc::new(middleware));
            }
        }
    }

    fn middleware(
        &mut self,
        origin: Origin<'_>,
        spec: &Value,
        protocol: Protocol,
    ) -> Option<Middleware> {
        let mut middleware: Middleware = match decode(spec) {
            Ok(middleware) => middleware,
            Err(error) => {
                self.undecoded(origin, &error);
                return None;
            }
        };
        let mut kinds = Map::new();
        for (kind, options) in std::mem::take(&mut middleware.kinds) {
            match self.options(origin, &kind, options, protocol) {
                Ok(options) => {
                    kinds.insert(kind, options);
                }
                Err((path, error)) => {
                    self.output.error(origin, &path, &error);
                    return None;
                }
            }
        }
        middleware.kinds = kinds;
        Some(middleware)
    }

    /// The options of a kind as a file would have them.
    fn options(
        &mut self,
        origin: Origin<'_>,
        kind: &str,
        options: Value,
        protocol: Protocol,
    ) -> Result<Value, (String, ObjectError)> {
        let path = format!("spec.{kind}");
        let is = |name: &str| kind.eq_ignore_ascii_case(name);
        match options {
            Value::Object(fields) if is("lua") => self.script(origin, &path, fields),
            Value::Object(plugins) if is("plugin") => {
                let mut all = Map::new();
                for (name, options) in plugins {
                    let options = match name.eq_ignore_ascii_case("lua") {
                        true => self.options(origin, &name, options, protocol)?,
                        false => {
                            let schema = self.schema(&name, protocol);
                            self.resolve(origin, &path, schema.as_deref(), options)?
                        }
                    };
                    all.insert(name, options);
                }
                Ok(Value::Object(all))
            }
            // An unknown kind is told where it is compiled, with the kinds there are.
            options => {
                let schema = self.schema(kind, protocol);
                self.resolve(origin, &path, schema.as_deref(), options)
            }
        }
    }

    fn schema(&self, kind: &str, protocol: Protocol) -> Option<Arc<Schema>> {
        match protocol {
            Protocol::Http => self.schemas.http(kind).cloned(),
            Protocol::Tcp => self.schemas.tcp(kind).cloned(),
        }
    }

    /// A script in the object, in a `ConfigMap`, or in the folder of user scripts.
    fn script(
        &mut self,
        origin: Origin<'_>,
        path: &str,
        mut fields: Map<String, Value>,
    ) -> Result<Value, (String, ObjectError)> {
        let at = |error: ObjectError| (path.to_owned(), error);
        if let Some(given) = fields.remove("configMap") {
            let place = format!("{path}.configMap");
            let found = self.code(origin.id, &given, &place);
            fields.insert("code".to_owned(), found.map_err(|error| (place, error))?.into());
        }
        let ways = ["script", "code"].iter().filter(|way| fields.contains_key(**way)).count();
        if ways != 1 {
            return Err(at(ObjectError::OneOf("script, code and configMap")));
        }
        let file = fields.get("script").and_then(Value::as_str).unwrap_or_default();
        stays_inside("script", file).map_err(at)?;
        let schema = fields.get("code").and_then(Value::as_str);
        let schema = schema.and_then(|text| self.schemas.of_text(text));
        if let Some(options) = fields.remove("options") {
            let path = format!("{path}.options");
            let options = self.resolve(origin, &path, schema.as_deref(), options)?;
            fields.insert("options".to_owned(), options);
        }
        Ok(Value::Object(fields))
    }

    fn code(&self, id: &Id, given: &Value, path: &str) -> Result<String, ObjectError> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Key {
            name: String,
            key: String,
        }
        let given: Key = decode_at(given, path)?;
        let map = Id::new(&id.namespace, &given.name);
        let data = &self.view.config_map(&map)?.data;
        let missing =
            || ObjectError::ConfigMapKey { name: map.to_string(), key: given.key.clone() };
        data.get(&given.key).cloned().ok_or_else(missing)
    }

    /// Options as a file would have them: what they refer to stands in their place.
    fn resolve(
        &mut self,
        origin: Origin<'_>,
        path: &str,
        schema: Option<&Schema>,
        options: Value,
    ) -> Result<Value, (String, ObjectError)> {
        let Some(schema) = schema else { return Ok(options) };
        let decoded =
            schema.decode(&options, Source::Crd).map_err(|problems| told(path, &problems))?;
        for warning in &decoded.warnings {
            self.output.warn(origin, &place(path, &warning.path), &warning.reason);
        }
        let mut options = decoded.options;
        let mut wrong = None;
        schema.visit(&mut options, Source::Crd, &mut |held, value| {
            if wrong.is_none() {
                wrong = self.put_in(origin, held, value).err();
            }
        });
        wrong.map_or(Ok(options), |error| Err((path.to_owned(), error)))
    }

    /// Puts what a value refers to in its place.
    fn put_in(
        &mut self,
        origin: Origin<'_>,
        held: Held,
        value: &mut Value,
    ) -> Result<(), ObjectError> {
        match held {
            Held::Duration => {
                *value = written(value);
                return Ok(());
            }
            // Who may write objects may not read the files of the router.
            Held::Path => return Err(ObjectError::LocalPath),
            _ => {}
        }
        let Value::Object(fields) = &*value else { return Ok(()) };
        let text = match held {
            Held::Secret => {
                let name = fields.get("secret").and_then(Value::as_str).unwrap_or_default();
                let keys = fields.get("keys").and_then(Value::as_array);
                let keys: Vec<&str> =
                    keys.into_iter().flatten().filter_map(Value::as_str).collect();
                secrets::value(self.view, &Id::new(&origin.id.namespace, name), &keys)?
            }
            Held::Reference(ReferenceKind::Middleware) => {
                let to: ObjectRef = decode(value)?;
                self.reference(origin.id, &to)?
            }
            Held::Reference(ReferenceKind::Service) => {
                let to: ServiceRef = decode(value)?;
                self.service_of(origin, &to)?
            }
            Held::Reference(ReferenceKind::ServersTransport) | Held::Duration | Held::Path => {
                return Ok(());
            }
        };
        *value = Value::String(text);
        Ok(())
    }

    /// The service that a middleware asks, which is made for it alone.
    fn service_of(&mut self, origin: Origin<'_>, to: &ServiceRef) -> Result<String, ObjectError> {
        match self.named(origin.id, to)? {
            Named::There(name) => Ok(name),
            Named::Made { service, .. } => {
                let Id { namespace, name, .. } = origin.id;
                let name = format!("{}-errorpage-service", element(namespace, name));
                self.put(&name, *service, origin);
                Ok(name)
            }
        }
    }
}

/// A duration as Traefik shows it.
fn written(seconds: &Value) -> Value {
    let duration = seconds.as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let duration = duration.and_then(|d| GoDuration::parse(&format!("{}ns", d.as_nanos())).ok());
    duration.map_or_else(|| seconds.clone(), |duration| duration.to_string().into())
}

fn place(path: &str, option: &str) -> String {
    if option.is_empty() { path.to_owned() } else { format!("{path}.{option}") }
}

/// All that is wrong with options, told at the first of them.
fn told(path: &str, problems: &[Problem]) -> (String, ObjectError) {
    let first = problems.first().map_or("", |problem| &problem.path);
    let words = problems.iter().enumerate().map(|(i, problem)| match i {
        0 => problem.reason.clone(),
        _ => format!("{}: {}", problem.path, problem.reason),
    });
    (place(path, first), ObjectError::Options(words.collect::<Vec<_>>().join("; ")))
}

//! Traefik's custom resources become a configuration.
//!
//! Pure: a [`View`] of the cluster and the objects go in, elements and findings come out. A part of
//! an object that cannot be used is left out with its reason, its neighbours stay.

mod http;
mod middleware;
mod model;
mod service;
mod syntax;
mod tcp;
mod tls;
mod traefik_service;
mod transport;
mod udp;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::ObjectError;
use super::names::{Group, Id, element};
use super::output::{Origin, Output};
use super::schemas::Schemas;
use super::store::{Objects, Store};
use super::view::View;
use crate::value::DecodeError;
use model::ObjectRef;

/// Checks the name or path of a script. The files of the router are not objects' to read, but for
/// the scripts that were put there for them.
fn stays_inside(option: &str, script: &str) -> Result<(), ObjectError> {
    if script.starts_with('/') || script.split('/').any(|part| part == "..") {
        let reason =
            format!("{option}: a path in Kubernetes objects stays in the folder of scripts");
        return Err(ObjectError::Options(reason));
    }
    Ok(())
}

/// The name of the provider in element names.
pub(super) const NAME: &str = "kubernetescrd";

/// What is known of custom resources.
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub(super) routes: Arc<Store<model::RouteObject<model::Route>>>,
    pub(super) tcp_routes: Arc<Store<model::RouteObject<model::Route>>>,
    pub(super) udp_routes: Arc<Store<model::RouteObject<model::UdpRoute>>>,
    pub(super) middlewares: Arc<Store<model::Middleware>>,
    pub(super) tcp_middlewares: Arc<Store<model::Middleware>>,
    pub(super) services: Arc<Store<model::TraefikService>>,
    pub(super) tls_options: Arc<Store<model::TlsOption>>,
    pub(super) tls_stores: Arc<Store<model::TlsStore>>,
    pub(super) transports: Arc<Store<model::Transport>>,
    pub(super) tcp_transports: Arc<Store<model::Transport>>,
}

/// What the provider's options say of custom resources.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// The class that routes must have; empty means none, or `traefik`.
    pub(super) class: String,
    /// Whether rules of the old group may be read in the older syntax.
    pub(super) old_syntax: bool,
}

/// What all parts of the work need.
struct Work<'a> {
    view: &'a View,
    settings: &'a Settings,
    schemas: &'a Schemas,
    output: Output,
    /// Routers by the object that asks for them, for objects that name it as their parent.
    parents: HashMap<Id, Vec<String>>,
}

/// What the custom resources come to.
pub(super) fn build(
    stores: &Resources,
    view: &View,
    settings: &Settings,
    schemas: &Schemas,
) -> Output {
    let mut work =
        Work { view, settings, schemas, output: Output::default(), parents: HashMap::new() };
    let options = work.unique("TLSOption", &stores.tls_options.all());
    work.tls_options(&options);
    let tls_stores = work.unique("TLSStore", &stores.tls_stores.all());
    work.tls_stores(&tls_stores);
    let transports = work.unique("ServersTransport", &stores.transports.all());
    work.transports(&transports);
    let transports = work.unique("ServersTransportTCP", &stores.tcp_transports.all());
    work.tcp_transports(&transports);
    let middlewares = work.unique("Middleware", &stores.middlewares.all());
    work.middlewares(&middlewares);
    let middlewares = work.unique("MiddlewareTCP", &stores.tcp_middlewares.all());
    work.tcp_middlewares(&middlewares);
    let services = work.unique("TraefikService", &stores.services.all());
    work.traefik_services(&services);
    let routes = work.unique("IngressRoute", &stores.routes.all());
    work.routes(&routes);
    let routes = work.unique("IngressRouteTCP", &stores.tcp_routes.all());
    work.tcp_routes(&routes);
    let routes = work.unique("IngressRouteUDP", &stores.udp_routes.all());
    work.udp_routes(&routes);
    work.output.finish()
}

impl Work<'_> {
    /// One object of each name: where both groups have it, that of the present one.
    fn unique<T>(&mut self, kind: &'static str, all: &Objects<T>) -> BTreeMap<Id, Arc<T>> {
        let mut unique: BTreeMap<Id, Arc<T>> = BTreeMap::new();
        for (id, object) in &**all {
            let has_twin = || all.contains_key(&Id { group: Group::Present, ..id.clone() });
            if id.group == Group::Old && has_twin() {
                let reason = "passed over: traefik.io has an object of this name too";
                self.output.warn(Origin { kind, id }, "apiVersion", reason);
                continue;
            }
            unique.insert(id.clone(), Arc::clone(object));
        }
        unique
    }

    /// The name of the element that a reference to an object means.
    fn reference(&self, own: &Id, to: &ObjectRef) -> Result<String, ObjectError> {
        let rules = &self.view.rules;
        if to.name.contains('@') {
            rules.qualified(&own.namespace, &to.name)?;
            return Ok(to.name.clone());
        }
        let namespace = rules.namespace(&own.namespace, &to.namespace, &to.name)?;
        Ok(element(namespace, &to.name))
    }

    /// The names of middlewares that are referred to.
    fn middleware_names(&self, own: &Id, to: &[ObjectRef]) -> Result<Vec<String>, ObjectError> {
        to.iter().map(|to| self.reference(own, to)).collect()
    }

    /// Whether an object is of the class that is looked at.
    fn is_ours(&self, annotation: &str, spec: &str) -> bool {
        let class = if annotation.is_empty() { spec } else { annotation };
        match self.settings.class.as_str() {
            "" => matches!(class, "" | "traefik"),
            wanted => class == wanted,
        }
    }

    /// Notes that a part of an object is not of the shape it must be of.
    fn undecoded(&mut self, origin: Origin<'_>, error: &DecodeError) {
        let text = error.to_string();
        let words = text.strip_prefix(error.path()).and_then(|rest| rest.strip_prefix(": "));
        let reason = words.unwrap_or(&text).to_owned();
        self.output.error(origin, error.path(), &ObjectError::Options(reason));
    }
}

//! Stand-ins for what manifests refer to and do not hold, so that what they do hold is looked at.

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::super::cluster::Stores;
use super::super::names::Id;
use super::super::objects::{Endpoint, EndpointSlice, IngressClass, Service, ServicePort};
use super::super::port::Port;
use super::super::schemas::Schemas;
use super::{DEFAULT_NAMESPACE, Manifest};
use crate::model::{self, Dynamic, LoadBalancer, Middleware, Server};
use crate::schema::ReferenceKind;

/// An address that is nobody's (RFC 5737).
const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PORT: u16 = 80;
/// The class of Ingress objects that Traefik's documentation uses.
const CLASS: &str = "traefik";
const CONTROLLER: &str = "traefik.io/ingress-controller";

/// Puts in the Services that objects name, and endpoints of all Services.
pub(super) fn behind(manifests: &[Manifest], stores: &Stores) {
    let mut named: Vec<(Id, Port)> = Vec::new();
    for Manifest { object, .. } in manifests {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        if let Some(spec) = object.get("spec") {
            services(spec, namespace.unwrap_or(DEFAULT_NAMESPACE), &mut named);
        }
    }
    let written = stores.services.all();
    for (id, port) in named.into_iter().filter(|(id, _)| !written.contains_key(id)) {
        let known = stores.services.all().get(&id).map(|service| Service::clone(service));
        let mut service = known.unwrap_or_default();
        let port = match port {
            Port::None => continue,
            Port::Number(port) => ServicePort { port, ..ServicePort::default() },
            Port::Name(name) => ServicePort { name, port: PORT, ..ServicePort::default() },
        };
        if !service.ports.contains(&port) {
            service.ports.push(port);
        }
        stores.services.put(id, service);
    }
    let sliced = stores.slices.all();
    for (id, service) in &*stores.services.all() {
        let is_of = |(of, slice): (&Id, &Arc<EndpointSlice>)| {
            of.namespace == id.namespace && slice.service == id.name
        };
        let mut service = Service::clone(service);
        if !sliced.iter().any(is_of) {
            stores.slices.put(id.clone(), slice(&id.name, &service));
        }
        // The cluster gives it an address when it is there.
        if service.cluster_ip.is_empty() {
            service.cluster_ip = NOBODY.to_string();
        }
        stores.services.put(id.clone(), service);
    }
    let class = Id::new("", CLASS);
    if !stores.classes.all().contains_key(&class) {
        stores.classes.put(class, IngressClass { controller: CONTROLLER.to_owned() });
    }
}

fn slice(name: &str, service: &Service) -> EndpointSlice {
    let endpoint = Endpoint { addresses: vec![NOBODY.to_string()], ..Endpoint::default() };
    let ports = service.ports.iter().map(|port| (port.name.clone(), port.port));
    EndpointSlice { service: name.to_owned(), ports: ports.collect(), endpoints: vec![endpoint] }
}

/// The Services that a part of an object names: sections with a name and a port.
fn services(part: &Value, namespace: &str, found: &mut Vec<(Id, Port)>) {
    match part {
        Value::Array(items) => items.iter().for_each(|item| services(item, namespace, found)),
        Value::Object(fields) => {
            if let Some(service) = service(fields, namespace) {
                found.push(service);
            }
            fields.values().for_each(|value| services(value, namespace, found));
        }
        _ => {}
    }
}

fn service(fields: &Map<String, Value>, namespace: &str) -> Option<(Id, Port)> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let port = match fields.get("port")? {
        // As Ingress objects write it.
        Value::Object(port) => port.get("number").or_else(|| port.get("name"))?,
        port => port,
    };
    let port = serde_json::from_value(port.clone()).ok()?;
    let namespace = text("namespace").filter(|text| !text.is_empty()).unwrap_or(namespace);
    Some((Id::new(namespace, text("name")?), port))
}

/// Puts in the elements that others name and that are not there. Those of other providers are left
/// to them.
pub(super) fn complete(dynamic: &mut Dynamic, schemas: &Schemas) {
    let mut wanted = Wanted::default();
    for router in dynamic.http.routers.values() {
        wanted.services.push(router.service.clone());
        wanted.middlewares.extend(router.middlewares.iter().cloned());
        wanted.options.extend(router.tls.iter().map(|tls| tls.options.clone()));
    }
    for router in dynamic.tcp.routers.values() {
        wanted.options.extend(router.tls.iter().map(|tls| tls.options.clone()));
    }
    for middleware in dynamic.http.middlewares.values() {
        wanted.of_middleware(middleware, schemas);
    }
    for service in dynamic.http.services.values() {
        wanted.of_service(service);
    }
    wanted.put(dynamic);
    let known = dynamic.tcp.middlewares.keys().cloned().collect::<Vec<_>>();
    for router in dynamic.tcp.routers.values_mut() {
        let is_there = |name: &String| name.contains('@') || known.contains(name);
        if !router.middlewares.iter().all(is_there) {
            Arc::make_mut(router).middlewares.retain(is_there);
        }
    }
}

/// Names of elements.
#[derive(Default)]
struct Wanted {
    services: Vec<String>,
    middlewares: Vec<String>,
    options: Vec<String>,
    transports: Vec<String>,
}

impl Wanted {
    fn of_middleware(&mut self, middleware: &Middleware, schemas: &Schemas) {
        for (kind, options) in &middleware.kinds {
            let Some(schema) = schemas.http(kind) else { continue };
            for reference in schema.references(options) {
                match reference.kind {
                    ReferenceKind::Service => self.services.push(reference.name),
                    ReferenceKind::Middleware => self.middlewares.push(reference.name),
                    ReferenceKind::ServersTransport => self.transports.push(reference.name),
                }
            }
        }
    }

    fn of_service(&mut self, service: &model::Service) {
        let transport = service.load_balancer.iter().map(|servers| &servers.servers_transport);
        self.transports.extend(transport.cloned());
        self.middlewares.extend(service.middlewares.iter().cloned());
        let weighted = service.weighted.iter().flat_map(|weighted| &weighted.services);
        let hashed = service.highest_random_weight.iter().flat_map(|hashed| &hashed.services);
        self.services.extend(weighted.chain(hashed).map(|child| child.name.clone()));
        if let Some(mirroring) = &service.mirroring {
            self.services.push(mirroring.service.clone());
            self.services.extend(mirroring.mirrors.iter().map(|mirror| mirror.name.clone()));
        }
        if let Some(failover) = &service.failover {
            self.services.extend([failover.service.clone(), failover.fallback.clone()]);
        }
    }

    fn put(self, dynamic: &mut Dynamic) {
        let own = |name: &String| !name.is_empty() && !name.contains('@');
        let server = Server { url: format!("http://{NOBODY}"), ..Server::default() };
        let servers = LoadBalancer { servers: vec![server], ..LoadBalancer::default() };
        let service = model::Service { load_balancer: Some(servers), ..model::Service::default() };
        let service = Arc::new(service);
        for name in self.services.into_iter().filter(own) {
            dynamic.http.services.entry(name).or_insert_with(|| Arc::clone(&service));
        }
        let code = json!({"code": "return {request = function() end}"});
        let kinds = Map::from_iter([("lua".to_owned(), code)]);
        let middleware = Arc::new(Middleware { kinds, ..Middleware::default() });
        for name in self.middlewares.into_iter().filter(own) {
            dynamic.http.middlewares.entry(name).or_insert_with(|| Arc::clone(&middleware));
        }
        for name in self.options.into_iter().filter(own) {
            dynamic.tls.options.entry(name).or_default();
        }
        for name in self.transports.into_iter().filter(own) {
            dynamic.http.servers_transports.entry(name).or_default();
        }
    }
}

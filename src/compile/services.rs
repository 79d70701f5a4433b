//! Services: their servers, children and order, resolved.

use std::collections::HashMap as StdMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::transports::{self, Transports};
use super::{Catalog, provider_of, qualify};
use crate::model::{self, Dynamic, Verdict};
use crate::service::{Kind, Server, Servers, Service, Turn, Weighted};
use crate::upstream::{Endpoint, Forwarding, HostHeader, PathPrefix, Transport};

/// Services kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    services: HashMap<String, Kept>,
    endpoints: HashMap<(String, usize), Arc<Endpoint>>,
    transports: transports::Memory,
}

#[derive(Debug, Clone)]
struct Kept {
    config: Arc<model::Service>,
    service: Arc<Service>,
    turn: Arc<Turn>,
}

/// Services of this generation.
#[derive(Debug)]
pub(super) struct Services {
    /// Those in force, by name with provider.
    pub(super) live: HashMap<Arc<str>, Arc<Service>>,
    /// Those that are not, with the reason.
    pub(super) verdicts: StdMap<String, Verdict>,
}

/// A service of a weighted one may be weighted in turn, down to this depth.
const DEPTH_MAX: usize = 32;

impl Services {
    pub(super) fn compile(dynamic: &Dynamic, catalog: &Catalog, memory: &mut Memory) -> Self {
        let transports = Transports::compile(dynamic, &catalog.transport, &mut memory.transports);
        let mut work = Work {
            dynamic,
            catalog,
            memory,
            transports,
            done: HashMap::with_capacity(dynamic.http.services.len()),
            path: Vec::new(),
            kept: HashMap::with_capacity(dynamic.http.services.len()),
            verdicts: StdMap::new(),
        };
        for name in dynamic.http.services.keys() {
            // Errors are in the verdicts.
            let _ = work.service(name);
        }
        for (name, internal) in &catalog.internals {
            let name: Arc<str> = name.as_str().into();
            let kind = Kind::Internal(Arc::clone(internal));
            let service = Arc::new(Service { name: Arc::clone(&name), kind });
            work.done.insert(name, Ok(service));
        }
        let Work { done, verdicts, kept, memory, .. } = work;
        let endpoints = kept.values().flat_map(|kept| match &kept.service.kind {
            Kind::Servers(servers) => servers.servers.as_slice(),
            _ => &[],
        });
        memory.endpoints = endpoints.map(|s| (key_of(&s.endpoint), s.endpoint.clone())).collect();
        memory.services = kept;
        let live = done.into_iter().filter_map(|(name, s)| s.ok().map(|s| (name, s))).collect();
        Self { live, verdicts }
    }
}

fn key_of(endpoint: &Arc<Endpoint>) -> (String, usize) {
    (endpoint.source().to_owned(), Arc::as_ptr(endpoint.transport()) as usize)
}

type Outcome = Result<Arc<Service>, ()>;

struct Work<'a> {
    dynamic: &'a Dynamic,
    catalog: &'a Catalog,
    memory: &'a mut Memory,
    transports: Transports,
    done: HashMap<Arc<str>, Outcome>,
    /// Services that are being compiled, outermost first.
    path: Vec<String>,
    kept: HashMap<String, Kept>,
    verdicts: StdMap<String, Verdict>,
}

impl Work<'_> {
    fn service(&mut self, name: &str) -> Outcome {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        let dynamic = self.dynamic;
        let Some(config) = dynamic.http.services.get(name) else { return Err(()) };
        self.path.push(name.to_owned());
        let compiled = self.compile(name, config);
        self.path.pop();
        let outcome = compiled.map_err(|error| {
            self.verdicts.insert(name.to_owned(), Verdict::disabled(vec![error]));
        });
        self.done.insert(name.into(), outcome.clone());
        outcome
    }

    fn compile(
        &mut self,
        name: &str,
        config: &Arc<model::Service>,
    ) -> Result<Arc<Service>, String> {
        unsupported(config)?;
        match (&config.load_balancer, &config.weighted) {
            (Some(balancer), None) => self.load_balancer(name, config, balancer),
            (None, Some(weighted)) => self.weighted(name, config, weighted),
            (None, None) => Err("the service has no kind".to_owned()),
            _ => Err("a service can have one kind only, this one has several".to_owned()),
        }
    }

    fn load_balancer(
        &mut self,
        name: &str,
        config: &Arc<model::Service>,
        balancer: &model::LoadBalancer,
    ) -> Result<Arc<Service>, String> {
        let transport = match balancer.servers_transport.as_str() {
            "" => Arc::clone(&self.catalog.transport),
            named => self.transports.find(&qualify(named, provider_of(name)))?,
        };
        let kept = self.memory.services.get(name).filter(|kept| same(&kept.config, config));
        if let Some(kept) = kept
            && let Kind::Servers(servers) = &kept.service.kind
            && servers.servers.iter().all(|s| Arc::ptr_eq(s.endpoint.transport(), &transport))
        {
            let kept = kept.clone();
            let service = Arc::clone(&kept.service);
            self.kept.insert(name.to_owned(), kept);
            return Ok(service);
        }
        let turn = kept.map(|kept| Arc::clone(&kept.turn));
        let mut servers = Vec::new();
        let mut weights = Vec::new();
        for server in &balancer.servers {
            weights.push(server.weight.unwrap_or(1));
            servers.push(self.server(server, balancer, &transport)?);
        }
        let turn = turn.unwrap_or_else(|| Arc::new(Turn::new(&weights)));
        let kind = Kind::Servers(Servers { servers, turn: Arc::clone(&turn) });
        Ok(self.keep(name, config, kind, turn))
    }

    fn server(
        &self,
        server: &model::Server,
        balancer: &model::LoadBalancer,
        transport: &Arc<Transport>,
    ) -> Result<Server, String> {
        let key = (server.url.clone(), Arc::as_ptr(transport) as usize);
        let endpoint = match self.memory.endpoints.get(&key) {
            Some(endpoint) => Arc::clone(endpoint),
            None => {
                let endpoint = Endpoint::parse(&server.url, Arc::clone(transport));
                Arc::new(endpoint.map_err(|error| error.to_string())?)
            }
        };
        let host = if balancer.pass_host_header { HostHeader::Client } else { HostHeader::Server };
        let path = if server.preserve_path { PathPrefix::Preserved } else { PathPrefix::Ignored };
        Ok(Server { endpoint, forwarding: Forwarding { host, path } })
    }

    fn weighted(
        &mut self,
        name: &str,
        config: &Arc<model::Service>,
        weighted: &model::Weighted,
    ) -> Result<Arc<Service>, String> {
        let mut children = Vec::new();
        let mut weights = Vec::new();
        for child in &weighted.services {
            let child_name = qualify(&child.name, provider_of(name));
            children.push(self.child(&child_name)?);
            weights.push(child.weight.unwrap_or(1));
        }
        let kept = self.memory.services.get(name).filter(|kept| same(&kept.config, config));
        if let Some(kept) = kept
            && let Kind::Weighted(before) = &kept.service.kind
            && before.children.len() == children.len()
            && before.children.iter().zip(&children).all(|(a, b)| Arc::ptr_eq(a, b))
        {
            let kept = kept.clone();
            let service = Arc::clone(&kept.service);
            self.kept.insert(name.to_owned(), kept);
            return Ok(service);
        }
        let turn =
            kept.map_or_else(|| Arc::new(Turn::new(&weights)), |kept| Arc::clone(&kept.turn));
        let kind = Kind::Weighted(Weighted { children, turn: Arc::clone(&turn) });
        Ok(self.keep(name, config, kind, turn))
    }

    fn child(&mut self, name: &str) -> Result<Arc<Service>, String> {
        if self.path.iter().any(|outer| outer == name) {
            let way = self.path.join(" -> ");
            return Err(format!("the services refer to each other in a circle: {way} -> {name}"));
        }
        if self.path.len() >= DEPTH_MAX {
            return Err(format!("services are nested deeper than {DEPTH_MAX}"));
        }
        if let Some(internal) = self.catalog.internals.get(name) {
            let kind = Kind::Internal(Arc::clone(internal));
            return Ok(Arc::new(Service { name: name.into(), kind }));
        }
        self.service(name).map_err(|()| {
            if self.dynamic.http.services.contains_key(name) {
                format!("the service {name:?} is disabled")
            } else {
                format!("the service {name:?} does not exist")
            }
        })
    }

    fn keep(
        &mut self,
        name: &str,
        config: &Arc<model::Service>,
        kind: Kind,
        turn: Arc<Turn>,
    ) -> Arc<Service> {
        let service = Arc::new(Service { name: name.into(), kind });
        let (config, returned) = (Arc::clone(config), Arc::clone(&service));
        self.kept.insert(name.to_owned(), Kept { config, service, turn });
        returned
    }
}

/// Whether two elements are equal; the same allocation is recognised at once.
fn same<T: PartialEq>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Options that Traefik knows and that are not built yet, by name.
fn unsupported(config: &model::Service) -> Result<(), String> {
    let mut found = Vec::new();
    let mut note = |present: bool, option: &'static str| {
        if present {
            found.push(option);
        }
    };
    note(config.mirroring.is_some(), "mirroring");
    note(config.failover.is_some(), "failover");
    note(config.highest_random_weight.is_some(), "highestRandomWeight");
    note(!config.middlewares.is_empty(), "middlewares");
    if let Some(balancer) = &config.load_balancer {
        note(balancer.sticky.is_some(), "loadBalancer.sticky");
        note(balancer.health_check.is_some(), "loadBalancer.healthCheck");
        note(balancer.passive_health_check.is_some(), "loadBalancer.passiveHealthCheck");
        note(!matches!(balancer.strategy.as_str(), "" | "wrr"), "loadBalancer.strategy");
    }
    if let Some(weighted) = &config.weighted {
        note(weighted.sticky.is_some(), "weighted.sticky");
        note(weighted.health_check.is_some(), "weighted.healthCheck");
    }
    if found.is_empty() { Ok(()) } else { Err(format!("not supported yet: {}", found.join(", "))) }
}

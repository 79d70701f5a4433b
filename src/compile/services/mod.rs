//! Services: their servers, children and order, resolved; one file for each kind.
//!
//! Makes plans of health checks and starts none. A service that is as it was, on what it stood on,
//! is the same allocation, so that its state stays; one that is only rebuilt keeps its state.

mod behind;
mod check;
mod children;
mod failover;
mod mirroring;
mod servers;
mod sticky;

use std::collections::HashMap as StdMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::Catalog;
use super::middlewares::Middlewares;
use super::scripts::Named;
use super::transports::{self, Transports};
use crate::lua::InstanceSpec;
use crate::model::{self, Dynamic, ServerHealth, Verdict};
use crate::service::{Kind, Propagation, Servers, Service};
use crate::upstream::Endpoint;

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
    /// The service without middlewares.
    service: Arc<Service>,
    /// The service as others see it.
    outer: Arc<Service>,
    warnings: Vec<String>,
}

/// What services refer to beside each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) middlewares: &'a Middlewares,
}

/// Services of this generation.
#[derive(Debug)]
pub(super) struct Services {
    /// Those in force, by name with provider.
    pub(super) live: HashMap<Arc<str>, Arc<Service>>,
    /// Those that are not simply in force, with the reason.
    pub(super) verdicts: StdMap<String, Verdict>,
    /// Those whose servers' health is watched.
    pub(super) health: StdMap<String, Arc<dyn ServerHealth>>,
    /// Scripts in front of services.
    pub(super) instances: Vec<Arc<InstanceSpec>>,
}

/// A service of a weighted one may be weighted in turn, down to this depth.
const DEPTH_MAX: usize = 32;

impl Services {
    pub(super) fn compile(
        dynamic: &Dynamic,
        parts: Parts<'_>,
        scripts: &mut Named,
        memory: &mut Memory,
    ) -> Self {
        let Parts { catalog, middlewares } = parts;
        let transports = Transports::compile(dynamic, &catalog.transport, &mut memory.transports);
        let mut work = Work {
            dynamic,
            catalog,
            middlewares,
            scripts,
            memory,
            transports,
            done: HashMap::with_capacity(dynamic.http.services.len()),
            path: Vec::new(),
            kept: HashMap::with_capacity(dynamic.http.services.len()),
            verdicts: StdMap::new(),
            warnings: Vec::new(),
            instances: Vec::new(),
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
        let Work { done, verdicts, kept, memory, instances, .. } = work;
        let servers = || kept.values().filter_map(|kept| servers_of(&kept.service));
        let asked = servers().filter_map(|s| s.check.as_ref()).flat_map(|check| &check.targets);
        let endpoints = servers().flat_map(|s| &s.servers).map(|server| &server.endpoint);
        let endpoints = endpoints.chain(asked.map(|target| &target.endpoint));
        memory.endpoints = endpoints.map(|e| (key_of(e), Arc::clone(e))).collect();
        let watched = kept.iter().filter(|(_, kept)| {
            servers_of(&kept.service).is_some_and(|s| s.check.is_some() || s.passive.is_some())
        });
        let health = watched.map(|(name, kept)| {
            let service: Arc<dyn ServerHealth> = Arc::clone(&kept.service) as _;
            (name.clone(), service)
        });
        let health = health.collect();
        memory.services = kept;
        let live = done.into_iter().filter_map(|(name, s)| s.ok().map(|s| (name, s))).collect();
        Self { live, verdicts, health, instances }
    }
}

fn servers_of(service: &Service) -> Option<&Servers> {
    match &service.kind {
        Kind::Servers(servers) => Some(servers),
        _ => None,
    }
}

fn key_of(endpoint: &Arc<Endpoint>) -> (String, usize) {
    (endpoint.source().to_owned(), Arc::as_ptr(endpoint.transport()) as usize)
}

type Outcome = Result<Arc<Service>, ()>;

struct Work<'a> {
    dynamic: &'a Dynamic,
    catalog: &'a Catalog,
    middlewares: &'a Middlewares,
    scripts: &'a mut Named,
    memory: &'a mut Memory,
    transports: Transports,
    done: HashMap<Arc<str>, Outcome>,
    /// Services that are being compiled, outermost first.
    path: Vec<String>,
    kept: HashMap<String, Kept>,
    verdicts: StdMap<String, Verdict>,
    /// Warnings of the service that is being compiled.
    warnings: Vec<String>,
    /// Scripts in front of services.
    instances: Vec<Arc<InstanceSpec>>,
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
        let others = std::mem::take(&mut self.warnings);
        let compiled = self.kind(name, config);
        let mut warnings = std::mem::replace(&mut self.warnings, others);
        // One that was kept may have been found again.
        warnings.sort();
        warnings.dedup();
        let service = compiled?;
        let outer = self.behind(name, &config.middlewares, &service)?;
        if !warnings.is_empty() {
            self.verdicts.insert(name.to_owned(), Verdict::live(warnings.clone()));
        }
        let config = Arc::clone(config);
        let kept = Kept { config, service, outer: Arc::clone(&outer), warnings };
        self.kept.insert(name.to_owned(), kept);
        Ok(outer)
    }

    fn kind(&mut self, name: &str, config: &model::Service) -> Result<Arc<Service>, String> {
        let kinds = [
            config.load_balancer.is_some(),
            config.weighted.is_some(),
            config.mirroring.is_some(),
            config.failover.is_some(),
            config.highest_random_weight.is_some(),
        ];
        if kinds.into_iter().filter(|is_set| *is_set).count() > 1 {
            return Err("a service can have one kind only, this one has several".to_owned());
        }
        if let Some(balancer) = &config.load_balancer {
            self.load_balancer(name, config, balancer)
        } else if let Some(weighted) = &config.weighted {
            self.weighted(name, config, weighted)
        } else if let Some(hrw) = &config.highest_random_weight {
            self.highest_random_weight(name, config, hrw)
        } else if let Some(mirroring) = &config.mirroring {
            self.mirroring(name, config, mirroring)
        } else if let Some(failover) = &config.failover {
            self.failover(name, config, failover)
        } else {
            Err("the service has no kind".to_owned())
        }
    }

    /// The service as it was, when its configuration is the same.
    fn before(&mut self, name: &str, config: &model::Service) -> Option<Arc<Service>> {
        let kept = self.memory.services.get(name).filter(|kept| *kept.config == *config)?;
        self.warnings.extend(kept.warnings.iter().cloned());
        Some(Arc::clone(&kept.service))
    }

    /// A service that another one refers to.
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

    /// The health of a child counts, so the child must tell it, as in Traefik.
    fn must_tell(child: &Service) -> Result<(), String> {
        if tells(child) {
            return Ok(());
        }
        Err(format!("healthCheck: the service {:?} has no healthCheck of its own", &*child.name))
    }
}

fn new(name: &str, kind: Kind) -> Arc<Service> {
    Arc::new(Service { name: name.into(), kind })
}

fn propagation(health_check: Option<model::HealthCheck>) -> Propagation {
    if health_check.is_some() { Propagation::On } else { Propagation::Off }
}

/// Whether a service knows its health and tells it.
fn tells(service: &Service) -> bool {
    match &service.kind {
        Kind::Servers(servers) => servers.check.is_some(),
        Kind::Children(children) => children.health == Propagation::On,
        Kind::Mirroring(mirroring) => {
            mirroring.health == Propagation::On && tells(&mirroring.service)
        }
        Kind::Failover(failover) => failover.health == Propagation::On,
        Kind::Behind(behind) => tells(&behind.service),
        Kind::Internal(_) => false,
    }
}

#[cfg(test)]
mod tests;

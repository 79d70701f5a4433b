//! TCP services: their servers, children and checks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;

use super::transports::{self, Transports};
use super::{Resolved, one_kind};
use crate::compile::{Catalog, provider_of, qualify};
use crate::model::{
    self, Dynamic, ServerHealth, StreamVerdict, TcpHealthCheck, TcpLoadBalancer, TcpWeighted,
};
use crate::service::{
    Propagation, TcpCheck, TcpChildren, TcpKind, TcpPlan, TcpServer, TcpServers, TcpService,
    TcpTarget, Turn,
};
use crate::upstream::{Encryption, TcpEndpoint, TcpTransport};
use crate::value::GoDuration;

/// Services kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    services: HashMap<String, (Arc<model::TcpService>, Arc<TcpService>)>,
    transports: transports::Memory,
}

/// Services of this generation.
#[derive(Debug)]
pub(super) struct Services {
    /// Those in force by name with provider, or why one is not.
    live: HashMap<String, Result<Arc<TcpService>, String>>,
    pub(super) verdicts: BTreeMap<String, StreamVerdict>,
    pub(super) checks: Vec<Arc<TcpCheck>>,
}

/// Services of services are nested down to this depth.
const DEPTH_MAX: usize = 32;

impl Services {
    pub(super) fn compile(dynamic: &Dynamic, catalog: &Catalog, memory: &mut Memory) -> Self {
        let before = std::mem::take(&mut memory.services);
        let transports = Transports::new(dynamic, &catalog.tcp_transport, &mut memory.transports);
        let mut work = Work {
            dynamic,
            before,
            transports,
            done: HashMap::new(),
            path: Vec::new(),
            warnings: HashMap::new(),
        };
        for name in dynamic.tcp.services.keys() {
            // Errors are kept beside the name.
            let _ = work.service(name);
        }
        let Work { done: live, transports, mut warnings, .. } = work;
        transports.keep(&mut memory.transports);
        let mut all = Self { live, verdicts: BTreeMap::new(), checks: Vec::new() };
        for (name, config) in &dynamic.tcp.services {
            let resolved = Resolved {
                errors: all.live.get(name).and_then(|s| s.clone().err()).into_iter().collect(),
                warnings: warnings.remove(name).unwrap_or_default(),
            };
            let mut verdict = StreamVerdict::new(Arc::clone(config) as _, resolved.verdict());
            if let Some(Ok(service)) = all.live.get(name) {
                memory.services.insert(name.clone(), (Arc::clone(config), Arc::clone(service)));
                if let TcpKind::Servers(servers) = &service.kind {
                    let addresses =
                        servers.servers.iter().map(|s| s.endpoint.address().to_string());
                    verdict.servers = addresses.collect();
                    verdict.health = Some(Arc::clone(service) as Arc<dyn ServerHealth>);
                    all.checks.extend(servers.check.clone());
                }
            }
            all.verdicts.insert(name.clone(), verdict);
        }
        all
    }

    /// A service by its name with provider.
    pub(super) fn find(&self, name: &str) -> Result<Arc<TcpService>, String> {
        match self.live.get(name) {
            None => Err(format!("the service {name:?} does not exist")),
            Some(Err(error)) => Err(format!("the service {name:?}: {error}")),
            Some(Ok(service)) => Ok(Arc::clone(service)),
        }
    }
}

struct Work<'a> {
    dynamic: &'a Dynamic,
    before: HashMap<String, (Arc<model::TcpService>, Arc<TcpService>)>,
    transports: Transports<'a>,
    done: HashMap<String, Result<Arc<TcpService>, String>>,
    /// Services that are being compiled, outermost first.
    path: Vec<String>,
    warnings: HashMap<String, Vec<String>>,
}

impl Work<'_> {
    fn service(&mut self, name: &str) -> Result<Arc<TcpService>, String> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        let dynamic = self.dynamic;
        let config = dynamic.tcp.services.get(name);
        let config = config.ok_or_else(|| format!("the service {name:?} does not exist"))?;
        self.path.push(name.to_owned());
        let before = self.before.remove(name);
        let before = before.filter(|(before, _)| before == config).map(|(_, service)| service);
        let compiled = self.kind(name, config, before);
        self.path.pop();
        self.done.insert(name.to_owned(), compiled.clone());
        compiled
    }

    fn kind(
        &mut self,
        name: &str,
        config: &model::TcpService,
        before: Option<Arc<TcpService>>,
    ) -> Result<Arc<TcpService>, String> {
        one_kind([config.load_balancer.is_some(), config.weighted.is_some()])?;
        let kind = match (&config.load_balancer, &config.weighted) {
            (Some(balancer), _) => {
                let transport = self.transport(name, balancer)?;
                if let Some(before) = before.filter(|before| is_over(before, &transport)) {
                    return Ok(before);
                }
                TcpKind::Servers(servers(name, balancer, &transport)?)
            }
            (_, Some(weighted)) => {
                let children = self.children(name, weighted)?;
                if let Some(before) = before.filter(|before| is_of(before, &children)) {
                    return Ok(before);
                }
                TcpKind::Children(children)
            }
            (None, None) => return Err("the service has no kind".to_owned()),
        };
        Ok(Arc::new(TcpService { name: name.into(), kind }))
    }

    fn transport(
        &mut self,
        name: &str,
        balancer: &TcpLoadBalancer,
    ) -> Result<Arc<TcpTransport>, String> {
        let named = &balancer.servers_transport;
        let named = (!named.is_empty()).then(|| qualify(named, provider_of(name)));
        let mut warnings = Vec::new();
        let transport = self.transports.of(name, balancer, named.as_deref(), &mut warnings);
        if !warnings.is_empty() {
            self.warnings.insert(name.to_owned(), warnings);
        }
        transport
    }

    fn children(&mut self, name: &str, weighted: &TcpWeighted) -> Result<TcpChildren, String> {
        let mut services = Vec::with_capacity(weighted.services.len());
        for child in &weighted.services {
            let child_name = qualify(&child.name, provider_of(name));
            let service = self.child(&child_name)?;
            if weighted.health_check.is_some() && !service.tells_health() {
                return Err(format!(
                    "healthCheck: the service {child_name:?} has no healthCheck of its own"
                ));
            }
            services.push((service, child.weight.unwrap_or(1)));
        }
        let weights: Vec<u32> = services.iter().map(|(_, weight)| *weight).collect();
        let turn = Arc::new(Turn::new(&weights));
        let health = match weighted.health_check {
            Some(_) => Propagation::On,
            None => Propagation::Off,
        };
        Ok(TcpChildren { services, turn, health })
    }

    fn child(&mut self, name: &str) -> Result<Arc<TcpService>, String> {
        if self.path.iter().any(|outer| outer == name) {
            let way = self.path.join(" -> ");
            return Err(format!("the services refer to each other in a circle: {way} -> {name}"));
        }
        if self.path.len() >= DEPTH_MAX {
            return Err(format!("services are nested deeper than {DEPTH_MAX}"));
        }
        let known = self.dynamic.tcp.services.contains_key(name);
        self.service(name).map_err(|error| match known {
            true => format!("the service {name:?} is disabled"),
            false => error,
        })
    }
}

/// Whether a service's servers are talked to with that transport.
fn is_over(service: &TcpService, transport: &Arc<TcpTransport>) -> bool {
    match &service.kind {
        TcpKind::Servers(servers) => {
            servers.servers.iter().all(|s| Arc::ptr_eq(s.endpoint.transport(), transport))
        }
        TcpKind::Children(_) => false,
    }
}

/// Whether a service is made of those children.
fn is_of(service: &TcpService, children: &TcpChildren) -> bool {
    match &service.kind {
        TcpKind::Servers(_) => false,
        TcpKind::Children(before) => {
            before.services.len() == children.services.len()
                && before
                    .services
                    .iter()
                    .zip(&children.services)
                    .all(|((a, _), (b, _))| Arc::ptr_eq(a, b))
        }
    }
}

fn servers(
    name: &str,
    balancer: &TcpLoadBalancer,
    transport: &Arc<TcpTransport>,
) -> Result<TcpServers, String> {
    let mut servers = Vec::with_capacity(balancer.servers.len());
    for server in &balancer.servers {
        let encryption = if server.tls { Encryption::Tls } else { Encryption::None };
        let endpoint = TcpEndpoint::parse(&server.address, encryption, Arc::clone(transport));
        let endpoint = Arc::new(endpoint.map_err(|error| error.to_string())?);
        servers.push(TcpServer { endpoint, member: Arc::default() });
    }
    let check = match &balancer.health_check {
        Some(options) => Some(Arc::new(check(name, options, &servers)?)),
        None => None,
    };
    let turn = Arc::new(Turn::new(&vec![1; servers.len()]));
    Ok(TcpServers { servers, turn, check })
}

fn check(name: &str, options: &TcpHealthCheck, servers: &[TcpServer]) -> Result<TcpCheck, String> {
    let positive = |option: &str, given: GoDuration| -> Result<Duration, String> {
        given.limit().ok_or_else(|| format!("healthCheck.{option}: it must be above zero"))
    };
    let interval = positive("interval", options.interval)?;
    let plan = TcpPlan {
        send: options.send.clone().into_bytes(),
        expect: options.expect.clone().into_bytes(),
        interval,
        unhealthy_interval: match options.unhealthy_interval {
            Some(given) => positive("unhealthyInterval", given)?,
            None => interval,
        },
        timeout: positive("timeout", options.timeout)?,
    };
    let target = |server: &TcpServer| TcpTarget {
        address: Arc::clone(server.endpoint.address()),
        endpoint: match options.port {
            0 => Arc::clone(&server.endpoint),
            port => Arc::new(server.endpoint.at_port(port)),
        },
        member: Arc::clone(&server.member),
    };
    Ok(TcpCheck { service: name.into(), plan, targets: servers.iter().map(target).collect() })
}

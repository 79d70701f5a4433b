//! UDP routers and services. An entrypoint has one router: of several, Traefik takes the one whose
//! name comes last.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Resolved, names_of, one_kind, places};
use crate::compile::{Catalog, provider_of, qualify};
use crate::config::Transport;
use crate::model::{self, Dynamic, ElementStatus, StreamOutcome, StreamVerdict, Verdict};
use crate::service::{Turn, UdpKind, UdpService};
use crate::upstream::is_address;

/// Services kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<String, (Arc<model::UdpService>, Arc<UdpService>)>);

/// Services of services are nested down to this depth.
const DEPTH_MAX: usize = 32;

/// The service of each entrypoint, and what is told of all elements.
pub(super) fn compile(
    dynamic: &Dynamic,
    catalog: &Catalog,
    memory: &mut Memory,
) -> (Vec<Option<Arc<UdpService>>>, StreamOutcome) {
    let before = std::mem::take(&mut memory.0);
    let mut work = Work { dynamic, before, done: HashMap::new(), path: Vec::new() };
    let mut outcome = StreamOutcome::default();
    for (name, config) in &dynamic.udp.services {
        let verdict = match work.service(name) {
            Ok(service) => {
                memory.0.insert(name.clone(), (Arc::clone(config), service));
                Verdict::default()
            }
            Err(error) => Verdict::disabled(vec![error]),
        };
        let mut verdict = StreamVerdict::new(Arc::clone(config) as _, verdict);
        let servers = config.load_balancer.iter().flat_map(|balancer| &balancer.servers);
        verdict.servers = servers.map(|server| server.address.clone()).collect();
        outcome.services.insert(name.clone(), verdict);
    }
    let mut datagrams: Vec<Option<Arc<UdpService>>> = vec![None; catalog.entrypoints.len()];
    for (name, config) in dynamic.udp.routers.iter().rev() {
        let (mut verdict, places, service) = router(name, config, catalog, &mut work);
        for place in places {
            match datagrams.get_mut(place) {
                Some(taken @ None) => taken.clone_from(&service),
                Some(Some(_)) if verdict.verdict.status != ElementStatus::Disabled => {
                    let reason = "another router has one of its entryPoints".to_owned();
                    verdict.verdict = Verdict::live(vec![reason]);
                }
                _ => {}
            }
        }
        outcome.routers.insert(name.clone(), verdict);
    }
    (datagrams, outcome)
}

fn router(
    name: &str,
    config: &Arc<model::UdpRouter>,
    catalog: &Catalog,
    work: &mut Work<'_>,
) -> (StreamVerdict, Vec<usize>, Option<Arc<UdpService>>) {
    let mut resolved = Resolved::default();
    let places = places(&config.entry_points, catalog, Transport::Udp, |_| true, &mut resolved);
    let service_name = qualify(&config.service, provider_of(name));
    let service = match config.service.as_str() {
        "" => Err("the service is missing on the udp router".to_owned()),
        _ => work.service(&service_name),
    };
    let service = service.map_err(|error| resolved.errors.push(error)).ok();
    let verdict = StreamVerdict {
        using: names_of(&places, catalog),
        service: Some(service_name),
        ..StreamVerdict::new(Arc::clone(config) as _, resolved.verdict())
    };
    (verdict, places, service)
}

struct Work<'a> {
    dynamic: &'a Dynamic,
    before: HashMap<String, (Arc<model::UdpService>, Arc<UdpService>)>,
    done: HashMap<String, Result<Arc<UdpService>, String>>,
    /// Services that are being compiled, outermost first.
    path: Vec<String>,
}

impl Work<'_> {
    fn service(&mut self, name: &str) -> Result<Arc<UdpService>, String> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        if self.path.iter().any(|outer| outer == name) {
            let way = self.path.join(" -> ");
            return Err(format!("the services refer to each other in a circle: {way} -> {name}"));
        }
        if self.path.len() >= DEPTH_MAX {
            return Err(format!("services are nested deeper than {DEPTH_MAX}"));
        }
        let config = self.dynamic.udp.services.get(name);
        let config = config.ok_or_else(|| format!("the service {name:?} does not exist"))?;
        self.path.push(name.to_owned());
        let compiled = self.compile(name, config);
        self.path.pop();
        self.done.insert(name.to_owned(), compiled.clone());
        compiled
    }

    fn compile(
        &mut self,
        name: &str,
        config: &Arc<model::UdpService>,
    ) -> Result<Arc<UdpService>, String> {
        one_kind([config.load_balancer.is_some(), config.weighted.is_some()])?;
        let before = self.before.remove(name).filter(|(before, _)| before == config);
        let before = before.map(|(_, service)| service);
        let kind = match (&config.load_balancer, &config.weighted) {
            (_, Some(weighted)) => {
                let mut children = Vec::with_capacity(weighted.services.len());
                for child in &weighted.services {
                    children.push(self.service(&qualify(&child.name, provider_of(name)))?);
                }
                if let Some(before) = before.filter(|before| is_of(before, &children)) {
                    return Ok(before);
                }
                let weights = weighted.services.iter().map(|child| child.weight.unwrap_or(1));
                UdpKind::Children(children, Arc::new(Turn::new(&weights.collect::<Vec<_>>())))
            }
            (balancer, None) => {
                if let Some(before) = before {
                    return Ok(before);
                }
                let servers = balancer.iter().flat_map(|balancer| &balancer.servers);
                let address = |server: &model::UdpServer| match is_address(&server.address) {
                    true => Ok(server.address.as_str().into()),
                    false => {
                        let address = &server.address;
                        Err(format!("{address:?} is no address of a server: write it as host:port"))
                    }
                };
                let servers = servers.map(address).collect::<Result<Vec<Arc<str>>, _>>()?;
                let turn = Arc::new(Turn::new(&vec![1; servers.len()]));
                UdpKind::Servers(servers, turn)
            }
        };
        Ok(Arc::new(UdpService { name: name.into(), kind }))
    }
}

/// Whether a service is made of those children.
fn is_of(service: &UdpService, children: &[Arc<UdpService>]) -> bool {
    match &service.kind {
        UdpKind::Servers(..) => false,
        UdpKind::Children(before, _) => {
            before.len() == children.len()
                && before.iter().zip(children).all(|(a, b)| Arc::ptr_eq(a, b))
        }
    }
}

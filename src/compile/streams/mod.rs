//! TCP and UDP elements: services with their servers, routers with their rules.
//!
//! As with HTTP, a bad element is disabled and reported, and a service that is as it was keeps its
//! state.

mod routers;
mod services;
mod transports;
mod udp;

use std::sync::Arc;

use hashbrown::HashMap;

use super::middlewares::{self, Middlewares};
use super::{Catalog, EntrypointFacts, IsDefault};
use crate::config::Transport;
use crate::lua::{InstanceId, InstanceSpec};
use crate::model::{Dynamic, StreamOutcome, StreamVerdict, Verdict};
use crate::router::HostNames;
use crate::service::{TcpCheck, UdpService};
use crate::snapshot::{Infos, StreamTables, Tables};
use crate::tls::OptionSets;

/// What is kept from one generation to the next.
#[derive(Debug, Default)]
pub(super) struct Memory {
    routers: routers::Memory,
    services: services::Memory,
    middlewares: middlewares::Memory,
    udp: udp::Memory,
}

impl Memory {
    pub(super) fn note_failed(&mut self, failed: &HashMap<InstanceId, String>) {
        self.middlewares.failed.clone_from(failed);
    }

    pub(super) fn files_changed(&self) -> bool {
        self.middlewares.files_changed()
    }

    pub(super) fn confirm(&mut self) {
        self.middlewares.confirm();
    }
}

/// TCP and UDP of this generation.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) tables: Vec<Option<Arc<StreamTables>>>,
    pub(super) checks: Vec<Arc<TcpCheck>>,
    /// Scripts that routes use.
    pub(super) instances: Vec<Arc<InstanceSpec>>,
    pub(super) tcp: StreamOutcome,
    pub(super) datagrams: Vec<Option<Arc<UdpService>>>,
    pub(super) udp: StreamOutcome,
    /// What the scripts of TCP middlewares declare.
    pub(super) infos: Infos,
}

impl Streams {
    /// Compiles both; `http` are the tables of HTTP routers, which share entrypoints with TCP's.
    pub(super) fn compile(
        dynamic: &Dynamic,
        catalog: &Catalog,
        tls: &OptionSets,
        http: &[Tables],
        memory: &mut Memory,
    ) -> Self {
        let services = services::Services::compile(dynamic, catalog, &mut memory.services);
        let configured = &dynamic.tcp.middlewares;
        let scripts = &catalog.tcp_scripts;
        let middlewares = Middlewares::of(configured, scripts, &mut memory.middlewares);
        let work = routers::Work { catalog, services: &services, middlewares: &middlewares, tls };
        let routers = work.compile(dynamic, &mut memory.routers);
        let (datagrams, udp) = udp::compile(dynamic, catalog, &mut memory.udp);
        let tables = routers.tables.into_iter().enumerate().map(|(place, [plain, encrypted])| {
            if plain.is_empty() && encrypted.is_empty() {
                return None;
            }
            let https = http.get(place).map(|tables| &tables.encrypted);
            let https = https.filter(|table| !table.is_empty());
            let https = https.map(|table| HostNames::of(table));
            Some(Arc::new(StreamTables { plain, encrypted, https }))
        });
        let (mut verdicts, infos) = (middlewares.verdicts, middlewares.infos);
        let middlewares = configured.iter().map(|(name, config)| {
            let verdict = verdicts.remove(name).unwrap_or_default();
            (name.clone(), StreamVerdict::new(Arc::clone(config) as _, verdict))
        });
        let tcp = StreamOutcome {
            routers: routers.verdicts,
            services: services.verdicts,
            middlewares: middlewares.collect(),
        };
        let (tables, instances) = (tables.collect(), routers.instances);
        Self { tables, checks: services.checks, instances, tcp, datagrams, udp, infos }
    }
}

/// The places of the entrypoints a router is on, of those that take that kind of traffic.
fn places(
    wanted: &[String],
    catalog: &Catalog,
    transport: Transport,
    is_default: impl Fn(&EntrypointFacts) -> bool,
    resolved: &mut Resolved,
) -> Vec<usize> {
    let all = || {
        let all = catalog.entrypoints.iter().enumerate();
        all.filter(|(_, entrypoint)| entrypoint.transport == transport)
    };
    if wanted.is_empty() {
        return all().filter(|(_, e)| is_default(e)).map(|(place, _)| place).collect();
    }
    let mut places = Vec::new();
    for wanted in wanted {
        match all().find(|(_, entrypoint)| *entrypoint.name == **wanted) {
            Some((place, _)) if places.contains(&place) => {}
            Some((place, _)) => places.push(place),
            None => resolved.warnings.push(format!("entryPoint {wanted:?} doesn't exist")),
        }
    }
    if places.is_empty() {
        resolved.errors.push("no valid entryPoint for this router".to_owned());
    }
    places
}

fn is_default(entrypoint: &EntrypointFacts) -> bool {
    entrypoint.default == IsDefault::Yes
}

fn names_of(places: &[usize], catalog: &Catalog) -> Vec<Arc<str>> {
    let name = |place: &usize| catalog.entrypoints.get(*place).map(|e| Arc::clone(&e.name));
    places.iter().filter_map(name).collect()
}

/// What is found out about an element while it is put together.
#[derive(Debug, Default)]
struct Resolved {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Resolved {
    fn verdict(mut self) -> Verdict {
        if self.errors.is_empty() {
            return Verdict::live(self.warnings);
        }
        self.errors.append(&mut self.warnings);
        Verdict::disabled(self.errors)
    }
}

/// The number of kinds that a service has must be one.
fn one_kind(kinds: [bool; 2]) -> Result<(), String> {
    match kinds {
        [true, true] => Err("a service can have one kind only, this one has several".to_owned()),
        [false, false] => Err("the service has no kind".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

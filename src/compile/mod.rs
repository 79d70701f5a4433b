//! The dynamic configuration becomes a snapshot.
//!
//! Pure: no socket, no task, no Lua but what a script declares, which the catalogue has read
//! already. Never fails as a whole: a bad element is disabled and reported, its neighbours work.

mod answers;
mod catalog;
mod held;
mod middlewares;
mod resolvers;
mod routers;
mod scripts;
mod services;
mod streams;
mod timeouts;
mod tls;
mod transports;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::lua::InstanceId;
use crate::model::{Dynamic, Outcome};
use crate::snapshot::Snapshot;
use crate::tls::{CertStore, OptionSets};

pub use answers::check_answers;
pub use middlewares::structure;
pub use scripts::is_path;
pub use timeouts::timeouts;

pub use catalog::{
    Catalog, DisabledRouters, EntrypointFacts, IsDefault, Kinds, Known, ResolverFacts, RouterRules,
    Script, Scripts, Wildcards,
};
pub use held::Stamp;

use middlewares::Middlewares;
use routers::{Parts, Routers};
use services::Services;
use streams::Streams;

/// What is kept from one generation to the next, so that an unchanged element costs little and
/// keeps its state: parsed rules, services with their place in the weighted order, reports.
#[derive(Debug, Default)]
pub struct Memory {
    number: u64,
    routers: routers::Memory,
    services: services::Memory,
    middlewares: middlewares::Memory,
    streams: streams::Memory,
    answers: answers::Memory,
    scripts: scripts::Named,
    resolvers: resolvers::Memory,
    certificates: Option<Arc<CertStore>>,
    options: Option<OptionSets>,
}

impl Memory {
    /// Notes script instances that could not be loaded: the next compilation uses the script's
    /// last good version, or disables its routers.
    pub fn note_failed(&mut self, failed: HashMap<InstanceId, String>) {
        self.streams.note_failed(&failed);
        self.scripts.failed.clone_from(&failed);
        self.middlewares.failed = failed;
    }

    /// Whether a file that a middleware's options name is no longer what it was.
    #[must_use]
    pub fn files_changed(&self) -> bool {
        self.middlewares.files_changed()
            || self.streams.files_changed()
            || self.answers.files_changed()
    }

    /// Notes that what was compiled last is served.
    pub fn confirm(&mut self) {
        self.middlewares.confirm();
        self.scripts.confirm();
        self.streams.confirm();
    }
}

/// Compiles a configuration whose names end in `@provider`.
#[must_use]
pub fn compile(dynamic: &Dynamic, catalog: &Catalog, memory: &mut Memory) -> Snapshot {
    memory.number += 1;
    let (certificates, mut findings) = CertStore::of(&dynamic.tls, memory.certificates.as_deref());
    let certificates = Arc::new(certificates);
    memory.scripts.begin();
    let (broken, remarks) = tls::scripts(&dynamic.tls, catalog, &mut memory.scripts);
    findings.extend(remarks);
    let (options, unusable) =
        OptionSets::build(&dynamic.tls, &certificates, memory.options.as_ref(), &broken);
    findings.extend(unusable);

    let mut middlewares = Middlewares::compile(dynamic, catalog, &mut memory.middlewares);
    let services = services::Parts { catalog, middlewares: &middlewares };
    let services = Services::compile(dynamic, services, &mut memory.scripts, &mut memory.services);
    middlewares.judge(&services);
    let parts = Parts { catalog, services: &services, middlewares: &middlewares, tls: &options };
    let routers = Routers::compile(dynamic, &parts, &mut memory.scripts, &mut memory.routers);
    findings.extend(routers.remarks);
    let (wanted, unknown) = resolvers::compile(dynamic, catalog, &mut memory.resolvers);
    findings.extend(unknown);
    let (pages, faults) = answers::compile(catalog, &mut memory.answers);
    findings.extend(faults);
    let mut tables = routers.tables;
    for (tables, pages) in tables.iter_mut().zip(&pages) {
        tables.answers = Arc::clone(&pages.answers);
    }
    let pages = pages.into_iter().flat_map(|pages| pages.instances);
    let named = memory.scripts.all().map(|(_, spec)| Arc::clone(spec));
    let streams = Streams::compile(dynamic, catalog, &options, &tables, &mut memory.streams);
    memory.certificates = Some(Arc::clone(&certificates));
    memory.options = Some(options);
    let mut internals: Vec<_> = catalog.internals.keys().cloned().collect();
    internals.sort();
    let outcome = Outcome {
        routers: routers.verdicts,
        services: dynamic.http.services.clone(),
        service_verdicts: services.verdicts,
        service_health: services.health,
        internals,
        middlewares: dynamic.http.middlewares.clone(),
        middleware_verdicts: middlewares.verdicts,
        tcp: streams.tcp,
        udp: streams.udp,
        findings,
    };
    Snapshot {
        number: memory.number,
        entrypoints: tables,
        streams: streams.tables,
        datagrams: streams.datagrams,
        tcp_checks: streams.checks,
        services: services.live,
        instances: routers
            .instances
            .into_iter()
            .chain(streams.instances)
            .chain(pages)
            .chain(named)
            .collect(),
        scripts: memory.scripts.all().map(|(name, spec)| (Arc::clone(name), spec.id)).collect(),
        certificates,
        wanted: wanted.into(),
        infos: [middlewares.infos, streams.infos],
        outcome: Arc::new(outcome),
    }
}

/// The name with its provider: `name` means the provider of the element that refers to it.
fn qualify(name: &str, provider: &str) -> String {
    if name.contains('@') { name.to_owned() } else { format!("{name}@{provider}") }
}

/// The provider of a qualified name.
fn provider_of(name: &str) -> &str {
    name.rsplit_once('@').map_or("", |(_, provider)| provider)
}

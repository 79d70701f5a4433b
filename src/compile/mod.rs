//! The dynamic configuration becomes a snapshot.
//!
//! Pure: no socket, no task, no Lua but what a script declares, which the catalogue has read
//! already. Never fails as a whole: a bad element is disabled and reported, its neighbours work.

mod catalog;
mod held;
mod limits;
mod middlewares;
mod routers;
mod services;
mod transports;

use std::sync::Arc;

use hashbrown::HashMap;

use crate::lua::InstanceId;
use crate::model::{Diagnostic, Dynamic, Outcome};
use crate::snapshot::Snapshot;
use crate::tls::CertStore;

pub use middlewares::structure;

pub use catalog::{
    Catalog, DisabledRouters, EntrypointFacts, IsDefault, RouterRules, Script, Scripts,
};
pub use held::Stamp;

use middlewares::Middlewares;
use routers::Routers;
use services::Services;

/// What is kept from one generation to the next, so that an unchanged element costs little and
/// keeps its state: parsed rules, services with their place in the weighted order, reports.
#[derive(Debug, Default)]
pub struct Memory {
    number: u64,
    routers: routers::Memory,
    services: services::Memory,
    middlewares: middlewares::Memory,
    certificates: Option<Arc<CertStore>>,
}

impl Memory {
    /// Notes script instances that could not be loaded: the next compilation uses the script's
    /// last good version, or disables its routers.
    pub fn note_failed(&mut self, failed: HashMap<InstanceId, String>) {
        self.middlewares.failed = failed;
    }

    /// Whether a file that a middleware's options name is no longer what it was.
    #[must_use]
    pub fn files_changed(&self) -> bool {
        self.middlewares.files_changed()
    }

    /// Notes that what was compiled last is served.
    pub fn confirm(&mut self) {
        self.middlewares.confirm();
    }
}

/// Compiles a configuration whose names end in `@provider`.
#[must_use]
pub fn compile(dynamic: &Dynamic, catalog: &Catalog, memory: &mut Memory) -> Snapshot {
    memory.number += 1;
    let mut findings = unsupported_sections(dynamic);
    let (certificates, broken) = CertStore::of(&dynamic.tls, memory.certificates.as_deref());
    findings.extend(broken);
    let certificates = Arc::new(certificates);
    memory.certificates = Some(Arc::clone(&certificates));

    let mut middlewares = Middlewares::compile(dynamic, catalog, &mut memory.middlewares);
    let services = Services::compile(dynamic, catalog, &middlewares, &mut memory.services);
    middlewares.judge(&services);
    let routers = Routers::compile(dynamic, catalog, &services, &middlewares, &mut memory.routers);
    findings.extend(routers.remarks);
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
        findings,
    };
    Snapshot {
        number: memory.number,
        entrypoints: routers.tables,
        services: services.live,
        instances: routers.instances,
        certificates,
        outcome: Arc::new(outcome),
    }
}

/// Sections that Traefik knows and that are not built yet.
fn unsupported_sections(dynamic: &Dynamic) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (kind, sections) in [("tcp", &dynamic.tcp), ("udp", &dynamic.udp)] {
        for (section, elements) in sections {
            findings.extend(elements.keys().map(|name| {
                let reason = format!("{kind} routing is not supported yet");
                Diagnostic::error(format!("{kind}.{section}.{name}"), reason)
            }));
        }
    }
    for name in dynamic.tls.options.keys() {
        let reason = "TLS options are not supported yet";
        findings.push(Diagnostic::error(format!("tls.options.{name}"), reason));
    }
    findings
}

/// The name with its provider: `name` means the provider of the element that refers to it.
fn qualify(name: &str, provider: &str) -> String {
    if name.contains('@') { name.to_owned() } else { format!("{name}@{provider}") }
}

/// The provider of a qualified name.
fn provider_of(name: &str) -> &str {
    name.rsplit_once('@').map_or("", |(_, provider)| provider)
}

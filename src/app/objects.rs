//! Checks of Kubernetes objects without a cluster: what `check` and the webhook do.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::catalog::{Internals, catalog};
use super::providers::kubernetes;
use super::resolvers::Resolvers;
use super::{StartError, api, internal, ping, records, script_files};
use crate::api::Sources;
use crate::compile::{Catalog, EntrypointFacts, IsDefault, Memory, compile};
use crate::config::{Answers, Static, Transport};
use crate::message::{Observed, Timeouts};
use crate::model::{Diagnostic, Dynamic, Severity, merge};
use crate::provider::{Kubernetes, Manifest, Message, Update};
use crate::reconcile::ScriptFiles;

/// Checks objects by a static configuration.
#[derive(Debug)]
pub struct Objects {
    catalog: Catalog,
    scripts: Mutex<ScriptFiles>,
    kubernetes: Kubernetes,
    internal: Update,
    entrypoints: Entrypoints,
}

/// Which entrypoints objects may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entrypoints {
    /// Those of the configuration.
    Configured,
    /// Any: the configuration has none of its own.
    Any,
}

/// What is wrong with objects.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Findings, errors first.
    pub findings: Vec<Diagnostic>,
    /// How many objects were looked at.
    pub count: usize,
}

impl Objects {
    /// Reads scripts. Where the configuration has no entrypoints of its own, objects may name any,
    /// and all services of Moongate's own are there.
    ///
    /// # Errors
    /// When user scripts cannot be read or the built-in configuration is wrong.
    pub fn new(mut plan: Static) -> Result<Self, StartError> {
        let is_bare = plan.entrypoints.iter().all(|e| DEFAULTS.contains(&e.name.as_str()));
        if is_bare {
            plan.api.get_or_insert_default();
            plan.ping.get_or_insert_default();
        }
        let api = api(&plan, &[], Sources::default());
        let mut more = vec![Resolvers::stand_in()];
        if is_bare || records::prometheus(&plan).is_some() {
            more.push(records::stand_in());
        }
        let internals = Internals { api, ping: ping(&plan)?, more, ..Internals::default() };
        let catalog = catalog(&plan, internals)?;
        let internal = match internal(&plan)? {
            Message::Update(update) => update,
            Message::Rejected { provider, .. } => Update::new(&provider, Arc::default()),
        };
        let scripts = script_files(&plan)?;
        let kubernetes = kubernetes(&plan, &scripts.kinds());
        let entrypoints = if is_bare { Entrypoints::Any } else { Entrypoints::Configured };
        let scripts = Mutex::new(scripts);
        Ok(Self { catalog, scripts, kubernetes, internal, entrypoints })
    }

    /// What objects become. What they refer to and is not among them is stood in for.
    #[must_use]
    pub fn written(&self, manifests: &[Manifest]) -> Vec<Update> {
        self.kubernetes.written(manifests).updates
    }

    /// Checks objects. What they refer to and is not among them is taken to be there.
    #[must_use]
    pub fn check(&self, manifests: &[Manifest]) -> Checked {
        let written = self.kubernetes.written(manifests);
        let mut findings = written.findings.clone();
        let parts = || [&self.internal].into_iter().chain(&written.updates);
        let dynamic = merge(parts().map(|part| (&*part.provider, &*part.dynamic)));
        let mut catalog = self.catalog.clone();
        if self.entrypoints == Entrypoints::Any {
            open(&dynamic, &mut catalog);
        }
        self.scripts.lock().load(&dynamic, &mut catalog);
        let mut compiled =
            compile(&dynamic, &catalog, &mut Memory::default()).outcome.diagnostics();
        for part in &written.updates {
            findings.extend(part.diagnostics.iter().cloned());
            part.locate(&mut compiled);
        }
        // The others are about elements of the configuration, or stand for what is not there.
        findings.extend(compiled.into_iter().filter(|finding| finding.source.is_some()));
        let mut seen = BTreeSet::new();
        for finding in &mut findings {
            written.locate(finding);
        }
        findings.retain(|finding| seen.insert(finding.to_string()));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Checked { findings, count: written.count }
    }
}

impl Checked {
    /// What keeps the objects from being used.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Error)
    }
}

/// The entrypoints of a configuration that names none.
const DEFAULTS: [&str; 2] = ["http", "traefik"];

/// Lets routers name any entrypoint.
fn open(dynamic: &Dynamic, catalog: &mut Catalog) {
    let http = dynamic.http.routers.values().flat_map(|router| &router.entry_points);
    let tcp = dynamic.tcp.routers.values().flat_map(|router| &router.entry_points);
    let udp = dynamic.udp.routers.values().flat_map(|router| &router.entry_points);
    let streams = http.chain(tcp).map(|name| (name, Transport::Tcp));
    for (name, transport) in streams.chain(udp.map(|name| (name, Transport::Udp))) {
        if !catalog.entrypoints.iter().any(|known| *known.name == **name) {
            catalog.entrypoints.push(EntrypointFacts {
                name: name.as_str().into(),
                transport,
                default: IsDefault::No,
                middlewares: Vec::new(),
                tls: None,
                observed: Observed::default(),
                is_model: false,
                answers: Answers::default(),
                timeouts: Timeouts::default(),
            });
        }
    }
}

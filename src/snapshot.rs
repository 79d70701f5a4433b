//! One immutable generation of everything a request needs.
//!
//! Workers hold the generation they serve; the control plane holds the live one and drops old
//! ones, since dropping tens of thousands of routes takes milliseconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::lua::{InstanceId, InstanceSpec, ScriptInfo};
use crate::message::{Crossed, Observed, Timeouts};
use crate::model::{Diagnostic, Outcome};
use crate::router::{HostNames, Table, TcpTable};
use crate::service::{Service, TcpCheck, TcpService, UdpService};
use crate::tls::{CertStore, Hosts, ServerOptions};

pub use answers::{Answers, Content, Page};

mod answers;

/// One generation.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Counts up; never used twice.
    pub number: u64,
    /// Tables by the entrypoints' order.
    pub entrypoints: Vec<Tables>,
    /// TCP routers by the entrypoints' order; none where an entrypoint has none.
    pub streams: Vec<Option<Arc<StreamTables>>>,
    /// UDP services by the entrypoints' order.
    pub datagrams: Vec<Option<Arc<UdpService>>>,
    /// Health checks of TCP services.
    pub tcp_checks: Vec<Arc<TcpCheck>>,
    /// Services by name with provider.
    pub services: HashMap<Arc<str>, Arc<Service>>,
    /// Scripts that routes use, each once.
    pub instances: Vec<Arc<InstanceSpec>>,
    /// Scripts of rules and services, as these name them.
    pub scripts: HashMap<Arc<str>, InstanceId>,
    /// All certificates.
    pub certificates: Arc<CertStore>,
    /// Certificates that routers want of resolvers.
    pub wanted: Arc<[Wanted]>,
    /// What the scripts of middlewares declare: of HTTP's, and of TCP's.
    pub infos: [Infos; 2],
    /// What became of each element.
    pub outcome: Arc<Outcome>,
}

/// The names of one certificate that a resolver is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The resolver.
    pub resolver: Arc<str>,
    /// Who wants it: a router, `name@provider`, or the store of default certificates.
    pub by: Arc<str>,
    /// The names, the main one first, in lower case and without a last dot.
    pub names: Arc<[String]>,
}
/// What scripts declare, by the middleware that they are the scripts of.
pub type Infos = HashMap<String, Arc<ScriptInfo>>;

/// The routers of one entrypoint.
#[derive(Debug)]
pub struct Tables {
    /// For plain connections.
    pub plain: Arc<Table<Arc<Route>>>,
    /// For encrypted connections.
    pub encrypted: Arc<Table<Arc<Route>>>,
    /// TLS options by server name.
    pub tls: Arc<Hosts>,
    /// Pages in the place of plain answers.
    pub answers: Arc<Answers>,
}

/// The TCP routers of one entrypoint.
#[derive(Debug)]
pub struct StreamTables {
    /// Those without TLS.
    pub plain: TcpTable<Arc<StreamRoute>>,
    /// Those with TLS.
    pub encrypted: TcpTable<Arc<StreamRoute>>,
    /// The hosts that the entrypoint's HTTPS routers name; none without such routers.
    pub https: Option<HostNames>,
}

/// What a TCP router does with a connection.
#[derive(Debug)]
pub struct StreamRoute {
    /// The router, `name@provider`.
    pub name: Arc<str>,
    /// Where its TLS ends.
    pub tls: TlsEnd,
    /// Its scripts, in the order of the connection.
    pub steps: Arc<[InstanceId]>,
    /// Its service.
    pub service: Arc<TcpService>,
}

/// Where the TLS of a connection ends.
#[derive(Debug, Clone)]
pub enum TlsEnd {
    /// Here, under these options.
    Here(Arc<ServerOptions>),
    /// At the server, if there is TLS at all.
    Server,
}

/// What a router does with a request.
#[derive(Debug)]
pub struct Route {
    /// The router, `name@provider`.
    pub name: Arc<str>,
    /// Its scripts, in the order of the request.
    pub steps: Arc<[InstanceId]>,
    /// What stands behind the scripts.
    pub target: Target,
    /// What is recorded of its requests.
    pub observed: Observed,
    /// How metrics name it.
    pub crossed: Arc<Crossed>,
    /// Limits of waiting; below parents, what goes before theirs.
    pub timeouts: Timeouts,
    /// The name of the TLS options that its connections must have; none for plain connections
    /// and below parents.
    pub tls: Option<Arc<str>>,
}

/// What stands behind a route's scripts.
#[derive(Debug, Clone)]
pub enum Target {
    /// A service.
    Service(Arc<Service>),
    /// The router's children, whose rules see the request as the scripts left it.
    Children(Arc<Table<Arc<Route>>>),
    /// Nothing: the router is disabled, and answers for its rule.
    Refused,
}

impl Target {
    /// Whether both are the very same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Service(a), Self::Service(b)) => Arc::ptr_eq(a, b),
            (Self::Children(a), Self::Children(b)) => Arc::ptr_eq(a, b),
            (Self::Refused, Self::Refused) => true,
            _ => false,
        }
    }
}

/// What is served now, for the control plane's readers.
#[derive(Debug, Default)]
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
    /// What providers have said, by provider.
    providers: Mutex<BTreeMap<String, ProviderState>>,
    /// Findings about what is served, with their sources.
    findings: ArcSwap<Vec<Diagnostic>>,
}

/// What a provider has said.
#[derive(Debug, Clone, Default)]
pub struct ProviderState {
    /// When it said last what is to be served.
    pub updated: Option<SystemTime>,
    /// How many elements that has.
    pub elements: usize,
    /// When it found last what cannot be used, as long as it is so.
    pub rejected: Option<SystemTime>,
    /// What it could not read, as long as it is so.
    pub findings: Vec<Diagnostic>,
}

impl Live {
    /// What is served now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Publishes a snapshot and returns the one before.
    pub fn publish(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        self.snapshot.swap(snapshot)
    }

    /// Findings about what is served, with their sources.
    #[must_use]
    pub fn findings(&self) -> Arc<Vec<Diagnostic>> {
        self.findings.load_full()
    }

    /// Notes what is found of what is served.
    pub fn note_findings(&self, findings: Arc<Vec<Diagnostic>>) {
        self.findings.store(findings);
    }

    /// What providers have said, by name.
    #[must_use]
    pub fn providers(&self) -> BTreeMap<String, ProviderState> {
        self.providers.lock().clone()
    }

    /// Notes a provider's configuration, with what it could not read of it.
    pub fn note_update(&self, provider: &str, elements: usize, findings: Vec<Diagnostic>) {
        let updated = Some(SystemTime::now());
        let state = ProviderState { updated, elements, rejected: None, findings };
        self.providers.lock().insert(provider.to_owned(), state);
    }

    /// Notes that a provider has found what cannot be used; its last configuration stays.
    pub fn note_rejected(&self, provider: &str, findings: Vec<Diagnostic>) {
        let mut providers = self.providers.lock();
        let state = providers.entry(provider.to_owned()).or_default();
        state.rejected = Some(SystemTime::now());
        state.findings = findings;
    }
}

//! A session: the configuration as it is typed, and a Moongate of its own that serves it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use super::client::{Reply, send};
use super::collect::{Collector, Seen, is_probe};
use super::diff::{Step, steps};
use super::import::SECTIONS;
use super::send::Sending;
use super::{Options, ReplError};
use crate::app::{App, Objects, echo};
use crate::config::{
    EntryPoint, Metrics, Prometheus, Providers, ProxyProtocol, Root, Static, Transport,
};
use crate::explain::{Decision, Question, World};
use crate::lua::Console;
use crate::model::{Diagnostic, Dynamic, Severity};
use crate::provider::{Message, Update};
use crate::snapshot::Snapshot;
use crate::value::{GoDuration, decode, nearest};

/// The provider of all elements: what is saved means the same in a file.
const PROVIDER: &str = "file";
/// How long a change may take.
const APPLY_LIMIT: Duration = Duration::from_secs(30);

/// A session.
pub struct Session {
    runtime: Runtime,
    root: Root,
    pub(super) json: bool,
    /// The configuration as it was typed.
    pub(super) document: Value,
    served: Option<Dynamic>,
    app: Option<App>,
    collector: Collector,
    /// Servers of the session, by name.
    pub(super) servers: BTreeMap<String, SocketAddr>,
    pub(super) jar: BTreeMap<String, String>,
    pub(super) last: Option<Exchange>,
    console: Option<Console>,
    told: BTreeSet<String>,
}

/// A request and what became of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange {
    pub(super) sending: Sending,
    pub(super) reply: Reply,
    pub(super) router: Option<String>,
    pub(super) service: Option<String>,
    pub(super) server: Option<String>,
    pub(super) steps: Vec<Step>,
    /// Of requests that were sent many times: answers by server and by status.
    pub(super) servers: BTreeMap<String, usize>,
    pub(super) statuses: BTreeMap<u16, usize>,
    pub(super) took: Vec<Duration>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("document", &self.document).finish_non_exhaustive()
    }
}

impl Session {
    /// An empty session. Nothing listens before it is needed.
    ///
    /// # Errors
    /// When no thread or no port is to be had.
    pub fn new(options: Options) -> Result<Self, ReplError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut root = options.root;
        if root.entry_points.is_empty() {
            let usual = ["web", "websecure"].map(|name| (name.to_owned(), EntryPoint::default()));
            root.entry_points.extend(usual);
        }
        Ok(Self {
            runtime,
            root,
            json: options.json,
            document: Value::Object(Map::new()),
            served: None,
            app: None,
            collector: Collector::start()?,
            servers: BTreeMap::new(),
            jar: BTreeMap::new(),
            last: None,
            console: None,
            told: BTreeSet::new(),
        })
    }

    /// Changes the configuration and serves it; what is newly wrong with it. A configuration that
    /// cannot be read leaves all as it was.
    pub(super) fn change(
        &mut self,
        change: impl FnOnce(&mut Value),
    ) -> Result<Vec<Diagnostic>, ReplError> {
        let before = self.document.clone();
        change(&mut self.document);
        let applied = self.apply();
        if applied.is_err() {
            self.document = before;
        }
        applied
    }

    /// Puts an element in, or takes it out; a middleware that cannot be used stays out.
    pub(super) fn put(
        &mut self,
        kind: &'static str,
        name: &str,
        element: Option<Value>,
    ) -> Result<Vec<Diagnostic>, ReplError> {
        let before = self.document.clone();
        let findings = self.change(|document| match element {
            Some(element) => document["http"][kind][name] = element,
            None => {
                if let Some(elements) = document["http"][kind].as_object_mut() {
                    elements.remove(name);
                }
            }
        })?;
        let path = format!("http.{kind}.{name}@{PROVIDER}");
        let is_bad = |found: &&Diagnostic| {
            kind == "middlewares" && found.severity == Severity::Error && found.path == path
        };
        if let Some(found) = findings.iter().find(is_bad) {
            let reason = found.reason.clone();
            self.told.remove(&found.to_string());
            self.document = before;
            self.apply()?;
            return Err(ReplError::Element(format!("{name}: {reason}")));
        }
        Ok(findings)
    }

    /// Serves what is written down; findings that were not told before.
    fn apply(&mut self) -> Result<Vec<Diagnostic>, ReplError> {
        let dynamic: Dynamic =
            decode(&self.document).map_err(|error| ReplError::Element(error.to_string()))?;
        let missing = self.missing_entrypoints(&dynamic);
        if !missing.is_empty() || self.app.is_none() {
            self.root.entry_points.extend(missing);
            self.restart()?;
        }
        if self.served.as_ref() != Some(&dynamic) {
            self.provide(&dynamic)?;
            self.served = Some(dynamic);
        }
        let found = self.snapshot().map(|snapshot| snapshot.outcome.diagnostics());
        let found = found.unwrap_or_default();
        let told: BTreeSet<String> = found.iter().map(ToString::to_string).collect();
        let new = found.into_iter().filter(|finding| !self.told.contains(&finding.to_string()));
        let new = new.collect();
        self.told = told;
        Ok(new)
    }

    fn provide(&self, dynamic: &Dynamic) -> Result<(), ReplError> {
        let Some(app) = &self.app else { return Ok(()) };
        let mut applied = app.findings();
        applied.mark_unchanged();
        let update = Update::new(PROVIDER, Arc::new(self.collector.watch(dynamic)));
        app.provide(Message::Update(update));
        self.runtime.block_on(async {
            let applied = tokio::time::timeout(APPLY_LIMIT, applied.changed()).await;
            applied.is_ok().then_some(()).ok_or(ReplError::Late(APPLY_LIMIT))
        })
    }

    /// Entrypoints that routers name and that there are not.
    fn missing_entrypoints(&self, dynamic: &Dynamic) -> BTreeMap<String, EntryPoint> {
        let http = dynamic.http.routers.values().flat_map(|router| &router.entry_points);
        let tcp = dynamic.tcp.routers.values().flat_map(|router| &router.entry_points);
        let udp = dynamic.udp.routers.values().flat_map(|router| &router.entry_points);
        let at =
            |address: &str| EntryPoint { address: address.to_owned(), ..EntryPoint::default() };
        let streams = http.chain(tcp).map(|name| (name, ""));
        // One that both name is of streams.
        let all = udp.map(|name| (name, ":0/udp")).chain(streams);
        let missing = all.filter(|(name, _)| !self.root.entry_points.contains_key(*name));
        missing.map(|(name, address)| (name.clone(), at(address))).collect()
    }

    /// Starts anew, with all entrypoints on free ports of the loopback address.
    fn restart(&mut self) -> Result<(), ReplError> {
        if let Some(app) = self.app.take() {
            self.runtime.block_on(app.stop());
        }
        self.served = None;
        let plan = Static::resolve(self.local_root(), 1)?;
        self.app = Some(self.runtime.block_on(App::start(plan, None))?);
        Ok(())
    }

    /// The static configuration of the Moongate of this session.
    fn local_root(&self) -> Root {
        let mut root = self.root.clone();
        for entrypoint in root.entry_points.values_mut() {
            let udp = if entrypoint.address.ends_with("/udp") { "/udp" } else { "" };
            entrypoint.address = format!("127.0.0.1:0{udp}");
            entrypoint.http3 = None;
            let believed = ProxyProtocol { insecure: true, ..ProxyProtocol::default() };
            entrypoint.proxy_protocol = udp.is_empty().then_some(believed);
        }
        root.providers = Providers {
            providers_throttle_duration: GoDuration::ZERO,
            precedence: root.providers.precedence,
            ..Providers::default()
        };
        // What leaves the machine, or needs a port of its own, is not part of a prototype.
        (root.access_log, root.tracing) = (None, None);
        root.restart.socket = String::new();
        root.certificates_resolvers.clear();
        // Routers of an instance, or of a file without its static configuration, name them.
        root.api.get_or_insert_default().insecure = false;
        root.ping.get_or_insert_default().manual_routing = true;
        let prometheus = Prometheus { manual_routing: true, ..Prometheus::default() };
        root.metrics = Some(Metrics { prometheus: Some(prometheus), ..Metrics::default() });
        root
    }

    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        Some(self.app.as_ref()?.live().snapshot())
    }

    /// Sends a request as often as it says.
    pub(super) fn send(&mut self, sending: Sending) -> Result<&Exchange, ReplError> {
        self.apply()?;
        let (_, to) = self.door(&sending)?;
        let mut exchange = Exchange { sending, ..Exchange::default() };
        for _ in 0..exchange.sending.times {
            self.once(to, &mut exchange)?;
        }
        Ok(self.last.insert(exchange))
    }

    /// Which router takes a request and why, and why the others do not.
    pub(super) fn decisions(&mut self, sending: &Sending) -> Result<Vec<Decision>, ReplError> {
        self.apply()?;
        let (entrypoint, _) = self.door(sending)?;
        let Some(app) = &self.app else { return Ok(Vec::new()) };
        let ask = &sending.ask;
        let question = Question {
            method: ask.method.clone(),
            url: sending.url.clone(),
            headers: ask.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect(),
            client: ask.client,
            entry_point: Some(entrypoint.to_string()),
            server_name: None,
        };
        let (snapshot, entrypoints) = (app.live().snapshot(), &app.plan().entrypoints);
        let world = World { snapshot: &snapshot, entrypoints };
        Ok(world.explain(&question)?.decisions)
    }

    fn once(&mut self, to: SocketAddr, exchange: &mut Exchange) -> Result<(), ReplError> {
        let mut ask = exchange.sending.ask.clone();
        if exchange.sending.jar && !self.jar.is_empty() {
            let cookies = self.jar.iter().map(|(name, value)| format!("{name}={value}"));
            let cookies = cookies.collect::<Vec<_>>().join("; ");
            ask.headers.push(("Cookie".to_owned(), cookies));
        }
        let reply = self.runtime.block_on(send(to, &ask))?;
        if exchange.sending.jar {
            self.keep_cookies(&reply);
        }
        let seen = self.collector.take();
        let text = |pick: fn(&Seen) -> Option<&String>| {
            seen.iter().find_map(pick).filter(|text| !text.is_empty() && *text != "-").cloned()
        };
        exchange.router = text(|seen| seen.router.as_ref());
        exchange.service = text(|seen| seen.service.as_ref());
        exchange.server = text(|seen| seen.server.as_ref()).map(|url| self.server_name(&url));
        exchange.steps = steps(&self.middlewares_of(exchange.router.as_deref()), &seen);
        let server = exchange.server.clone().unwrap_or_else(|| "none".to_owned());
        *exchange.servers.entry(server).or_default() += 1;
        *exchange.statuses.entry(reply.status).or_default() += 1;
        exchange.took.push(reply.took);
        exchange.reply = reply;
        Ok(())
    }

    fn keep_cookies(&mut self, reply: &Reply) {
        for (name, value) in &reply.headers {
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().and_then(|c| c.split_once('='))
            {
                self.jar.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }

    /// A server of the session by its name, any other by its URL.
    pub(super) fn server_name(&self, url: &str) -> String {
        let ours = self.servers.iter().find(|(_, at)| url.ends_with(&at.to_string()));
        ours.map_or_else(|| url.to_owned(), |(name, _)| name.clone())
    }

    /// The middlewares that a router names, as they were typed.
    fn middlewares_of(&self, router: Option<&str>) -> Vec<String> {
        let name = router.map(|name| name.split(" -> ").next().unwrap_or_default());
        let name = name.and_then(|name| name.strip_suffix(&format!("@{PROVIDER}")));
        let router = name.and_then(|name| self.served.as_ref()?.http.routers.get(name));
        router.map(|router| router.middlewares.clone()).unwrap_or_default()
    }

    /// Where a request is sent: the entrypoint it names, the one that has the URL's port in the
    /// configuration, else the first that has routers for such connections.
    fn door(&self, sending: &Sending) -> Result<(Arc<str>, SocketAddr), ReplError> {
        let Some(app) = &self.app else { return Err(ReplError::Late(Duration::ZERO)) };
        let at = |name: &str| app.addresses().iter().find(|(other, _)| &**other == name).cloned();
        let names = || app.addresses().iter().map(|(name, _)| &**name);
        if let Some(name) = &sending.entrypoint {
            let nearest = nearest(name, names()).map(str::to_owned);
            let missing = ReplError::Missing { kind: "entrypoint", name: name.clone(), nearest };
            return at(name).ok_or(missing);
        }
        let is_tls = sending.ask.scheme == "https";
        let port = sending.ask.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let port: u16 = port.unwrap_or(if is_tls { 443 } else { 80 });
        let tcp = app.plan().entrypoints.iter().enumerate();
        let tcp = tcp.filter(|(_, plan)| plan.address.transport == Transport::Tcp);
        let has_port = |name: &str| {
            let entrypoint = self.root.entry_points.get(name);
            entrypoint
                .is_some_and(|e| e.address.trim_end_matches("/tcp").ends_with(&format!(":{port}")))
        };
        let snapshot = app.live().snapshot();
        let serves = |place: usize| {
            let tables = snapshot.entrypoints.get(place);
            let table = tables.map(|t| if is_tls { &t.encrypted } else { &t.plain });
            table.is_some_and(|table| !table.is_empty())
        };
        let by_port = tcp.clone().find(|(_, plan)| has_port(&plan.name));
        let found = by_port.or_else(|| tcp.clone().find(|(place, _)| serves(*place)));
        let found = found.or_else(|| tcp.clone().next());
        found.and_then(|(_, plan)| at(&plan.name)).ok_or_else(|| ReplError::Missing {
            kind: "entrypoint",
            name: port.to_string(),
            nearest: None,
        })
    }

    /// A server that answers with what it got, on a free port; the same for the same name.
    pub(super) fn server(&mut self, name: &str) -> Result<SocketAddr, ReplError> {
        if let Some(at) = self.servers.get(name) {
            return Ok(*at);
        }
        let at = echo::start(name.to_owned(), None)?;
        self.servers.insert(name.to_owned(), at);
        Ok(at)
    }

    /// Runs Lua.
    pub(super) fn lua(&mut self, text: &str) -> Result<Vec<String>, ReplError> {
        let console = match self.console.take() {
            Some(console) => console,
            None => Console::new()?,
        };
        let values = console.evaluate(text);
        self.console = Some(console);
        Ok(values?)
    }

    /// Waits for something that is neither a request nor a change.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        // What goes by HTTP/2 runs beside the one that asks.
        LocalSet::new().block_on(&self.runtime, future)
    }

    /// Checks of Kubernetes objects by the static configuration of the session.
    pub(super) fn objects(&self) -> Result<Objects, ReplError> {
        let plan = Static::resolve(self.local_root(), 1)?;
        Ok(Objects::new(plan)?)
    }

    /// Names of the elements of a kind.
    pub(super) fn names(&self, kind: &str) -> Vec<String> {
        let elements = self.document["http"][kind].as_object();
        elements.into_iter().flat_map(Map::keys).cloned().collect()
    }

    /// All elements: section, kind, name and how they are written.
    pub(super) fn elements(&self) -> Vec<(&'static str, &'static str, &String, &Value)> {
        let mut all = Vec::new();
        for (section, kinds) in SECTIONS {
            for kind in *kinds {
                let elements = self.document[section][kind].as_object();
                let elements = elements.into_iter().flatten();
                all.extend(elements.map(|(name, element)| (*section, *kind, name, element)));
            }
        }
        all
    }

    /// What is wrong with the configuration now, probes left out.
    pub(super) fn findings(&self) -> Vec<Diagnostic> {
        let found = self.snapshot().map(|snapshot| snapshot.outcome.diagnostics());
        let is_ours = |finding: &Diagnostic| !finding.path.split('.').any(is_probe);
        found.unwrap_or_default().into_iter().filter(is_ours).collect()
    }
}

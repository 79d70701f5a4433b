//! Wiring: runtimes, catalogue, start order, graceful stop.
//!
//! Listening sockets come first, so that a port in use is told before anything else happens; the
//! first configuration is served before the first connection is accepted.

mod admission;
mod catalog;
mod check;
mod cluster;
mod control;
mod definitions;
pub mod differences;
pub mod echo;
mod entrypoints;
mod gatekeepers;
mod internal;
pub mod manifests;
mod objects;
mod providers;
mod records;
mod resolvers;
mod restart;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::api::{About, Api, Ping, Sources};
use crate::compile::{Catalog, check_answers};
use crate::config::{EntryPointPlan, Static, Transport};
use crate::entrypoint::{
    Acceptor, Datagrams, Http3Error, ListenError, Listener, Manner, Place, Quic, QuicPlan, Sharing,
    Worker, WorkerError, WorkerSettings,
};
use crate::handover::{Estate, Heir, Inherited, PredecessorError};
use crate::lua;
use crate::model::{Diagnostic, Dynamic};
use crate::observe::metrics::Metrics;
use crate::observe::{AccessLog, LogEntry, Queue};
use crate::otlp::{CollectorError, Reporter};
use crate::provider::{self, FileProvider, Message, Update};
use crate::reconcile::{Followers, Reconciler, ScriptFiles};
use crate::snapshot::Live;
use crate::stapling::Stapling;

pub use admission::Admission;
pub use catalog::CatalogError;
pub use check::{Coming, ExplainError, check, check_script, explain};
pub use definitions::{DefinitionsError, definitions};
pub use internal::InternalError;
pub use objects::{Checked, Objects};

use catalog::Internals;
use entrypoints::{entrypoints, limits, server_name};
use providers::{file_providers, kubernetes, providers};
use records::{Recording, reporter};
use resolvers::Resolvers;

/// Why Moongate cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An entrypoint's address is refused.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// User scripts cannot be read, or the default transport is refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A page of an entrypoint cannot be had.
    #[error("{0}")]
    Answers(Diagnostic),
    /// A worker cannot be started.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The built-in configuration is wrong.
    #[error(transparent)]
    Internal(#[from] InternalError),
    /// The access log cannot be opened.
    #[error("accessLog.filePath: {path}: {cause}")]
    AccessLog {
        /// The file.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
    /// `ping.terminatingStatusCode` is no status.
    #[error("ping.terminatingStatusCode: {0} is no HTTP status")]
    PingStatus(u16),
    /// The running process does not hand its sockets over.
    #[error(transparent)]
    Predecessor(#[from] PredecessorError),
    /// The socket for the process to come cannot be opened.
    #[error("restart.socket: {path}: {cause}")]
    Restart {
        /// Its path.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
    /// A collector cannot be used.
    #[error("{section}.{error}")]
    Collector {
        /// The section of its options.
        section: &'static str,
        /// What is wrong with it.
        error: CollectorError,
    },
    /// HTTP/3 cannot be served.
    #[error(transparent)]
    Http3(#[from] Http3Error),
    /// The system gives no thread for certificate resolvers.
    #[error("certificate resolvers could not be started: {0}")]
    Resolvers(io::Error),
    /// The system gives no thread.
    #[error("the acceptor could not be started: {0}")]
    Acceptor(io::Error),
}

/// What is served beside the static configuration.
#[derive(Debug)]
pub struct Extra {
    /// A provider's configuration.
    pub update: Update,
    /// The service that checks Kubernetes objects.
    pub admission: Option<Arc<Admission>>,
}

/// A running Moongate.
#[derive(Debug)]
pub struct App {
    plan: Static,
    addresses: Vec<(Arc<str>, SocketAddr)>,
    acceptor: Acceptor,
    quic: Option<Quic>,
    heir: Option<Heir>,
    workers: Arc<[Worker]>,
    live: Arc<Live>,
    ping: Option<Arc<Ping>>,
    access_log: Option<Arc<AccessLog>>,
    reporters: Vec<Reporter>,
    control: Control,
}

/// What is held of the control plane.
#[derive(Debug)]
struct Control {
    stop: watch::Sender<bool>,
    provided: provider::Sender,
    findings: watch::Receiver<Arc<Vec<Diagnostic>>>,
}

impl App {
    /// Starts everything; `extra` is what it serves beside the static configuration. Must be called
    /// within the control plane's runtime.
    ///
    /// # Errors
    /// When a port is in use, or a part of the static configuration cannot be had.
    pub async fn start(plan: Static, extra: Option<Extra>) -> Result<Self, StartError> {
        let mut origin = restart::origin(&plan)?;
        let sockets = listen(&plan, &mut origin.inherited)?;
        origin.tell_of_unused(&plan);
        let copies = restart::copies(&plan, &sockets)?;
        let Sockets { listeners, datagrams, quic } = sockets;
        let addresses = addresses(&plan, &listeners, &datagrams);
        let live = Arc::<Live>::default();
        let shared = lua::Shared::new();
        let (sender, messages) = provider::channel();
        let resolvers =
            Resolvers::start(&plan, &sender, &shared).await.map_err(StartError::Resolvers)?;
        let recording = Recording::new(&plan, &live, &shared, resolvers.numbers())?;
        let ping = ping(&plan)?;
        let sources = Sources {
            live: Arc::clone(&live),
            shared: Arc::clone(&shared),
            metrics: recording.metrics.clone(),
        };
        let api = api(&plan, &addresses, sources);
        let (update, admission) = extra.map(|extra| (extra.update, extra.admission)).unzip();
        let admission = admission.flatten().map(|service| (admission::NAME, service as _));
        let more = admission.into_iter().chain(resolvers.service()).collect();
        let prometheus = recording.exposition(&plan);
        let internals = Internals { api, ping: ping.clone(), prometheus, more };
        let catalog = catalog::catalog(&plan, internals)?;
        let settings = WorkerSettings {
            entrypoints: entrypoints(&plan, &addresses, &resolvers.handshakes(&plan)),
            access_log: recording.access_log.clone(),
            metrics: recording.metrics.clone(),
            tracer: recording.tracer.clone(),
            shared,
            server_name: server_name(),
        };
        let start = |number| Worker::start(number, settings.clone(), live.snapshot());
        let workers = (0..plan.workers).map(start).collect::<Result<Arc<[_]>, _>>()?;
        let served = Served { workers: Arc::clone(&workers), live: Arc::clone(&live) };
        let told = Told { update, resolvers, channel: (sender, messages) };
        let control = served.follow(&plan, told, catalog, recording.metrics).await?;
        for (listener, worker) in datagrams.into_iter().zip(workers.iter().cycle()) {
            worker.serve(listener)?;
        }
        let quic = match quic.is_empty() {
            true => None,
            false => Some(Quic::start(quic, Arc::clone(&workers), origin.quic_is_ours()?)?),
        };
        let acceptor =
            Acceptor::start(listeners, Arc::clone(&workers)).map_err(StartError::Acceptor)?;
        let heir = restart::heir(&plan, copies)?;
        origin.ready();
        let reporters = reporter(recording.reports)?.into_iter().collect();
        let access_log = recording.access_log;
        Ok(Self {
            plan,
            addresses,
            acceptor,
            quic,
            heir,
            workers,
            live,
            ping,
            access_log,
            reporters,
            control,
        })
    }

    /// Where each entrypoint listens.
    #[must_use]
    pub fn addresses(&self) -> &[(Arc<str>, SocketAddr)] {
        &self.addresses
    }

    /// What is served now.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Sends the leveled log to its collector.
    ///
    /// # Errors
    /// When the collector cannot be used.
    pub fn send_log(&mut self, queue: Arc<Queue<LogEntry>>) -> Result<(), StartError> {
        let reports = records::log_report(&self.plan, queue)?;
        self.reporters.extend(reporter(reports)?);
        Ok(())
    }

    /// Opens log files anew, after they have been moved away.
    pub fn reopen_logs(&self) {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
    }

    /// Resolves when another process has taken over the listening sockets; [`App::make_way`] is
    /// what remains to be done.
    pub async fn replaced(&mut self) -> Estate {
        match &mut self.heir {
            Some(heir) => heir.takes_over().await,
            None => std::future::pending().await,
        }
    }

    /// Stops: ping tells it first, new requests are accepted for `requestAcceptGraceTimeout`, open
    /// ones may take `graceTimeOut`, the greatest of all entrypoints.
    pub async fn stop(mut self) {
        if let Some(heir) = self.heir.take() {
            heir.renounce();
        }
        if let Some(ping) = &self.ping {
            ping.terminate();
        }
        let accept =
            self.longest(|e| e.options.transport.life_cycle.request_accept_grace_timeout.get());
        if !accept.is_zero() {
            tokio::time::sleep(accept).await;
        }
        self.end(Manner::Stop, None).await;
    }

    /// Stops since another process accepts connections in place of this one: open requests may
    /// take `graceTimeOut`, and idle connections may bring one more each.
    pub async fn make_way(self, estate: Estate) {
        self.end(Manner::MakeWay, Some(estate)).await;
    }

    fn longest(&self, pick: fn(&EntryPointPlan) -> Duration) -> Duration {
        self.plan.entrypoints.iter().map(pick).max().unwrap_or_default()
    }

    async fn end(self, manner: Manner, estate: Option<Estate>) {
        self.acceptor.stop();
        if let Some(quic) = &self.quic {
            quic.stop();
        }
        // Nobody may be left to hear it.
        let _ = self.control.stop.send(true);
        let grace = self.longest(|e| e.options.transport.life_cycle.grace_time_out.get());
        // All are told before the first is waited for.
        let drains: Vec<_> =
            self.workers.iter().map(|worker| worker.drain(manner, grace)).collect();
        if let Some(estate) = estate {
            if let Some(quic) = &self.quic {
                // What has not ended by then is not waited for any longer.
                let _ = tokio::time::timeout(grace, quic.ended()).await;
            }
            estate.release_quic().await;
        }
        self.acceptor.closed().await;
        for drain in drains {
            if let Err(error) = drain.await {
                tracing::warn!(%error, "a worker ended early");
            }
        }
        if let Some(log) = &self.access_log {
            log.close();
        }
        for reporter in self.reporters {
            reporter.stop().await;
        }
    }
}

/// What configuration is served by.
struct Served {
    workers: Arc<[Worker]>,
    live: Arc<Live>,
}

/// What is said beside what providers read.
struct Told {
    update: Option<Update>,
    resolvers: Resolvers,
    /// Where all of them speak.
    channel: (provider::Sender, provider::Receiver),
}

impl Served {
    /// Serves what providers say, and follows them until the word to stop.
    async fn follow(
        self,
        plan: &Static,
        told: Told,
        mut catalog: Catalog,
        metrics: Option<Arc<Metrics>>,
    ) -> Result<Control, StartError> {
        let (stop, stopped) = watch::channel(false);
        let Told { update, resolvers, channel: (sender, messages) } = told;
        let mut first = vec![internal(plan)?];
        first.extend(resolvers.first);
        first.extend(update.map(Message::Update));
        let mut scripts = script_files(plan)?;
        let mut files = file_providers(plan, &scripts.kinds());
        first.extend(files.iter_mut().map(FileProvider::load));
        let kubernetes = kubernetes(plan, &scripts.kinds());
        let throttle = plan.root.providers.providers_throttle_duration.get();
        scripts.load(&Dynamic::default(), &mut catalog);
        if let Some(fault) = check_answers(&catalog).into_iter().next() {
            return Err(StartError::Answers(fault));
        }
        let stapling =
            plan.root.ocsp.as_ref().map(|ocsp| Stapling::new(ocsp.responder_overrides.clone()));
        let Self { workers, live } = self;
        let followers = Followers { stapling, acme: resolvers.acme };
        let mut reconciler = Reconciler::new(catalog, scripts, workers, live, throttle, followers);
        reconciler.count_in(metrics);
        let (provided, findings) = (sender.clone(), reconciler.findings());
        kubernetes.start(&sender, &findings, &stopped);
        reconciler.begin(first).await?;
        for file in files.into_iter().filter(FileProvider::follows) {
            Handle::current().spawn(file.run(sender.clone(), stopped.clone()));
        }
        Handle::current().spawn(async move {
            reconciler.run(messages, stopped).await;
            // The channel stays open while there is somebody to listen.
            drop(sender);
        });
        Ok(Control { stop, provided, findings })
    }
}

/// The open sockets of all entrypoints.
#[derive(Debug, Default)]
struct Sockets {
    listeners: Vec<Listener>,
    datagrams: Vec<Datagrams>,
    quic: Vec<QuicPlan>,
}

fn listen(plan: &Static, inherited: &mut Inherited) -> Result<Sockets, ListenError> {
    let mut all = Sockets::default();
    for (place, plan) in plan.entrypoints.iter().enumerate() {
        let sharing = if plan.options.reuse_port { Sharing::ReusePort } else { Sharing::Exclusive };
        let (name, host, port) = (&*plan.name, &*plan.address.host, plan.address.port);
        let at = Place { name, place, host, port, sharing };
        match plan.address.transport {
            Transport::Udp => all.datagrams.push(at.udp(inherited)?),
            Transport::Tcp => {
                let listener = at.tcp(inherited)?;
                if plan.options.http3.is_some() {
                    let socket = at.quic(&listener, inherited)?;
                    all.quic.push(QuicPlan { socket, limits: limits(plan) });
                }
                all.listeners.push(listener);
            }
        }
    }
    Ok(all)
}

/// Where each entrypoint listens, in their order.
fn addresses(
    plan: &Static,
    listeners: &[Listener],
    datagrams: &[Datagrams],
) -> Vec<(Arc<str>, SocketAddr)> {
    let mut all: Vec<(usize, SocketAddr)> =
        listeners.iter().map(|l| (l.place, l.address)).collect();
    all.extend(datagrams.iter().map(|d| (d.place, d.address)));
    all.sort_unstable_by_key(|(place, _)| *place);
    let named = plan.entrypoints.iter().zip(all);
    named.map(|(plan, (_, address))| (plan.name.as_str().into(), address)).collect()
}

fn ping(plan: &Static) -> Result<Option<Arc<Ping>>, StartError> {
    let Some(options) = &plan.ping else { return Ok(None) };
    let code = options.terminating_status_code;
    let status = StatusCode::from_u16(code).map_err(|_| StartError::PingStatus(code))?;
    Ok(Some(Ping::new(status)))
}

fn about(plan: &Static, addresses: &[(Arc<str>, SocketAddr)]) -> About {
    // With port 0 the system has chosen one.
    let mut entrypoints = plan.entrypoints.clone();
    for (entrypoint, (_, address)) in entrypoints.iter_mut().zip(addresses) {
        if entrypoint.address.port == 0 {
            entrypoint.address.port = address.port();
            entrypoint.options.address = address.to_string();
        }
    }
    About {
        api: plan.api.clone().unwrap_or_default(),
        entrypoints,
        providers: providers(plan),
        access_log: plan.access_log.is_some(),
        metrics: records::told_to(plan),
        tracing: records::traced_to(plan),
        workers: plan.workers,
        // Options are plain data, which always has a value.
        options: serde_json::to_value(&plan.root).unwrap_or_default(),
        started: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
    }
}

/// The API, when it is on.
fn api(plan: &Static, addresses: &[(Arc<str>, SocketAddr)], sources: Sources) -> Option<Arc<Api>> {
    plan.api.as_ref()?;
    Some(Api::new(sources, about(plan, addresses)))
}

fn internal(plan: &Static) -> Result<Message, InternalError> {
    let (dynamic, diagnostics) = internal::dynamic(plan)?;
    let dynamic = Arc::new(dynamic);
    Ok(Message::Update(Update { diagnostics, ..Update::new("internal", dynamic) }))
}

/// The scripts there are, and those that configuration will name.
fn script_files(plan: &Static) -> Result<ScriptFiles, CatalogError> {
    Ok(ScriptFiles::new(catalog::folders(&plan.root.scripts.directory)?, script_bases(plan)))
}

/// Relative paths of scripts begin beside the file that names them, else in the folder of user
/// scripts.
fn script_bases(plan: &Static) -> Vec<PathBuf> {
    let mut bases = Vec::new();
    if let Some(file) = &plan.file {
        if !file.directory.is_empty() {
            bases.push(PathBuf::from(&file.directory));
        } else if let Some(folder) = Path::new(&file.filename).parent() {
            bases.push(folder.to_owned());
        }
    }
    if !plan.root.scripts.directory.is_empty() {
        bases.push(PathBuf::from(&plan.root.scripts.directory));
    }
    bases
}

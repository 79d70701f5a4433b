//! Wiring: runtimes, catalogue, start order, graceful stop.
//!
//! Listening sockets come first, so that a port in use is told before anything else happens; the
//! first configuration is served before the first connection is accepted.

mod admission;
mod catalog;
mod check;
mod cluster;
mod definitions;
pub mod echo;
mod internal;
mod objects;
mod providers;
mod restart;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::api::{About, Api, Ping};
use crate::compile::check_answers;
use crate::config::{self, EntryPointPlan, Static, Transport, UnderscoreHeaders};
use crate::entrypoint::{
    Acceptor, ConnectionLimits, Datagrams, Entrypoint, ForwardedFor, Heads, Http3Error,
    ListenError, Listener, Manner, PathHandling, Place, Quic, QuicPlan, Semicolons, Sharing, Trust,
    Underscores, Worker, WorkerError, WorkerSettings, alt_svc,
};
use crate::handover::{Estate, Heir, Inherited, PredecessorError};
use crate::lua;
use crate::model::{Diagnostic, Dynamic};
use crate::observe::AccessLog;
use crate::provider::{self, FileProvider, Message, Update};
use crate::reconcile::{Reconciler, ScriptFiles};
use crate::snapshot::Live;
use crate::stapling::Stapling;

pub use admission::Admission;
pub use catalog::CatalogError;
pub use check::{check, check_script};
pub use definitions::{DefinitionsError, definitions};
pub use internal::InternalError;
pub use objects::{Checked, Objects};

use catalog::Internals;
use providers::{file_providers, kubernetes, providers};

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
    /// HTTP/3 cannot be served.
    #[error(transparent)]
    Http3(#[from] Http3Error),
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
    stop: watch::Sender<bool>,
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
        let access_log = access_log(&plan)?;
        let ping = ping(&plan)?;
        let api = plan
            .api
            .is_some()
            .then(|| Api::new(Arc::clone(&live), about(&plan, &addresses), Handle::current()));
        let (update, admission) = extra.map(|extra| (extra.update, extra.admission)).unzip();
        let admission = admission.flatten().map(|service| (admission::NAME, service as _));
        let more = admission.into_iter().collect();
        let mut catalog = catalog::catalog(&plan, Internals { api, ping: ping.clone(), more })?;
        let workers = workers(&plan, &addresses, &live, access_log.as_ref())?;

        let (stop, stopped) = watch::channel(false);
        let (sender, messages) = provider::channel();
        let mut first = vec![internal(&plan)?];
        first.extend(update.map(Message::Update));
        let mut scripts = script_files(&plan)?;
        let mut files = file_providers(&plan, &scripts.kinds());
        first.extend(files.iter_mut().map(FileProvider::load));
        let kubernetes = kubernetes(&plan, &scripts.kinds());
        let throttle = plan.root.providers.providers_throttle_duration.get();
        scripts.load(&Dynamic::default(), &mut catalog);
        if let Some(fault) = check_answers(&catalog).into_iter().next() {
            return Err(StartError::Answers(fault));
        }
        let stapling =
            plan.root.ocsp.as_ref().map(|ocsp| Stapling::new(ocsp.responder_overrides.clone()));
        let (shared, served) = (Arc::clone(&workers), Arc::clone(&live));
        let mut reconciler = Reconciler::new(catalog, scripts, shared, served, throttle, stapling);
        kubernetes.start(&sender, &reconciler.findings(), &stopped);
        reconciler.begin(first).await?;
        for file in files.into_iter().filter(FileProvider::follows) {
            Handle::current().spawn(file.run(sender.clone(), stopped.clone()));
        }
        Handle::current().spawn(async move {
            reconciler.run(messages, stopped).await;
            // The channel stays open while there is somebody to listen.
            drop(sender);
        });
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
        Ok(Self { plan, addresses, acceptor, quic, heir, workers, live, ping, access_log, stop })
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
        let _ = self.stop.send(true);
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
        for drain in drains {
            if let Err(error) = drain.await {
                tracing::warn!(%error, "a worker ended early");
            }
        }
        if let Some(log) = &self.access_log {
            log.close();
        }
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

fn workers(
    plan: &Static,
    addresses: &[(Arc<str>, SocketAddr)],
    live: &Arc<Live>,
    access_log: Option<&Arc<AccessLog>>,
) -> Result<Arc<[Worker]>, StartError> {
    let append = !plan.root.global.not_append_x_forwarded_for;
    let entrypoints = plan.entrypoints.iter().zip(addresses).map(|(plan, (_, address))| {
        let alt_svc = plan.options.http3.as_ref().and_then(|http3| match http3.advertised_port {
            0 => alt_svc(address.port()),
            port => alt_svc(port),
        });
        Arc::new(Entrypoint { alt_svc, ..entrypoint(plan, append) })
    });
    let settings = WorkerSettings {
        entrypoints: entrypoints.collect(),
        access_log: access_log.cloned(),
        shared: lua::Shared::new(),
        server_name: server_name(),
    };
    let start = |number| Worker::start(number, settings.clone(), live.snapshot());
    Ok((0..plan.workers).map(start).collect::<Result<Vec<_>, _>>()?.into())
}

fn entrypoint(plan: &EntryPointPlan, append: bool) -> Entrypoint {
    let options = &plan.options;
    let keep = options.forwarded_headers.not_append_x_forwarded_for || !append;
    Entrypoint {
        name: plan.name.as_str().into(),
        trust: match options.forwarded_headers.insecure {
            true => Trust::All,
            false => Trust::Networks(plan.trusted.clone()),
        },
        senders: options.proxy_protocol.as_ref().map(|proxy| match proxy.insecure {
            true => Trust::All,
            false => Trust::Networks(plan.senders.clone()),
        }),
        session_timeout: options.udp.timeout.get(),
        forwarded_for: if keep { ForwardedFor::Keep } else { ForwardedFor::Append },
        path: match options.http.sanitize_path {
            true => PathHandling::Sanitize,
            false => PathHandling::Keep,
        },
        heads: heads(&options.http),
        access_log: options.observability.access_logs,
        alt_svc: None,
        limits: limits(plan),
    }
}

fn limits(plan: &EntryPointPlan) -> ConnectionLimits {
    let options = &plan.options;
    let transport = &options.transport;
    let timeouts = &transport.responding_timeouts;
    ConnectionLimits {
        read: timeouts.read_timeout.limit(),
        write: timeouts.write_timeout.limit(),
        idle: timeouts.idle_timeout.limit(),
        head_bytes_max: options.http.max_header_bytes,
        streams_max: options.http2.max_concurrent_streams,
        requests_max: Some(transport.keep_alive_max_requests).filter(|max| *max > 0),
        age_max: transport.keep_alive_max_time.limit(),
    }
}

fn heads(options: &config::Http) -> Heads {
    Heads {
        refused: options.encoded_characters.refused(),
        semicolons: match options.encode_query_semicolons {
            true => Semicolons::Encode,
            false => Semicolons::Separate,
        },
        underscores: match options.underscore_headers_strategy {
            UnderscoreHeaders::Keep => Underscores::Keep,
            UnderscoreHeaders::Delete => Underscores::Delete,
            UnderscoreHeaders::Reject => Underscores::Reject,
        },
    }
}

/// This machine's name; a header's value whatever it holds.
fn server_name() -> HeaderValue {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    HeaderValue::from_str(name.trim()).unwrap_or_else(|_| HeaderValue::from_static("localhost"))
}

fn access_log(plan: &Static) -> Result<Option<Arc<AccessLog>>, StartError> {
    let Some(options) = &plan.access_log else { return Ok(None) };
    let path = (!options.file_path.is_empty()).then(|| Path::new(&options.file_path));
    let log = AccessLog::open(path).map_err(|cause| {
        let path = options.file_path.clone();
        StartError::AccessLog { path, cause }
    })?;
    Ok(Some(Arc::new(log)))
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
            entrypoint.options.address = address.to_string();
        }
    }
    About {
        entrypoints,
        providers: providers(plan),
        access_log: plan.access_log.is_some(),
        started: OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
    }
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

//! Wiring: runtimes, catalogue, start order, graceful stop.
//!
//! Listening sockets come first, so that a port in use is told before anything else happens; the
//! first configuration is served before the first connection is accepted.

mod admission;
mod catalog;
mod cluster;
mod definitions;
pub mod echo;
mod internal;
mod objects;

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
use crate::compile::{Catalog, Memory, Scripts, compile};
use crate::config::{self, EntryPointPlan, Static, Transport, UnderscoreHeaders};
use crate::entrypoint::{
    Acceptor, ConnectionLimits, Datagrams, Entrypoint, ForwardedFor, Heads, ListenError, Listener,
    PathHandling, Semicolons, Sharing, Trust, Underscores, Worker, WorkerError, WorkerSettings,
    bind, bind_datagrams,
};
use crate::lua;
use crate::model::{Diagnostic, Dynamic, merge};
use crate::observe::AccessLog;
use crate::provider::{self, FileProvider, Kubernetes, Message, Schemas, Update};
use crate::reconcile::{Reconciler, ScriptFiles};
use crate::snapshot::Live;

pub use admission::Admission;
pub use catalog::CatalogError;
pub use definitions::{DefinitionsError, definitions};
pub use internal::InternalError;
pub use objects::{Checked, Objects};

use catalog::Internals;

/// Why Moongate cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An entrypoint's address is refused.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// User scripts cannot be read, or the default transport is refused.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
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
        let (listeners, datagrams) = listen(&plan)?;
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
        let catalog = catalog::catalog(&plan, Internals { api, ping: ping.clone(), more })?;
        let workers = workers(&plan, &live, access_log.as_ref())?;

        let (stop, stopped) = watch::channel(false);
        let (sender, messages) = provider::channel();
        let mut first = vec![internal(&plan)?];
        first.extend(update.map(Message::Update));
        let mut file = file_provider(&plan, &catalog);
        first.extend(file.as_mut().map(FileProvider::load));
        let kubernetes = kubernetes(&plan, &catalog);
        let throttle = plan.root.providers.providers_throttle_duration.get();
        let scripts = ScriptFiles::new(script_bases(&plan));
        let mut reconciler =
            Reconciler::new(catalog, scripts, Arc::clone(&workers), Arc::clone(&live), throttle);
        kubernetes.start(&sender, &reconciler.findings(), &stopped);
        reconciler.begin(first).await?;
        if let Some(file) = file.filter(|_| plan.file.as_ref().is_some_and(|file| file.watch)) {
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
        let acceptor =
            Acceptor::start(listeners, Arc::clone(&workers)).map_err(StartError::Acceptor)?;
        Ok(Self { plan, addresses, acceptor, workers, live, ping, access_log, stop })
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

    /// Stops: ping tells it first, new requests are accepted for `requestAcceptGraceTimeout`, open
    /// ones may take `graceTimeOut`, the greatest of all entrypoints.
    pub async fn stop(self) {
        if let Some(ping) = &self.ping {
            ping.terminate();
        }
        let cycle = |pick: fn(&EntryPointPlan) -> Duration| {
            self.plan.entrypoints.iter().map(pick).max().unwrap_or_default()
        };
        let accept = cycle(|e| e.options.transport.life_cycle.request_accept_grace_timeout.get());
        if !accept.is_zero() {
            tokio::time::sleep(accept).await;
        }
        self.acceptor.stop();
        // Nobody may be left to hear it.
        let _ = self.stop.send(true);
        let grace = cycle(|e| e.options.transport.life_cycle.grace_time_out.get());
        // All are told before the first is waited for.
        let drains: Vec<_> = self.workers.iter().map(|worker| worker.drain(grace)).collect();
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

/// Compiles a whole configuration without serving it: what `check` does. Findings of the first
/// kind are the providers', those of the second the elements'.
///
/// # Errors
/// When user scripts cannot be read or the built-in configuration is wrong.
pub fn check(plan: &Static) -> Result<Vec<Diagnostic>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Acceptor)?;
    let live = Arc::<Live>::default();
    let api = plan
        .api
        .is_some()
        .then(|| Api::new(Arc::clone(&live), about(plan, &[]), runtime.handle().clone()));
    let internals = Internals { api, ping: ping(plan)?, ..Internals::default() };
    let mut catalog = catalog::catalog(plan, internals)?;
    let mut messages = vec![internal(plan)?];
    messages.extend(file_provider(plan, &catalog).as_mut().map(FileProvider::load));
    messages.extend(runtime.block_on(cluster::first(kubernetes(plan, &catalog))));
    let mut findings = Vec::new();
    let mut parts = Vec::new();
    for message in messages {
        match message {
            Message::Update(update) => {
                findings.extend(update.diagnostics.iter().cloned());
                parts.push(update);
            }
            Message::Rejected { diagnostics, .. } => findings.extend(diagnostics),
        }
    }
    let dynamic = merge(parts.iter().map(|part| (&*part.provider, &*part.dynamic)));
    ScriptFiles::new(script_bases(plan)).load(&dynamic, &mut catalog);
    let snapshot = compile(&dynamic, &catalog, &mut Memory::default());
    findings.extend(snapshot.outcome.diagnostics());
    for part in &parts {
        part.locate(&mut findings);
    }
    Ok(findings)
}

fn listen(plan: &Static) -> Result<(Vec<Listener>, Vec<Datagrams>), ListenError> {
    let (mut listeners, mut datagrams) = (Vec::new(), Vec::new());
    for (place, plan) in plan.entrypoints.iter().enumerate() {
        let sharing = if plan.options.reuse_port { Sharing::ReusePort } else { Sharing::Exclusive };
        let (name, host, port) = (&plan.name, &plan.address.host, plan.address.port);
        match plan.address.transport {
            Transport::Tcp => listeners.push(bind(name, place, host, port, sharing)?),
            Transport::Udp => datagrams.push(bind_datagrams(name, place, host, port, sharing)?),
        }
    }
    Ok((listeners, datagrams))
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
    live: &Arc<Live>,
    access_log: Option<&Arc<AccessLog>>,
) -> Result<Arc<[Worker]>, StartError> {
    let append = !plan.root.global.not_append_x_forwarded_for;
    let settings = WorkerSettings {
        entrypoints: plan.entrypoints.iter().map(|e| Arc::new(entrypoint(e, append))).collect(),
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
    let transport = &options.transport;
    let timeouts = &transport.responding_timeouts;
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
        limits: ConnectionLimits {
            read: timeouts.read_timeout.limit(),
            idle: timeouts.idle_timeout.limit(),
            head_bytes_max: options.http.max_header_bytes,
            streams_max: options.http2.max_concurrent_streams,
            requests_max: Some(transport.keep_alive_max_requests).filter(|max| *max > 0),
            age_max: transport.keep_alive_max_time.limit(),
        },
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

fn file_provider(plan: &Static, catalog: &Catalog) -> Option<FileProvider> {
    let options = plan.file.as_ref()?;
    let (http, tcp) = (Arc::new(catalog.scripts.clone()), catalog.tcp_scripts.clone());
    let check = move |dynamic: &Dynamic| crate::compile::structure(dynamic, &http, &tcp);
    Some(FileProvider::new(options, Arc::new(check)))
}

/// The providers that are on, as the API names them.
fn providers(plan: &Static) -> Vec<&'static str> {
    let providers = &plan.root.providers;
    let file = plan.file.as_ref().map(|_| "File");
    let crd = providers.kubernetes_crd.as_ref().map(|_| "KubernetesCRD");
    let ingress = providers.kubernetes_ingress.as_ref().map(|_| "KubernetesIngress");
    crd.into_iter().chain(file).chain(ingress).collect()
}

fn kubernetes(plan: &Static, catalog: &Catalog) -> Kubernetes {
    let kinds = |scripts: &Scripts| {
        let kinds = scripts.kinds.iter();
        let read = kinds.filter_map(|(kind, script)| Some((kind, script.info.as_ref().ok()?)));
        read.map(|(kind, info)| (kind.clone(), Arc::clone(&info.schema))).collect()
    };
    let schemas = Schemas::new(kinds(&catalog.scripts), kinds(&catalog.tcp_scripts));
    Kubernetes {
        crd: plan.root.providers.kubernetes_crd.clone(),
        ingress: plan.root.providers.kubernetes_ingress.clone(),
        old_syntax: plan.root.core.default_rule_syntax.is_empty(),
        schemas: Arc::new(schemas),
    }
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

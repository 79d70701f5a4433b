//! A worker: one thread with its own runtime, pools, scripts and connections.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ::http::HeaderValue;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{mpsc, oneshot};

use super::Entrypoint;
use super::connection::{self, Accepted};
use super::datagrams;
use super::date::DateLine;
use super::drain::{Drain, Manner};
use super::http3::{self, Arrived};
use super::recorder::Recorder;
use crate::lua::{self, Instance, InstanceId, ScriptError, Vm};
use crate::middleware::Instances;
use crate::observe::metrics::Metrics;
use crate::observe::{AccessLog, Tracer};
use crate::outbound::Outside;
use crate::snapshot::{Snapshot, StreamTables};
use crate::tls::ServerOptions;
use crate::upstream::{Buffers, Origins, Pools};

/// Why a worker could not be started or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The system gave no thread or no event queue.
    #[error("a worker could not be started: {0}")]
    Start(#[from] io::Error),
    /// Its scripts' VM could not be set up.
    #[error("a worker's script VM could not be set up: {0}")]
    Vm(#[from] ScriptError),
    /// It has ended.
    #[error("a worker has ended")]
    Gone,
    /// It did not load what a snapshot needs in time.
    #[error("a worker took longer than {} s to load scripts", limit.as_secs())]
    Late {
        /// How long it had.
        limit: Duration,
    },
}

/// What a worker says of a snapshot it has prepared: the instances that failed.
pub type Prepared = Vec<(InstanceId, ScriptError)>;

/// A worker as the control plane and the acceptors hold it.
#[derive(Debug)]
pub struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    open: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
enum Command {
    Accept(std::net::TcpStream, SocketAddr, usize),
    Datagrams(std::net::UdpSocket, usize),
    Quic(Box<Arrived>),
    Prepare(Arc<Snapshot>, oneshot::Sender<Prepared>),
    Publish(oneshot::Sender<()>),
    Drain(Manner, Duration, oneshot::Sender<()>),
}

/// What all workers are started with.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// The entrypoints, in the order snapshots hold them.
    pub entrypoints: Vec<Arc<Entrypoint>>,
    /// The access log, if there is one.
    pub access_log: Option<Arc<AccessLog>>,
    /// The numbers of the process, if requests are counted.
    pub metrics: Option<Arc<Metrics>>,
    /// Who decides which requests are traced, if any are.
    pub tracer: Option<Arc<Tracer>>,
    /// The state that scripts share over all workers.
    pub shared: Arc<lua::Shared>,
    /// This machine's name, for `X-Forwarded-Server`.
    pub server_name: HeaderValue,
}

impl Worker {
    /// Starts a worker that serves the given snapshot.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        number: usize,
        settings: WorkerSettings,
        first: Arc<Snapshot>,
    ) -> Result<Self, WorkerError> {
        // Bounded by the acceptor, which stops at the limit of open connections, and by control,
        // which waits for each answer.
        #[allow(clippy::disallowed_methods, reason = "both senders are bounded elsewhere")]
        let (commands, inbox) = mpsc::unbounded_channel();
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                match Shared::new(settings, first, count) {
                    Ok(shared) => shared.serve(inbox).await,
                    Err(error) => tracing::error!(%error, number, "a worker could not be set up"),
                }
            });
            // What still waits, such as a name look-up, is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { commands, open, thread: Some(thread) })
    }

    /// Open connections.
    #[must_use]
    pub fn load(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Hands over an accepted connection of the entrypoint at `place`.
    pub(super) fn accept(&self, stream: std::net::TcpStream, peer: SocketAddr, place: usize) {
        self.open.fetch_add(1, Ordering::AcqRel);
        if self.commands.send(Command::Accept(stream, peer, place)).is_err() {
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Hands over a QUIC connection whose handshake is still to come.
    pub(super) fn accept_quic(&self, arrived: Arrived) {
        self.open.fetch_add(1, Ordering::AcqRel);
        if self.commands.send(Command::Quic(Box::new(arrived))).is_err() {
            self.open.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Serves the UDP entrypoint at a listener's place.
    ///
    /// # Errors
    /// When the worker has ended.
    pub fn serve(&self, listener: super::Datagrams) -> Result<(), WorkerError> {
        self.send(Command::Datagrams(listener.socket, listener.place))
    }

    /// Loads what a snapshot needs beside what is served; the worker begins at once, the future
    /// waits for it.
    ///
    /// # Errors
    /// When the worker has ended.
    pub fn prepare(
        &self,
        snapshot: Arc<Snapshot>,
    ) -> impl Future<Output = Result<Prepared, WorkerError>> + use<> {
        let (answer, answered) = oneshot::channel();
        let told = self.send(Command::Prepare(snapshot, answer));
        async move {
            told?;
            answered.await.map_err(|_| WorkerError::Gone)
        }
    }

    /// Serves the prepared snapshot from now on.
    ///
    /// # Errors
    /// When the worker has ended.
    pub async fn publish(&self) -> Result<(), WorkerError> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Publish(answer))?;
        answered.await.map_err(|_| WorkerError::Gone)
    }

    /// Tells the worker to let open connections finish, for at most that long, and to end; the
    /// future waits for it.
    ///
    /// # Errors
    /// When the worker has ended already.
    pub fn drain(
        &self,
        manner: Manner,
        limit: Duration,
    ) -> impl Future<Output = Result<(), WorkerError>> + use<> {
        let (answer, answered) = oneshot::channel();
        let told = self.send(Command::Drain(manner, limit, answer));
        async move {
            told?;
            answered.await.map_err(|_| WorkerError::Gone)
        }
    }

    fn send(&self, command: Command) -> Result<(), WorkerError> {
        self.commands.send(command).map_err(|_| WorkerError::Gone)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The thread ends when its inbox closes; it is not waited for here.
        drop(self.thread.take());
    }
}

/// One generation as a worker serves it.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) instances: Rc<Instances>,
}

impl Generation {
    /// A script of rules, services or TLS options, by the name they call it.
    pub(super) fn named(&self, script: &str) -> Option<&Rc<Instance>> {
        let found = self.snapshot.scripts.get(script).and_then(|id| self.instances.get(id));
        if found.is_none() {
            tracing::error!(script, "a script that is named outside of middlewares is not loaded");
        }
        found
    }
}

/// What a worker's connections share.
pub(super) struct Shared {
    pub(super) pools: Rc<Pools>,
    pub(super) origins: Rc<Origins>,
    pub(super) recorder: Recorder,
    pub(super) server_name: HeaderValue,
    pub(super) drain: Rc<Drain>,
    pub(super) date: DateLine,
    pub(super) buffers: Buffers,
    entrypoints: Vec<Arc<Entrypoint>>,
    generation: RefCell<Rc<Generation>>,
    prepared: RefCell<Option<Rc<Generation>>>,
    vm: Vm,
}

const SWEEP_EVERY: Duration = Duration::from_secs(5);

impl Shared {
    fn new(
        settings: WorkerSettings,
        snapshot: Arc<Snapshot>,
        open: Arc<AtomicUsize>,
    ) -> Result<Rc<Self>, WorkerError> {
        let first = Rc::new(Generation { snapshot, instances: Rc::default() });
        let shared = Rc::new(Self {
            pools: Pools::new(),
            origins: Rc::default(),
            recorder: Recorder::new(&settings),
            server_name: settings.server_name,
            drain: Drain::new(open),
            date: DateLine::default(),
            buffers: Buffers::default(),
            entrypoints: settings.entrypoints,
            generation: RefCell::new(first),
            prepared: RefCell::new(None),
            vm: Vm::sharing(settings.shared)?,
        });
        let (pools, origins) = (Rc::clone(&shared.pools), Rc::clone(&shared.origins));
        shared.vm.work_in(Rc::new(Outside { pools, origins, machine: None }));
        Ok(shared)
    }

    /// The generation that is served now; a request keeps the one it began with.
    pub(super) fn generation(&self) -> Rc<Generation> {
        Rc::clone(&self.generation.borrow())
    }

    /// The TLS options of a server name on an entrypoint, unless they cannot be used.
    pub(super) fn tls_options(
        &self,
        place: usize,
        name: Option<&str>,
    ) -> Option<Arc<ServerOptions>> {
        let generation = self.generation.borrow();
        generation.snapshot.entrypoints.get(place)?.tls.choose(name).cloned()
    }

    /// Whether scripts look at handshakes of an entrypoint.
    pub(super) fn judges_handshakes(&self, place: usize) -> bool {
        let generation = self.generation.borrow();
        let tables = generation.snapshot.entrypoints.get(place);
        tables.is_some_and(|tables| tables.tls.has_scripts())
    }

    /// The TCP routers of an entrypoint, if it has any.
    pub(super) fn streams(&self, place: usize) -> Option<(Arc<StreamTables>, Rc<Instances>)> {
        let generation = self.generation.borrow();
        let tables = generation.snapshot.streams.get(place)?.clone()?;
        Some((tables, Rc::clone(&generation.instances)))
    }

    async fn serve(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut swept = 0;
        loop {
            let command = tokio::select! {
                command = inbox.recv() => command,
                _ = sweep.tick() => {
                    self.pools.sweep();
                    let snapshot = Arc::clone(&self.generation().snapshot);
                    if std::mem::replace(&mut swept, snapshot.number) != snapshot.number {
                        self.recorder.forget(&snapshot);
                    }
                    continue;
                }
            };
            match command {
                None => return,
                Some(Command::Accept(stream, peer, place)) => self.accept(stream, peer, place),
                Some(Command::Datagrams(socket, place)) => self.listen(socket, place),
                Some(Command::Quic(arrived)) => self.accept_quic(*arrived),
                Some(Command::Prepare(snapshot, answer)) => {
                    let shared = Rc::clone(&self);
                    tokio::task::spawn_local(async move {
                        let failed = shared.prepare(snapshot).await;
                        // Control may have given up at its deadline.
                        let _ = answer.send(failed);
                    });
                }
                Some(Command::Publish(answer)) => {
                    if let Some(next) = self.prepared.take() {
                        self.generation.replace(next);
                    }
                    let _ = answer.send(());
                }
                Some(Command::Drain(manner, limit, answer)) => {
                    self.drain.begin(manner);
                    let _ = tokio::time::timeout(limit, self.drain.emptied()).await;
                    let _ = answer.send(());
                    return;
                }
            }
        }
    }

    fn accept(self: &Rc<Self>, stream: std::net::TcpStream, peer: SocketAddr, place: usize) {
        let permit = self.drain.adopt().counted(self.recorder.open(place));
        let Some(entrypoint) = self.entrypoints.get(place).cloned() else { return };
        match TcpStream::from_std(stream) {
            Ok(stream) => {
                let accepted = Accepted { stream, peer, entrypoint, place, permit };
                tokio::task::spawn_local(connection::serve(Rc::clone(self), accepted));
            }
            Err(error) => tracing::warn!(%error, "a connection could not be served"),
        }
    }

    fn accept_quic(self: &Rc<Self>, arrived: Arrived) {
        let permit = self.drain.adopt();
        let entrypoint = self.entrypoints.get(arrived.settings.place).cloned();
        let Some(entrypoint) = entrypoint else { return };
        tokio::task::spawn_local(http3::serve(Rc::clone(self), arrived, entrypoint, permit));
    }

    fn listen(self: &Rc<Self>, socket: std::net::UdpSocket, place: usize) {
        let Some(entrypoint) = self.entrypoints.get(place) else { return };
        match UdpSocket::from_std(socket) {
            Ok(socket) => {
                let (worker, timeout) = (Rc::clone(self), entrypoint.session_timeout);
                tokio::task::spawn_local(datagrams::serve(worker, socket, place, timeout));
            }
            Err(error) => tracing::error!(%error, "an entrypoint could not be served"),
        }
    }

    /// Builds the next generation; instances that both generations use are the same. Requests are
    /// served between two scripts, and those that wait in `setup` wait at the same time.
    async fn prepare(self: Rc<Self>, snapshot: Arc<Snapshot>) -> Prepared {
        let current = self.generation();
        let mut instances = Instances::default();
        let mut failed = Vec::new();
        let mut loading = tokio::task::JoinSet::new();
        for spec in &snapshot.instances {
            if let Some(kept) = current.instances.get(&spec.id) {
                instances.insert(spec.id, Rc::clone(kept));
                continue;
            }
            let (worker, spec) = (Rc::clone(&self), Arc::clone(spec));
            loading.spawn_local(async move { (spec.id, worker.vm.instance(&spec).await) });
            tokio::task::yield_now().await;
        }
        while let Some(loaded) = loading.join_next().await {
            match loaded {
                Ok((id, Ok(instance))) => {
                    instances.insert(id, instance);
                }
                Ok((id, Err(error))) => failed.push((id, error)),
                Err(error) => tracing::error!(%error, "a script could not be loaded"),
            }
        }
        let next = Generation { snapshot, instances: Rc::new(instances) };
        // One that was given up, since a worker took too long, may be ready after its successor.
        let is_newest = self
            .prepared
            .borrow()
            .as_ref()
            .is_none_or(|p| p.snapshot.number < next.snapshot.number);
        if is_newest {
            self.prepared.replace(Some(Rc::new(next)));
        }
        failed
    }
}

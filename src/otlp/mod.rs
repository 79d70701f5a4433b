//! Reports to collectors (OpenTelemetry Protocol): traces, metrics and logs, sent by a thread of
//! their own.
//!
//! What waits is bounded, and a collector that is away costs what waits for it and nothing else.
//! Must not know what is reported: it takes what the queues of `observe` hold.

mod collector;
mod proto;
mod reports;

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::MissedTickBehavior;

use self::collector::{Collector, ReportError, Signal};
use self::proto::{KeyValue, Resource};
use crate::config::{OtlpGrpc, OtlpHttp};
use crate::numbers::Family;
use crate::observe::{Finished, LogEntry, Queue, SENDER};
use crate::upstream::Pools;

pub use collector::CollectorError;

/// A collector with what it is told of this process.
#[derive(Debug)]
pub struct Target {
    collector: Collector,
    resource: Resource,
}

/// What this process is, as collectors are told.
#[derive(Debug, Clone, Default)]
pub struct Identity<'a> {
    /// The name it is known by.
    pub service_name: &'a str,
    /// What else the configuration says of it.
    pub attributes: Vec<&'a BTreeMap<String, String>>,
    /// This machine.
    pub host: &'a str,
    /// What the environment says in place of all others (`OTEL_RESOURCE_ATTRIBUTES`).
    pub environment: &'a str,
}

/// What is reported, and to whom.
#[derive(Default)]
pub struct Reports {
    /// Traces.
    pub traces: Option<(Target, Arc<Queue<Finished>>)>,
    /// Metrics.
    pub metrics: Option<(Target, Gathering)>,
    /// Logs.
    pub logs: Vec<(Target, Arc<Queue<LogEntry>>)>,
}

/// How metrics are gathered.
pub struct Gathering {
    /// The time between two reports.
    pub every: Duration,
    /// The numbers of the moment.
    pub gather: Box<dyn Fn() -> Vec<Family> + Send>,
}

impl Target {
    /// A collector of traces.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub fn of_traces(
        collector: (Option<&OtlpGrpc>, Option<&OtlpHttp>),
        identity: &Identity<'_>,
    ) -> Result<Self, CollectorError> {
        Self::new(Signal::Traces, collector, identity)
    }

    /// A collector of metrics.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub fn of_metrics(
        collector: (Option<&OtlpGrpc>, Option<&OtlpHttp>),
        identity: &Identity<'_>,
    ) -> Result<Self, CollectorError> {
        Self::new(Signal::Metrics, collector, identity)
    }

    /// A collector of a log.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub fn of_logs(
        collector: (Option<&OtlpGrpc>, Option<&OtlpHttp>),
        identity: &Identity<'_>,
    ) -> Result<Self, CollectorError> {
        Self::new(Signal::Logs, collector, identity)
    }

    fn new(
        signal: Signal,
        (grpc, http): (Option<&OtlpGrpc>, Option<&OtlpHttp>),
        identity: &Identity<'_>,
    ) -> Result<Self, CollectorError> {
        let collector = Collector::new(signal, grpc, http)?;
        Ok(Self { collector, resource: identity.resource() })
    }
}

impl Identity<'_> {
    fn resource(&self) -> Resource {
        let mut all = BTreeMap::from([
            ("service.name".to_owned(), self.service_name.to_owned()),
            ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("host.name".to_owned(), self.host.to_owned()),
            ("os.type".to_owned(), std::env::consts::OS.to_owned()),
            ("process.pid".to_owned(), std::process::id().to_string()),
            ("telemetry.sdk.language".to_owned(), "rust".to_owned()),
            ("telemetry.sdk.name".to_owned(), env!("CARGO_PKG_NAME").to_owned()),
        ]);
        let given = self.attributes.iter().flat_map(|given| given.iter());
        all.extend(given.map(|(name, value)| (name.clone(), value.clone())));
        let pairs = self.environment.split(',').filter_map(|pair| pair.split_once('='));
        all.extend(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
        Resource { attributes: all.into_iter().map(|(k, v)| KeyValue::text(k, v)).collect() }
    }
}

impl Reports {
    /// Whether nothing is reported.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.traces.is_none() && self.metrics.is_none() && self.logs.is_empty()
    }
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathering").field("every", &self.every).finish_non_exhaustive()
    }
}

/// The thread that sends reports.
#[derive(Debug)]
pub struct Reporter {
    stop: watch::Sender<bool>,
    ended: oneshot::Receiver<()>,
}

/// How long the last reports may take.
const STOP_LIMIT: Duration = Duration::from_secs(5);

impl Reporter {
    /// Reports from now on.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn start(reports: Reports) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(SENDER.to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(reports, stopped));
            // What still waits, such as a name look-up, is not waited for.
            runtime.shutdown_background();
            // Nobody may wait for it.
            let _ = end.send(());
        })?;
        Ok(Self { stop, ended })
    }

    /// Sends what is left, for some seconds at most.
    pub async fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(STOP_LIMIT, self.ended).await;
    }
}

async fn run(reports: Reports, stopped: watch::Receiver<bool>) {
    let pools = Pools::new();
    let mut tasks = Vec::new();
    if let Some((target, queue)) = reports.traces {
        let sender = Sender::new(&pools, target, "traces", &stopped);
        tasks.push(spawn_local(sender.queued(queue, reports::traces)));
    }
    for (target, queue) in reports.logs {
        let sender = Sender::new(&pools, target, "logs", &stopped);
        tasks.push(spawn_local(sender.queued(queue, reports::logs)));
    }
    if let Some((target, gathering)) = reports.metrics {
        let sender = Sender::new(&pools, target, "metrics", &stopped);
        tasks.push(spawn_local(sender.gathered(gathering)));
    }
    for task in tasks {
        if let Err(error) = task.await {
            tracing::error!(%error, "reports to a collector have ended");
        }
    }
}

/// Reports of one signal to one collector.
struct Sender {
    pools: Rc<Pools>,
    target: Target,
    signal: &'static str,
    stopped: watch::Receiver<bool>,
    failing: bool,
    /// Reports that were given up since the last one that was taken.
    lost: u64,
}

/// So much is in one report at most.
const REPORT_MAX: usize = 512;
/// How often a report is sent again that may be taken later, and the first pause before it.
const AGAIN_MAX: u32 = 4;
const AGAIN: Duration = Duration::from_secs(1);

impl Sender {
    fn new(
        pools: &Rc<Pools>,
        target: Target,
        signal: &'static str,
        stopped: &watch::Receiver<bool>,
    ) -> Self {
        let (pools, stopped) = (Rc::clone(pools), stopped.clone());
        Self { pools, target, signal, stopped, failing: false, lost: 0 }
    }

    /// Reports what comes through a queue.
    async fn queued<T>(mut self, queue: Arc<Queue<T>>, encode: fn(&Resource, Vec<T>) -> Vec<u8>) {
        let mut stopped = self.stopped.clone();
        loop {
            let batch = tokio::select! {
                batch = queue.batch() => batch,
                () = told(&mut stopped) => {
                    queue.close();
                    queue.batch().await
                }
            };
            let Some(mut batch) = batch else { return };
            let dropped = queue.dropped();
            if dropped > 0 {
                let signal = self.signal;
                tracing::warn!(signal, dropped, "reports were dropped: too many were waiting");
            }
            while !batch.is_empty() {
                let rest = batch.split_off(batch.len().min(REPORT_MAX));
                let report = encode(&self.target.resource, batch);
                self.deliver(&report).await;
                batch = rest;
            }
        }
    }

    /// Reports numbers again and again, and once more at the end.
    async fn gathered(mut self, gathering: Gathering) {
        let started = reports::since(Duration::ZERO);
        let mut stopped = self.stopped.clone();
        let mut tick = tokio::time::interval(gathering.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first one comes at once, when there is nothing to tell.
        tick.tick().await;
        loop {
            let is_last = tokio::select! {
                _ = tick.tick() => false,
                () = told(&mut stopped) => true,
            };
            let families = (gathering.gather)();
            let report = reports::metrics(&self.target.resource, &families, started);
            self.deliver(&report).await;
            if is_last {
                return;
            }
        }
    }

    /// Sends a report, again if it may be taken later; gives it up then.
    async fn deliver(&mut self, report: &[u8]) {
        let mut pause = AGAIN;
        let mut tries = 0;
        let began = Instant::now();
        let error = loop {
            match self.target.collector.report(&self.pools, report).await {
                Ok(()) => return self.taken(),
                Err(error) if error.may_pass() && tries < AGAIN_MAX => {
                    if *self.stopped.borrow() {
                        break error;
                    }
                    self.tell(&error);
                }
                Err(error) => break error,
            }
            let mut stopped = self.stopped.clone();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told(&mut stopped) => {}
            }
            tries += 1;
            pause *= 2;
        };
        self.lost += 1;
        self.tell(&error);
        let (signal, took) = (self.signal, began.elapsed());
        tracing::debug!(signal, ?took, %error, "a report to a collector was given up");
    }

    /// Says that a collector does not take reports, once.
    fn tell(&mut self, error: &ReportError) {
        if !self.failing {
            let (signal, collector) = (self.signal, &*self.target.collector.name);
            tracing::warn!(signal, collector, %error, "a collector does not take reports");
        }
        self.failing = true;
    }

    fn taken(&mut self) {
        if self.failing {
            let (signal, collector) = (self.signal, &*self.target.collector.name);
            let lost = self.lost;
            tracing::warn!(signal, collector, lost, "a collector takes reports again");
        }
        (self.failing, self.lost) = (false, 0);
    }
}

/// Resolves at the word to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to say it.
    let _ = stop.wait_for(|stop| *stop).await;
}

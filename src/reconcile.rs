//! Providers' messages become a published snapshot: throttle, merge, compile, prepare on every
//! worker, swap, retire.
//!
//! One generation is published at a time. A failed step leaves what is served untouched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::acme::{Acme, Wish};
use crate::compile::{Catalog, Memory, compile};
use crate::entrypoint::{Worker, WorkerError};
use crate::lua::InstanceId;
use crate::model::{Diagnostic, RouterVerdict, Severity, merge};
use crate::observe::metrics::Metrics;
use crate::provider::{Message, Receiver, Update};
use crate::service::{HealthChecks, Watch};
use crate::snapshot::{Live, Snapshot};
use crate::stapling::Stapling;

pub use folder::{FolderError, ScriptFolder};
pub(crate) use scripts::script;
pub use scripts::{Folders, ScriptFiles};

mod folder;
mod scripts;

/// How long workers may take to load new scripts. A generation that is not ready on all of them by
/// then is given up, and what is served stays.
const PREPARE_LIMIT: Duration = Duration::from_mins(1);
/// How often scripts, and files that options name, are looked at for changes.
const SCRIPTS_EVERY: Duration = Duration::from_millis(500);

/// Turns configurations into what is served.
#[derive(Debug)]
pub struct Reconciler {
    catalog: Catalog,
    scripts: ScriptFiles,
    memory: Memory,
    parts: BTreeMap<String, Update>,
    workers: Arc<[Worker]>,
    live: Arc<Live>,
    throttle: Duration,
    checks: HealthChecks,
    findings: watch::Sender<Arc<Vec<Diagnostic>>>,
    followers: Followers,
    metrics: Option<Arc<Metrics>>,
}

/// Those who hear of everything that is served.
#[derive(Debug, Default)]
pub struct Followers {
    /// Asks authorities what they say of certificates.
    pub stapling: Option<Stapling>,
    /// Has certificates that routers want.
    pub acme: Option<Acme>,
}

impl Followers {
    fn hear(&mut self, snapshot: &Snapshot) {
        if let Some(stapling) = &mut self.stapling
            && let Err(error) = stapling.follow(snapshot.certificates.asked())
        {
            tracing::error!(%error, "authorities could not be asked for certificates");
        }
        if let Some(acme) = &self.acme {
            let (wanted, held) = (Arc::clone(&snapshot.wanted), Arc::clone(&snapshot.certificates));
            acme.wish(Wish { wanted, held });
        }
    }
}

impl Reconciler {
    /// Begins with nothing.
    #[must_use]
    pub fn new(
        catalog: Catalog,
        scripts: ScriptFiles,
        workers: Arc<[Worker]>,
        live: Arc<Live>,
        throttle: Duration,
        followers: Followers,
    ) -> Self {
        let (memory, parts) = (Memory::default(), BTreeMap::new());
        let (checks, findings) = (HealthChecks::default(), watch::Sender::default());
        Self {
            catalog,
            scripts,
            memory,
            parts,
            workers,
            live,
            throttle,
            checks,
            findings,
            followers,
            metrics: None,
        }
    }

    /// Counts configurations that are served.
    pub fn count_in(&mut self, metrics: Option<Arc<Metrics>>) {
        self.metrics = metrics;
    }

    /// What is found of everything that is served, for those who tell it on.
    #[must_use]
    pub fn findings(&self) -> watch::Receiver<Arc<Vec<Diagnostic>>> {
        self.findings.subscribe()
    }

    /// Serves what providers say at the start, all at once.
    ///
    /// # Errors
    /// When a worker has ended.
    pub async fn begin(
        &mut self,
        messages: impl IntoIterator<Item = Message>,
    ) -> Result<(), WorkerError> {
        for message in messages {
            self.take(message);
        }
        self.publish().await
    }

    /// Follows providers until told to stop.
    pub async fn run(mut self, mut messages: Receiver, mut stop: watch::Receiver<bool>) {
        let mut look = tokio::time::interval(SCRIPTS_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last: Option<Instant> = None;
        loop {
            tokio::select! {
                message = messages.recv() => {
                    let Some(message) = message else { return };
                    if !self.take(message) {
                        continue;
                    }
                    // The first change is applied at once, those that follow wait.
                    if let Some(last) = last {
                        tokio::time::sleep_until(last + self.throttle).await;
                        while let Some(more) = messages.try_recv() {
                            self.take(more);
                        }
                    }
                }
                _ = look.tick() => {
                    if !self.scripts.changed() && !self.memory.files_changed() {
                        continue;
                    }
                }
                () = told(&mut stop) => return,
            }
            last = Some(Instant::now());
            if let Err(error) = self.publish().await {
                tracing::error!(%error, "the configuration could not be published");
                if let Some(metrics) = &self.metrics {
                    metrics.reload_failed();
                }
            }
        }
    }

    /// Takes a provider's message; whether there is something to publish.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Rejected { provider, diagnostics } => {
                log_all(&provider, &diagnostics);
                self.live.note_rejected(&provider, diagnostics);
                if let Some(metrics) = &self.metrics {
                    metrics.reload_failed();
                }
                false
            }
            Message::Update(update) => {
                tracing::debug!(provider = &*update.provider, "configuration received");
                let known = self.parts.get(&*update.provider).map(|part| &part.diagnostics[..]);
                log_new(&update.provider, &update.diagnostics, known.unwrap_or_default());
                let (elements, found) = (update.dynamic.len(), update.diagnostics.clone());
                self.live.note_update(&update.provider, elements, found);
                let dynamic = Arc::clone(&update.dynamic);
                let before = self.parts.insert(update.provider.to_string(), update);
                !before.is_some_and(|before| Arc::ptr_eq(&before.dynamic, &dynamic))
            }
        }
    }

    /// Compiles what providers say and serves it.
    async fn publish(&mut self) -> Result<(), WorkerError> {
        let parts = self.parts.iter().map(|(name, part)| (name.as_str(), &*part.dynamic));
        let dynamic = merge(parts);
        self.scripts.load(&dynamic, &mut self.catalog);
        let mut snapshot = Arc::new(compile(&dynamic, &self.catalog, &mut self.memory));
        let failed = self.prepare(&snapshot).await?;
        if !failed.is_empty() {
            // Their routers are disabled, or keep the script's last good version.
            self.memory.note_failed(failed);
            snapshot = Arc::new(compile(&dynamic, &self.catalog, &mut self.memory));
            self.prepare(&snapshot).await?;
        }
        self.memory.confirm();
        let before = self.live.publish(Arc::clone(&snapshot));
        for worker in &*self.workers {
            worker.publish().await?;
        }
        if let Some(metrics) = &self.metrics {
            metrics.reloaded();
        }
        let checks = snapshot.services.values().filter_map(|service| service.check().cloned());
        let checks = checks.map(Watch::from);
        let tcp = snapshot.tcp_checks.iter().cloned().map(Watch::from);
        if let Err(error) = self.checks.follow(checks.chain(tcp)) {
            tracing::error!(%error, "health checks could not be started");
        }
        self.followers.hear(&snapshot);
        let known = before.outcome.diagnostics();
        let mut findings = snapshot.outcome.diagnostics();
        for part in self.parts.values() {
            part.locate(&mut findings);
        }
        let is_new = |finding: &&Diagnostic| {
            !known.iter().any(|known| known.path == finding.path && known.reason == finding.reason)
        };
        let new: Vec<_> = findings.iter().filter(is_new).cloned().collect();
        log_changes(&new, &snapshot);
        findings.extend(self.parts.values().flat_map(|part| part.diagnostics.iter().cloned()));
        let findings = Arc::new(findings);
        self.live.note_findings(Arc::clone(&findings));
        self.findings.send_replace(findings);
        tracing::info!(
            generation = snapshot.number,
            routers = snapshot.outcome.routers.len(),
            "configuration applied"
        );
        Ok(())
    }

    /// Loads new scripts on all workers at once; the errors of those that failed on any.
    async fn prepare(
        &self,
        snapshot: &Arc<Snapshot>,
    ) -> Result<HashMap<InstanceId, String>, WorkerError> {
        let end = Instant::now() + PREPARE_LIMIT;
        let preparing = self.workers.iter().map(|worker| worker.prepare(Arc::clone(snapshot)));
        let mut failed = HashMap::new();
        for prepare in preparing.collect::<Vec<_>>() {
            let prepared = tokio::time::timeout_at(end, prepare).await;
            let late = |_| WorkerError::Late { limit: PREPARE_LIMIT };
            for (id, error) in prepared.map_err(late)?? {
                failed.insert(id, error.to_string());
            }
        }
        Ok(failed)
    }
}

/// Resolves at the word to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left to say it.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Logs the findings that were not there before.
fn log_new(provider: &str, findings: &[Diagnostic], known: &[Diagnostic]) {
    for finding in findings.iter().filter(|finding| !known.contains(finding)) {
        log_all(provider, std::slice::from_ref(finding));
    }
}

fn log_all(provider: &str, findings: &[Diagnostic]) {
    for finding in findings {
        match finding.severity {
            Severity::Error => tracing::error!(provider, "{finding}"),
            Severity::Warning => tracing::warn!(provider, "{finding}"),
        }
    }
}

/// Writes down what is newly wrong; with a middleware stand the routers that use it.
fn log_changes(findings: &[Diagnostic], snapshot: &Snapshot) {
    for finding in findings {
        let Some(name) = finding.path.strip_prefix("http.middlewares.") else {
            log_all("", std::slice::from_ref(finding));
            continue;
        };
        let routers = routers_through(snapshot, name);
        match finding.severity {
            Severity::Error => tracing::error!(routers, "{finding}"),
            Severity::Warning => tracing::warn!(routers, "{finding}"),
        }
    }
}

/// Routers that name a middleware, as many as fit into a line.
fn routers_through(snapshot: &Snapshot, middleware: &str) -> String {
    const SHOWN_MAX: usize = 10;
    let named = |(name, router): (&Arc<str>, &Arc<RouterVerdict>)| {
        let provider = name.rsplit_once('@').map_or("", |(_, provider)| provider);
        let own = middleware.strip_suffix(provider).and_then(|name| name.strip_suffix('@'));
        let mut used = router.config.middlewares.iter();
        used.any(|used| used == middleware || own == Some(used)).then(|| name.to_string())
    };
    let routers = snapshot.outcome.routers.iter().filter_map(named);
    routers.take(SHOWN_MAX).collect::<Vec<_>>().join(", ")
}

//! Active checks of the published generation, on a thread of their own.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::super::{Member, TcpCheck};
use super::probe::{ProbeError, probe};
use super::{Check, Target};
use crate::message::Client;
use crate::upstream::Pools;

/// Questions that may be under way at once.
const QUESTIONS_MAX: usize = 256;
/// How often idle connections are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Carries out health checks. The thread starts with the first check and ends with this.
#[derive(Debug, Default)]
pub struct HealthChecks {
    wanted: Option<watch::Sender<Vec<Watch>>>,
}

/// What is watched.
#[derive(Debug, Clone)]
pub enum Watch {
    /// The servers of an HTTP service.
    Http(Arc<Check>),
    /// The servers of a TCP service.
    Tcp(Arc<TcpCheck>),
}

impl From<Arc<Check>> for Watch {
    fn from(check: Arc<Check>) -> Self {
        Self::Http(check)
    }
}

impl From<Arc<TcpCheck>> for Watch {
    fn from(check: Arc<TcpCheck>) -> Self {
        Self::Tcp(check)
    }
}

impl Watch {
    /// Its address, which is its name as long as it is kept.
    fn key(&self) -> usize {
        match self {
            Self::Http(check) => Arc::as_ptr(check) as usize,
            Self::Tcp(check) => Arc::as_ptr(check) as usize,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Http(check) => check.targets.len(),
            Self::Tcp(check) => check.targets.len(),
        }
    }
}

impl HealthChecks {
    /// Carries out these checks from now on: one that is carried out already goes on as it is,
    /// one that is not named any more stops.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn follow(&mut self, checks: impl IntoIterator<Item = impl Into<Watch>>) -> io::Result<()> {
        let checks: Vec<Watch> = checks.into_iter().map(Into::into).collect();
        match &self.wanted {
            Some(wanted) => {
                wanted.send_replace(checks);
            }
            None if checks.is_empty() => {}
            None => self.wanted = Some(start(checks)?),
        }
        Ok(())
    }
}

fn start(checks: Vec<Watch>) -> io::Result<watch::Sender<Vec<Watch>>> {
    let (sender, mut wanted) = watch::channel(checks);
    wanted.mark_changed();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("health".to_owned()).spawn(move || {
        LocalSet::new().block_on(&runtime, run(wanted));
        // What still waits, such as a name look-up, is not waited for.
        runtime.shutdown_background();
    })?;
    Ok(sender)
}

/// A check that is carried out; stops when it is dropped.
struct Running {
    /// Keeps the allocation, so that its address stays its name.
    _check: Watch,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn run(mut wanted: watch::Receiver<Vec<Watch>>) {
    let thread = Rc::new(Thread { pools: Pools::new(), permits: Semaphore::new(QUESTIONS_MAX) });
    let mut running: HashMap<usize, Running> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() {
                return;
            },
            _ = sweep.tick() => {
                thread.pools.sweep();
                continue;
            }
        }
        let checks = wanted.borrow_and_update().clone();
        let mut kept = HashMap::with_capacity(checks.len());
        for check in checks {
            let key = check.key();
            let run = running.remove(&key).unwrap_or_else(|| thread.begin(check));
            kept.insert(key, run);
        }
        running = kept;
    }
}

/// What all checks share.
struct Thread {
    pools: Rc<Pools>,
    permits: Semaphore,
}

impl Thread {
    fn begin(self: &Rc<Self>, check: Watch) -> Running {
        let task = |place| {
            let (thread, check) = (Rc::clone(self), check.clone());
            spawn_local(async move {
                match &check {
                    Watch::Http(check) => thread.watch(check, place).await,
                    Watch::Tcp(check) => thread.watch_tcp(check, place).await,
                }
            })
        };
        let tasks = (0..check.len()).map(task).collect();
        Running { _check: check, tasks }
    }

    /// Asks one server again and again.
    async fn watch(&self, check: &Check, place: usize) {
        let Some(target) = check.targets.get(place) else { return };
        loop {
            let outcome = self.ask(check, target).await;
            note(&check.service, &target.url, &target.member, &outcome);
            let plan = &check.plan;
            let pause = if outcome.is_ok() { plan.interval } else { plan.unhealthy_interval };
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks one server of a TCP service again and again.
    async fn watch_tcp(&self, check: &TcpCheck, place: usize) {
        let Some(target) = check.targets.get(place) else { return };
        let plan = &check.plan;
        loop {
            let permit = self.permits.acquire().await;
            let outcome = match tokio::time::timeout(plan.timeout, plan.ask(target)).await {
                Ok(outcome) => outcome.map_err(ProbeError::from),
                Err(_) => Err(ProbeError::Timeout(plan.timeout.as_millis())),
            };
            drop(permit);
            note(&check.service, &target.address, &target.member, &outcome);
            let pause = if outcome.is_ok() { plan.interval } else { plan.unhealthy_interval };
            tokio::time::sleep(pause).await;
        }
    }

    async fn ask(&self, check: &Check, target: &Target) -> Result<(), ProbeError> {
        // Never closed.
        let _permit = self.permits.acquire().await;
        let client = Rc::new(Client::nobody());
        let question = probe(&self.pools, &client, &check.plan, target);
        match tokio::time::timeout(check.plan.timeout, question).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ProbeError::Timeout(check.plan.timeout.as_millis())),
        }
    }
}

/// Notes a finding, and says so when it is news.
fn note(service: &str, url: &str, member: &Member, outcome: &Result<(), ProbeError>) {
    if !member.set_up(outcome.is_ok()) {
        return;
    }
    match outcome {
        Ok(()) => tracing::info!(service, url, "a server is up again"),
        Err(error) => tracing::warn!(service, url, %error, "a server is down"),
    }
}

#[cfg(test)]
mod tests;

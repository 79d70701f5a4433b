//! What scripts have done: counters of each instance, kept by every worker for itself, so that
//! counting costs no more than an addition, and added up when somebody asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;

/// The counters of an instance on one worker, which alone writes them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    runs: AtomicU64,
    failures: AtomicU64,
    refused: AtomicU64,
    is_open: AtomicBool,
    computed_nanos: AtomicU64,
    held_bytes: AtomicU64,
}

/// Of so many runs one is timed, since looking at the clock costs as much as a small hook.
const TIMED_EVERY: u64 = 16;

/// Adds to a counter that one thread alone writes.
fn add(counter: &AtomicU64) {
    add_all(counter, 1);
}

fn add_all(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

impl Tally {
    /// A hook is run.
    pub(super) fn run(&self) {
        add(&self.runs);
    }

    /// Whether the run under way is one of those that are timed.
    pub(super) fn is_timed(&self) -> bool {
        self.runs.load(Ordering::Relaxed).is_multiple_of(TIMED_EVERY)
    }

    /// A run that is timed has computed for so long.
    pub(super) fn computed(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        add_all(&self.computed_nanos, nanos.saturating_mul(TIMED_EVERY));
    }

    /// How many bytes the script holds now, which is asked as often as a run is timed.
    pub(super) fn holds(&self, bytes: impl FnOnce() -> usize) {
        if self.is_timed() {
            self.held_bytes.store(bytes() as u64, Ordering::Relaxed);
        }
    }

    /// A hook has failed.
    pub(super) fn failure(&self) {
        add(&self.failures);
    }

    /// A hook was not run, since its breaker is open.
    pub(super) fn refusal(&self) {
        add(&self.refused);
    }

    /// The breaker was opened or closed.
    pub(super) fn set_open(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
    }
}

/// The failure of a script that came last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// When it was.
    pub at: SystemTime,
    /// The id that the client was told.
    pub id: String,
    /// The hook.
    pub hook: &'static str,
    /// The router of the request, with its provider; empty when there was none.
    pub router: String,
    /// What happened, with script and line.
    pub error: String,
}

/// What an instance has done on all workers, since its script or its options changed last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Hooks that were run.
    pub runs: u64,
    /// Hooks that failed.
    pub failures: u64,
    /// Hooks that were not run, since the breaker was open.
    pub refused: u64,
    /// How long they have computed, all together: estimated from those that are timed.
    pub cpu: Duration,
    /// Bytes of memory that it holds, garbage that is not collected yet among them: as of the last
    /// run that was timed.
    pub held_bytes: u64,
    /// Workers on which the breaker is open now.
    pub open_on: usize,
    /// The failure that came last.
    pub last_failure: Option<LastFailure>,
}

/// The counters of an instance on all workers.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    by_worker: Mutex<Vec<Arc<Tally>>>,
    last_failure: Mutex<Option<LastFailure>>,
}

impl Tallies {
    /// Counters for one more worker.
    pub(super) fn begin(&self) -> Arc<Tally> {
        let tally = Arc::<Tally>::default();
        self.by_worker.lock().push(Arc::clone(&tally));
        tally
    }

    /// Keeps a failure until the next one.
    pub(super) fn note(&self, failure: LastFailure) {
        *self.last_failure.lock() = Some(failure);
    }

    /// All of it.
    pub(super) fn sum(&self) -> Figures {
        let last_failure = self.last_failure.lock().clone();
        let mut sum = Figures { last_failure, ..Figures::default() };
        for tally in &*self.by_worker.lock() {
            sum.runs += tally.runs.load(Ordering::Relaxed);
            sum.failures += tally.failures.load(Ordering::Relaxed);
            sum.refused += tally.refused.load(Ordering::Relaxed);
            sum.cpu += Duration::from_nanos(tally.computed_nanos.load(Ordering::Relaxed));
            sum.held_bytes += tally.held_bytes.load(Ordering::Relaxed);
            sum.open_on += usize::from(tally.is_open.load(Ordering::Relaxed));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_added_up() {
        let tallies = Tallies::default();
        let (one, two) = (tallies.begin(), tallies.begin());
        two.holds(|| 500);
        one.run();
        one.computed(Duration::from_millis(1));
        assert!(!one.is_timed());
        two.run();
        two.run();
        two.failure();
        one.refusal();
        one.set_open(true);
        one.holds(|| 1000);
        let sum = tallies.sum();
        assert_eq!((sum.runs, sum.failures, sum.refused, sum.open_on), (3, 1, 1, 1));
        assert_eq!(sum.last_failure, None);
        assert_eq!(sum.held_bytes, 500);
        assert_eq!(sum.cpu, Duration::from_millis(16));
    }
}

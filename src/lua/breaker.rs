//! The breaker of an instance on one worker: a script that fails nearly always is not run for a
//! while, and what `onError` says happens at once.
//!
//! It opens for the script's own failures alone, and only when most runs fail: clients that make a
//! script fail now and then must not be able to stop it for others.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Failures within [`WINDOW`] that open it at least.
const FAILURES_MIN: u32 = 20;
/// The time in which failures are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// How long the script is not run; one run is tried after that.
const PAUSE: Duration = Duration::from_secs(10);

/// A breaker, closed at first.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    window_end: Cell<Option<Instant>>,
    runs: Cell<u32>,
    failures: Cell<u32>,
    /// When the next run is tried; none while it is closed.
    next_try: Cell<Option<Instant>>,
}

impl Breaker {
    /// Whether the script is run.
    pub(super) fn admits(&self) -> bool {
        let Some(next_try) = self.next_try.get() else { return true };
        let now = Instant::now();
        if now < next_try {
            return false;
        }
        // Others wait for the outcome of this one; if it has none, there is another try.
        self.next_try.set(Some(now + PAUSE));
        true
    }

    /// Whether the script is not run at the moment.
    pub(super) fn is_open(&self) -> bool {
        self.next_try.get().is_some()
    }

    /// Notes a run that was well.
    pub(super) fn note_success(&self) {
        self.runs.set(self.runs.get().saturating_add(1));
        if self.next_try.take().is_some() {
            self.begin(None);
        }
    }

    /// Notes a run that failed; whether that has opened the breaker.
    pub(super) fn note_failure(&self) -> bool {
        let now = Instant::now();
        if self.is_open() {
            self.next_try.set(Some(now + PAUSE));
            return false;
        }
        if self.window_end.get().is_none_or(|end| now >= end) {
            self.begin(Some(now + WINDOW));
        }
        self.runs.set(self.runs.get().saturating_add(1));
        self.failures.set(self.failures.get() + 1);
        let opens = self.failures.get() >= FAILURES_MIN
            && self.failures.get().saturating_mul(2) > self.runs.get();
        if opens {
            self.next_try.set(Some(now + PAUSE));
        }
        opens
    }

    fn begin(&self, window_end: Option<Instant>) {
        self.window_end.set(window_end);
        self.runs.set(0);
        self.failures.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_when_most_runs_fail() {
        let breaker = Breaker::default();
        let opened: Vec<bool> = (0..FAILURES_MIN).map(|_| breaker.note_failure()).collect();
        assert_eq!(opened.iter().filter(|opened| **opened).count(), 1);
        assert!(opened.last().is_some_and(|last| *last));
        assert!(breaker.is_open() && !breaker.admits());
    }

    #[test]
    fn it_stays_closed_when_few_runs_fail() {
        let breaker = Breaker::default();
        for _ in 0..1000 {
            assert!(!breaker.note_failure());
            breaker.note_success();
            breaker.note_success();
        }
        assert!(breaker.admits());
    }

    #[test]
    fn one_run_is_tried_after_the_pause() {
        let breaker = Breaker::default();
        (0..FAILURES_MIN)
            .for_each(|_| assert!(breaker.admits() && breaker.note_failure() != breaker.admits()));
        let past = Instant::now().checked_sub(Duration::from_millis(1)).unwrap();
        breaker.next_try.set(Some(past));
        assert!(breaker.admits());
        assert!(!breaker.admits());
        assert!(!breaker.note_failure());
        assert!(!breaker.admits());
        breaker.next_try.set(Some(past));
        assert!(breaker.admits());
        breaker.note_success();
        assert!(breaker.admits() && !breaker.is_open());
    }
}

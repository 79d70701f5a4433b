//! What is known of one server while it serves, shared by all workers: its health, how many
//! requests it has in hand, how fast it answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How many of the last answers the mean time is taken over, as in Traefik.
const SAMPLES: usize = 100;

/// One server's state.
#[derive(Debug)]
pub struct Member {
    born: Instant,
    /// An active check found it down.
    is_down: AtomicBool,
    /// Milliseconds after `born` until which it is left out because of its answers.
    rests_until: AtomicU64,
    /// When it failed of late, oldest first.
    failures: Mutex<VecDeque<Instant>>,
    has_failures: AtomicBool,
    in_flight: AtomicUsize,
    /// The mean time to an answer's head in milliseconds, as the bits of an `f32`.
    mean: AtomicU32,
    times: Mutex<Times>,
}

/// The last times to an answer's head, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    last: Vec<u32>,
    at: usize,
    sum: u64,
}

impl Default for Member {
    /// Up, and never asked.
    fn default() -> Self {
        Self {
            born: Instant::now(),
            is_down: AtomicBool::new(false),
            rests_until: AtomicU64::new(0),
            failures: Mutex::default(),
            has_failures: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            mean: AtomicU32::new(0),
            times: Mutex::default(),
        }
    }
}

impl Member {
    /// Whether requests may be sent to it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        if self.is_down.load(Ordering::Relaxed) {
            return false;
        }
        match self.rests_until.load(Ordering::Relaxed) {
            0 => true,
            until => millis(self.born.elapsed()) >= until,
        }
    }

    /// Notes what a check found; whether it is news.
    pub fn set_up(&self, up: bool) -> bool {
        self.is_down.swap(!up, Ordering::Relaxed) == up
    }

    /// Leaves it out for that long; whether it was in before.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let now = millis(self.born.elapsed());
        let before = self.rests_until.swap(now + millis(time).max(1), Ordering::Relaxed);
        before <= now
    }

    /// Notes a good answer, after which failures are counted anew.
    pub(super) fn succeeded(&self) {
        if self.has_failures.load(Ordering::Relaxed) {
            self.failures.lock().clear();
            self.has_failures.store(false, Ordering::Relaxed);
        }
    }

    /// Notes a failure; whether there were `most` within the window, after which they are counted
    /// anew.
    pub(super) fn failed(&self, window: Duration, most: usize) -> bool {
        let now = Instant::now();
        let mut failures = self.failures.lock();
        failures.retain(|then| now.duration_since(*then) < window);
        failures.push_back(now);
        let is_over = failures.len() >= most;
        if is_over {
            failures.clear();
        }
        self.has_failures.store(!failures.is_empty(), Ordering::Relaxed);
        is_over
    }

    /// Requests that wait for their answer or its end.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request as in flight until the guard is dropped.
    pub(super) fn hold(self: &Arc<Self>) -> Held {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(self))
    }

    /// The mean time to an answer's head, in milliseconds; 0 before the first answer.
    pub(super) fn mean_millis(&self) -> f64 {
        f64::from(f32::from_bits(self.mean.load(Ordering::Relaxed)))
    }

    /// Notes the time to an answer's head.
    pub(super) fn answered(&self, time: Duration) {
        let time = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let mut times = self.times.lock();
        let Times { last, at, sum } = &mut *times;
        *sum += u64::from(time);
        match last.get_mut(*at) {
            Some(oldest) => *sum -= u64::from(std::mem::replace(oldest, time)),
            None => last.push(time),
        }
        *at = (*at + 1) % SAMPLES;
        #[allow(clippy::cast_precision_loss, reason = "a mean in milliseconds needs no more")]
        let mean = *sum as f32 / last.len() as f32;
        self.mean.store(mean.to_bits(), Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// One request in a server's count.
#[derive(Debug)]
pub(super) struct Held(Arc<Member>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_over_the_last_answers() {
        let member = Member::default();
        for _ in 0..SAMPLES {
            member.answered(Duration::from_millis(10));
        }
        assert!((member.mean_millis() - 10.0).abs() < 0.01);
        for _ in 0..SAMPLES / 2 {
            member.answered(Duration::from_millis(20));
        }
        assert!((member.mean_millis() - 15.0).abs() < 0.01);
        for _ in 0..SAMPLES {
            member.answered(Duration::from_millis(30));
        }
        assert!((member.mean_millis() - 30.0).abs() < 0.01);
    }

    #[test]
    fn health_is_told_once() {
        let member = Member::default();
        assert!(member.is_up() && !member.set_up(true));
        assert!(member.set_up(false) && !member.set_up(false) && !member.is_up());
        assert!(member.set_up(true) && member.is_up());
        assert!(member.rest(Duration::from_mins(1)) && !member.is_up());
        assert!(!member.rest(Duration::from_mins(1)));
    }

    #[test]
    fn counts_what_is_in_flight() {
        let member = Arc::new(Member::default());
        let (one, two) = (member.hold(), member.hold());
        assert_eq!(member.in_flight(), 2);
        drop((one, two));
        assert_eq!(member.in_flight(), 0);
    }
}

//! A coarse clock for all workers: a thread that counts milliseconds while scripts run, so that
//! what checks a script's computing time reads a number and not the system's clock.
//!
//! The count says only that it is time to look at the real clock; a thread that is late makes that
//! look late, never wrong. Must not know scripts.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;

/// How often the count grows.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a script after which the thread stops counting.
const IDLE_TICKS: u32 = 200;

/// The clock.
#[derive(Debug, Default)]
pub(super) struct Watch {
    ticks: AtomicU32,
    /// A script has begun since the last tick.
    is_used: AtomicBool,
    /// The thread counts.
    is_awake: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Watch {
    /// What the count is.
    pub(super) fn now(&self) -> u32 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// Says that a script begins.
    pub(super) fn begin(self: &Arc<Self>) {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::SeqCst);
            if !self.is_awake.load(Ordering::SeqCst) {
                self.wake();
            }
        }
    }

    #[cold]
    fn wake(self: &Arc<Self>) {
        let mut thread = self.thread.lock();
        if self.is_awake.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(thread) = &*thread {
            thread.unpark();
            return;
        }
        let watch = Arc::downgrade(self);
        let spawned = thread::Builder::new().name("scripts".to_owned()).spawn(|| count(watch));
        // Without the thread the clock is looked at now and then all the same.
        *thread = spawned.ok().map(|handle| handle.thread().clone());
    }

    /// Counts on, or says that it stops.
    fn tick(&self, idle: &mut u32) -> bool {
        self.ticks.fetch_add(1, Ordering::Relaxed);
        *idle = if self.is_used.swap(false, Ordering::SeqCst) { 0 } else { *idle + 1 };
        if *idle < IDLE_TICKS {
            return true;
        }
        *idle = 0;
        self.is_awake.store(false, Ordering::SeqCst);
        // Whoever has begun in between has either been seen here or has seen the thread stop.
        self.is_used.load(Ordering::SeqCst) && !self.is_awake.swap(true, Ordering::SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(thread) = &*self.thread.get_mut() {
            thread.unpark();
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the thread owns it")]
fn count(watch: Weak<Watch>) {
    let mut idle = 0;
    loop {
        match watch.upgrade().map(|watch| watch.tick(&mut idle)) {
            Some(true) => thread::sleep(TICK),
            Some(false) => {
                let sleeps = |watch: Arc<Watch>| !watch.is_awake.load(Ordering::SeqCst);
                while watch.upgrade().is_some_and(sleeps) {
                    thread::park();
                }
            }
            None => return,
        }
    }
}

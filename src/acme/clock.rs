//! The time that certificates are judged by. Tests put it forward.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// This machine's clock, and how far it has been put forward.
#[derive(Debug)]
pub struct Clock {
    ahead_seconds: AtomicI64,
    moved: watch::Sender<()>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { ahead_seconds: AtomicI64::new(0), moved: watch::Sender::new(()) }
    }
}

impl Clock {
    /// Seconds from 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        now.saturating_add(self.ahead_seconds.load(Ordering::Relaxed))
    }

    /// Puts it forward, and lets everybody look at it.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self.ahead_seconds.fetch_add(by, Ordering::Relaxed);
        self.moved.send_replace(());
    }

    /// Hears when it is put forward.
    pub(super) fn moved(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }
}

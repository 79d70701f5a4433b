//! What waits for being sent away: a queue with a limit, filled by workers that never wait, and
//! emptied by one sender in batches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What waits for being sent away.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: Mutex<Vec<T>>,
    dropped: AtomicU64,
    closed: AtomicBool,
    wake: Notify,
}

/// What may wait at most; more is dropped, and counted.
const WAITING_MAX: usize = 4096;
/// So many are sent at once, without waiting for more.
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const LATE: Duration = Duration::from_secs(1);

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let (waiting, dropped, closed) = Default::default();
        Self { waiting, dropped, closed, wake: Notify::new() }
    }
}

impl<T> Queue<T> {
    /// Takes one; drops it when too many wait.
    pub fn push(&self, item: T) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= WAITING_MAX {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.push(item);
        let count = waiting.len();
        drop(waiting);
        if count == 1 || count == BATCH {
            self.wake.notify_one();
        }
    }

    /// What waits, once there is something and it has waited for others; nothing after the end.
    pub async fn batch(&self) -> Option<Vec<T>> {
        loop {
            let count = self.waiting.lock().len();
            let closed = self.closed.load(Ordering::Acquire);
            if count >= BATCH || (closed && count > 0) {
                break;
            }
            if closed {
                return None;
            }
            let woken = self.wake.notified();
            if count == 0 {
                woken.await;
            } else if tokio::time::timeout(LATE, woken).await.is_err() {
                break;
            }
        }
        Some(std::mem::take(&mut *self.waiting.lock()))
    }

    /// How many were dropped since this was asked last.
    pub fn dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Sends what waits, and no more after it.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn batches_end_and_what_is_too_much_is_dropped() {
        let queue = Queue::default();
        queue.push(0);
        assert_eq!(queue.batch().await, Some(vec![0]));
        for number in 0..WAITING_MAX + 3 {
            queue.push(number);
        }
        assert_eq!(queue.batch().await.map(|batch| batch.len()), Some(WAITING_MAX));
        assert_eq!((queue.dropped(), queue.dropped()), (3, 0));
        queue.push(7);
        queue.close();
        assert_eq!(queue.batch().await, Some(vec![7]));
        assert_eq!(queue.batch().await, None);
    }
}

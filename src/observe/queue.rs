//! What waits for being sent away: a queue with a limit, filled by workers that never wait, and
//! emptied by one sender in batches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What can wait.
pub trait Waits {
    /// How much memory it takes, roughly.
    fn bytes(&self) -> usize;
}

/// What waits for being sent away.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    dropped: AtomicU64,
    closed: AtomicBool,
    wake: Notify,
}

#[derive(Debug)]
struct Waiting<T> {
    items: Vec<T>,
    bytes: usize,
}

/// What may wait at most; more is dropped, and counted.
const WAITING_MAX: usize = 4096;
/// Bytes that may wait at most.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// So many are sent at once, without waiting for more.
const BATCH: usize = 512;
/// How long the first of a batch waits for others.
const LATE: Duration = Duration::from_secs(1);

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let (dropped, closed) = Default::default();
        let waiting = Mutex::new(Waiting { items: Vec::new(), bytes: 0 });
        Self { waiting, dropped, closed, wake: Notify::new() }
    }
}

impl<T: Waits> Queue<T> {
    /// Takes one; drops it when too many wait.
    pub fn push(&self, item: T) {
        let bytes = item.bytes();
        let mut waiting = self.waiting.lock();
        if waiting.items.len() >= WAITING_MAX || waiting.bytes + bytes > BYTES_MAX {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += bytes;
        waiting.items.push(item);
        let count = waiting.items.len();
        drop(waiting);
        if count == 1 || count == BATCH {
            self.wake.notify_one();
        }
    }
}

impl<T> Queue<T> {
    /// What waits, once there is something and it has waited for others; nothing after the end.
    pub async fn batch(&self) -> Option<Vec<T>> {
        loop {
            let count = self.waiting.lock().items.len();
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
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        Some(std::mem::take(&mut waiting.items))
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

    impl Waits for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    #[tokio::test(start_paused = true)]
    async fn batches_end_and_what_is_too_much_is_dropped() {
        let queue = Queue::default();
        queue.push(0);
        assert_eq!(queue.batch().await, Some(vec![0]));
        for _ in 0..WAITING_MAX + 3 {
            queue.push(1);
        }
        assert_eq!(queue.batch().await.map(|batch| batch.len()), Some(WAITING_MAX));
        assert_eq!((queue.dropped(), queue.dropped()), (3, 0));
        for bytes in [BYTES_MAX - 10, 10, 1] {
            queue.push(bytes);
        }
        assert_eq!(queue.batch().await, Some(vec![BYTES_MAX - 10, 10]));
        assert_eq!(queue.dropped(), 1);
        queue.push(7);
        queue.close();
        assert_eq!(queue.batch().await, Some(vec![7]));
        assert_eq!(queue.batch().await, None);
    }
}

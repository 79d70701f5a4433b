//! Turns by key: who has one is alone with its key until it ends, over all workers; others wait
//! in the order in which they came.
//!
//! Must not know what is done meanwhile.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Keys beyond which those that nobody waits for are looked for.
const SWEPT_FROM: usize = 1024;

/// The keys.
#[derive(Debug, Clone, Default)]
pub(in crate::lua) struct Turns {
    keys: Arc<Mutex<Keys>>,
}

type Keys = HashMap<Arc<[u8]>, Arc<Semaphore>>;

/// A turn.
#[derive(Debug)]
pub(in crate::lua) struct Turn {
    permit: Option<OwnedSemaphorePermit>,
    key: Arc<[u8]>,
    keys: Arc<Mutex<Keys>>,
}

/// Whether somebody else was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lua) enum Came {
    /// Nobody was.
    First,
    /// Somebody was, and has ended.
    Later,
}

impl Turns {
    /// Waits for a turn.
    pub(in crate::lua) async fn enter(&self, key: &[u8]) -> (Turn, Came) {
        let (key, gate) = self.gate(key);
        let mut came = Came::First;
        let permit = match Arc::clone(&gate).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                came = Came::Later;
                // The semaphores are never closed.
                gate.acquire_owned().await.ok()
            }
        };
        (Turn { permit, key, keys: Arc::clone(&self.keys) }, came)
    }

    fn gate(&self, key: &[u8]) -> (Arc<[u8]>, Arc<Semaphore>) {
        let mut keys = self.keys.lock();
        if let Some((key, gate)) = keys.get_key_value(key) {
            return (Arc::clone(key), Arc::clone(gate));
        }
        if keys.len() >= SWEPT_FROM {
            keys.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let (key, gate) = (Arc::<[u8]>::from(key), Arc::new(Semaphore::new(1)));
        keys.insert(Arc::clone(&key), Arc::clone(&gate));
        (key, gate)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut keys = self.keys.lock();
        // Given back under the lock, so that whoever comes now finds the key or makes it anew.
        self.permit.take();
        if keys.get(&self.key).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_at_a_time_in_order() {
        let turns = Turns::default();
        let (first, came) = poll(pin!(turns.enter(b"k"))).unwrap();
        assert_eq!(came, Came::First);
        assert_eq!(poll(pin!(turns.enter(b"other"))).unwrap().1, Came::First);
        let (mut second, mut third) = (pin!(turns.enter(b"k")), pin!(turns.enter(b"k")));
        assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
        drop(first);
        assert!(poll(third.as_mut()).is_none());
        let (second, came) = poll(second.as_mut()).unwrap();
        assert_eq!(came, Came::Later);
        drop(second);
        let (third, _) = poll(third.as_mut()).unwrap();
        assert_eq!(turns.keys.lock().len(), 1);
        drop(third);
        assert_eq!(turns.keys.lock().len(), 0);
    }

    #[test]
    fn who_goes_away_waits_no_more() {
        let turns = Turns::default();
        let (first, _) = poll(pin!(turns.enter(b"k"))).unwrap();
        {
            let mut gone = pin!(turns.enter(b"k"));
            assert!(poll(gone.as_mut()).is_none());
        }
        drop(first);
        assert_eq!(poll(pin!(turns.enter(b"k"))).unwrap().1, Came::First);
    }
}

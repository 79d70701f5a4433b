//! Counters of what is under way, by key. They go down by themselves when what was counted ends.
//!
//! Must not know what is counted.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

const SHARDS: usize = 16;

/// The counters. They hold as many keys as there are things under way, no more.
#[derive(Debug, Clone, Default)]
pub(in crate::lua) struct Concurrency {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    shards: [Mutex<HashMap<Arc<[u8]>, u64>>; SHARDS],
    hasher: RandomState,
}

/// One thing that is under way.
#[derive(Debug)]
pub(in crate::lua) struct Held {
    counters: Arc<Counters>,
    key: Arc<[u8]>,
}

/// Counts by key.
type Shard = Mutex<HashMap<Arc<[u8]>, u64>>;

impl Concurrency {
    /// Counts one more under a key, when there are fewer than `max`.
    pub(in crate::lua) fn acquire(&self, key: &[u8], max: u64) -> Option<Held> {
        let mut shard = self.counters.shard(key)?.lock();
        let now = shard.get(key).copied().unwrap_or_default();
        if now >= max {
            return None;
        }
        let key = match shard.get_key_value(key) {
            Some((key, _)) => Arc::clone(key),
            None => key.into(),
        };
        shard.insert(Arc::clone(&key), now + 1);
        Some(Held { counters: Arc::clone(&self.counters), key })
    }

    /// How many are under way.
    pub(in crate::lua) fn count(&self, key: &[u8]) -> u64 {
        let shard = self.counters.shard(key).map(Mutex::lock);
        shard.and_then(|shard| shard.get(key).copied()).unwrap_or_default()
    }
}

impl Counters {
    fn shard(&self, key: &[u8]) -> Option<&Shard> {
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default();
        self.shards.get(hash % SHARDS)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(shard) = self.counters.shard(&self.key) else { return };
        let mut shard = shard.lock();
        match shard.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(shard.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_lives() {
        let counters = Concurrency::default();
        let acquire = |key: &str, max| counters.acquire(key.as_bytes(), max);
        let first = acquire("a", 2).unwrap();
        let second = acquire("a", 2).unwrap();
        assert!(acquire("a", 2).is_none());
        assert!(acquire("b", 1).is_some());
        assert_eq!((counters.count(b"a"), counters.count(b"b")), (2, 0));
        drop(first);
        let third = acquire("a", 2).unwrap();
        assert!(acquire("a", 2).is_none());
        drop((second, third));
        assert_eq!(counters.count(b"a"), 0);
        assert!(acquire("a", 0).is_none());
        assert!(counters.counters.shards.iter().all(|shard| shard.lock().is_empty()));
    }
}

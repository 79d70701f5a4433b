//! A table in shards with a limit in bytes: what was not used for the longest time makes room,
//! and what has an end is gone after it.
//!
//! Must not know what is kept.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::Mutex;

/// Something that takes memory beside its own size.
pub(in crate::lua) trait Weigh {
    /// Bytes on the heap.
    fn heap_bytes(&self) -> usize;
}

/// What becomes of an entry.
pub(super) enum Change<V> {
    /// It stays as it is, and counts as used.
    Keep,
    /// It is set, until a time or for good.
    Put(V, Option<Duration>),
    /// It is removed.
    Remove,
}

/// What a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lua) struct Used {
    /// Entries.
    pub(in crate::lua) entries: usize,
    /// Bytes, keys and bookkeeping included.
    pub(in crate::lua) bytes: usize,
    /// Entries that had to make room.
    pub(in crate::lua) evicted: u64,
}

/// The table.
#[derive(Debug)]
pub(super) struct Table<V> {
    shards: Box<[Mutex<Shard<V>>]>,
    hasher: RandomState,
    evicted: AtomicU64,
}

/// A shard smaller than this is of no use.
const SHARD_BYTES_MIN: usize = 64 * 1024;
const SHARDS_MAX: usize = 16;
/// Entries at the cold end that are looked at with every change, for those whose time is over.
const SWEPT: usize = 2;
/// What an entry takes beside its key and what its value has on the heap.
const ENTRY_BYTES: usize = 160;

impl<V: Weigh> Table<V> {
    pub(super) fn new(bytes_max: usize) -> Self {
        let count = (bytes_max / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let shard = |_| Mutex::new(Shard::new(bytes_max / count));
        let shards = (0..count).map(shard).collect();
        Self { shards, hasher: RandomState::default(), evicted: AtomicU64::new(0) }
    }

    /// Looks at an entry, unless its time is over, and changes it in the same step. `None` when
    /// what is put does not fit into the table at all; then nothing is under the key.
    pub(super) fn change<R>(
        &self,
        key: &[u8],
        now: Duration,
        body: impl FnOnce(Option<(&V, Option<Duration>)>) -> (Change<V>, R),
    ) -> Option<R> {
        // The map in the shard has a hasher of its own.
        let hash = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or_default();
        let mut shard = self.shards.get(hash % self.shards.len())?.lock();
        shard.sweep(now);
        if shard.entries.get(key).is_some_and(|entry| entry.is_over(now)) {
            shard.remove(key);
        }
        let entry = shard.entries.get(key);
        let (change, result) = body(entry.map(|entry| (&entry.value, entry.end)));
        match change {
            Change::Keep => shard.touch(key),
            Change::Remove => shard.remove(key),
            Change::Put(value, end) => {
                shard.remove(key);
                self.evicted.fetch_add(shard.put(key, value, end)?, Ordering::Relaxed);
            }
        }
        Some(result)
    }

    /// What the table holds now.
    pub(super) fn used(&self) -> Used {
        let evicted = self.evicted.load(Ordering::Relaxed);
        self.shards.iter().fold(Used { entries: 0, bytes: 0, evicted }, |used, shard| {
            let shard = shard.lock();
            let (entries, bytes) = (used.entries + shard.entries.len(), used.bytes + shard.bytes);
            Used { entries, bytes, ..used }
        })
    }
}

#[derive(Debug)]
struct Shard<V> {
    entries: HashMap<Arc<[u8]>, Entry<V>>,
    /// Keys by their last use; the first was not used for the longest time.
    by_use: BTreeMap<u64, Arc<[u8]>>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    end: Option<Duration>,
    used: u64,
    bytes: usize,
}

impl<V> Entry<V> {
    fn is_over(&self, now: Duration) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

impl<V: Weigh> Shard<V> {
    fn new(bytes_max: usize) -> Self {
        let (entries, by_use) = (HashMap::default(), BTreeMap::new());
        Self { entries, by_use, uses: 0, bytes: 0, bytes_max }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    fn touch(&mut self, key: &[u8]) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(key) = self.by_use.remove(&entry.used) {
            self.uses += 1;
            entry.used = self.uses;
            self.by_use.insert(self.uses, key);
        }
    }

    /// Puts what is not there yet; returns how many others had to make room.
    fn put(&mut self, key: &[u8], value: V, end: Option<Duration>) -> Option<u64> {
        let bytes = ENTRY_BYTES + size_of::<V>() + key.len() + value.heap_bytes();
        if bytes > self.bytes_max {
            return None;
        }
        let mut evicted = 0;
        while self.bytes + bytes > self.bytes_max {
            let (_, coldest) = self.by_use.first_key_value()?;
            let coldest = Arc::clone(coldest);
            self.remove(&coldest);
            evicted += 1;
        }
        self.uses += 1;
        let key: Arc<[u8]> = key.into();
        self.by_use.insert(self.uses, Arc::clone(&key));
        self.entries.insert(key, Entry { value, end, used: self.uses, bytes });
        self.bytes += bytes;
        Some(evicted)
    }

    fn sweep(&mut self, now: Duration) {
        for _ in 0..SWEPT {
            let Some((_, coldest)) = self.by_use.first_key_value() else { return };
            let coldest = Arc::clone(coldest);
            if !self.entries.get(&coldest).is_some_and(|entry| entry.is_over(now)) {
                return;
            }
            self.remove(&coldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for u32 {
        fn heap_bytes(&self) -> usize {
            0
        }
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn put(table: &Table<u32>, key: &str, value: u32, now: u64, end: Option<u64>) -> bool {
        let put = |_: Option<(&u32, _)>| (Change::Put(value, end.map(at)), ());
        table.change(key.as_bytes(), at(now), put).is_some()
    }

    fn get(table: &Table<u32>, key: &str, now: u64) -> Option<u32> {
        let get = |entry: Option<(&u32, _)>| (Change::Keep, entry.map(|(value, _)| *value));
        table.change(key.as_bytes(), at(now), get).flatten()
    }

    #[test]
    fn what_is_over_is_gone() {
        let table = Table::new(64 * 1024);
        put(&table, "a", 1, 0, Some(5));
        put(&table, "b", 2, 0, None);
        assert_eq!((get(&table, "a", 4), get(&table, "b", 4)), (Some(1), Some(2)));
        assert_eq!((get(&table, "a", 5), get(&table, "b", 5)), (None, Some(2)));
        for number in 0..10 {
            put(&table, &number.to_string(), 1, 10, Some(11));
        }
        let before = table.used();
        get(&table, "b", 20);
        put(&table, "c", 1, 20, None);
        // Two of them with each look.
        assert_eq!(table.used().entries, before.entries - 4 + 1);
        assert_eq!(table.used().evicted, 0);
    }

    #[test]
    fn the_coldest_makes_room() {
        let bytes = 3 * (ENTRY_BYTES + 5);
        let table = Table::new(bytes);
        for (number, key) in ["a", "b", "c"].into_iter().enumerate() {
            assert!(put(&table, key, u32::try_from(number).unwrap(), 0, None));
        }
        assert_eq!(table.used(), Used { entries: 3, bytes, evicted: 0 });
        assert_eq!(get(&table, "a", 0), Some(0));
        put(&table, "d", 3, 0, None);
        assert_eq!(get(&table, "b", 0), None);
        assert_eq!((get(&table, "a", 0), get(&table, "c", 0)), (Some(0), Some(2)));
        assert_eq!(table.used(), Used { entries: 3, bytes, evicted: 1 });
        put(&table, "a", 9, 0, None);
        assert_eq!(table.used().evicted, 1);
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let table = Table::new(200);
        assert!(!put(&table, &"k".repeat(100), 1, 0, None));
        assert_eq!(table.used().entries, 0);
    }
}

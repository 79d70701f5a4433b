//! Whole answers by key that all workers see; their bytes are kept once and never copied.
//!
//! Must not know when an answer may be used again, nor Lua.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::table::{Change, Table, Used, Weigh};

/// What a header takes beside its text.
const HEADER_BYTES: usize = 64;

/// An answer with what is noted about it.
#[derive(Debug, Clone)]
pub(in crate::lua) struct ShelvedAnswer {
    /// Its status.
    pub(in crate::lua) status: StatusCode,
    /// Its headers.
    pub(in crate::lua) headers: HeaderMap,
    /// Its body.
    pub(in crate::lua) body: Bytes,
    /// What whoever keeps it has noted.
    pub(in crate::lua) note: Box<[u8]>,
}

impl Weigh for Arc<ShelvedAnswer> {
    fn heap_bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers = headers.map(|(n, v)| n.as_str().len() + v.len() + HEADER_BYTES);
        headers.sum::<usize>() + self.body.len() + self.note.len()
    }
}

/// The answers.
#[derive(Debug)]
pub(in crate::lua) struct Shelf {
    table: Table<Arc<ShelvedAnswer>>,
}

type Entry<'a> = Option<(&'a Arc<ShelvedAnswer>, Option<Duration>)>;

impl Shelf {
    pub(in crate::lua) fn new(bytes_max: usize) -> Self {
        Self { table: Table::new(bytes_max) }
    }

    /// The answer of a key.
    pub(in crate::lua) fn get(&self, key: &[u8], now: Duration) -> Option<Arc<ShelvedAnswer>> {
        let get = |entry: Entry<'_>| (Change::Keep, entry.map(|(answer, _)| Arc::clone(answer)));
        self.table.change(key, now, get).flatten()
    }

    /// Keeps an answer for a while; whether it fits.
    pub(in crate::lua) fn put(
        &self,
        key: &[u8],
        answer: ShelvedAnswer,
        now: Duration,
        ttl: Duration,
    ) -> bool {
        let end = Some(now.saturating_add(ttl));
        let put = |_: Entry<'_>| (Change::Put(Arc::new(answer), end), ());
        self.table.change(key, now, put).is_some()
    }

    /// Removes an answer; whether it was there.
    pub(in crate::lua) fn remove(&self, key: &[u8], now: Duration) -> bool {
        let remove = |entry: Entry<'_>| (Change::Remove, entry.is_some());
        self.table.change(key, now, remove).unwrap_or(false)
    }

    /// What is kept.
    pub(in crate::lua) fn used(&self) -> Used {
        self.table.used()
    }
}

//! Values by key that all workers see.
//!
//! Must not know Lua.

use std::time::Duration;

use super::Turns;
use super::table::{Change, Table, Used, Weigh};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::lua) enum Stored {
    /// Bytes.
    Text(Box<[u8]>),
    /// A number.
    Number(f64),
    /// A switch.
    Boolean(bool),
}

impl Weigh for Stored {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(_) | Self::Boolean(_) => 0,
        }
    }
}

/// Why a number did not grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::lua) enum StoreError {
    /// There is something else than a number.
    #[error("the value is no number")]
    NoNumber,
    /// Key and value are larger than what the store may hold.
    #[error("the value does not fit into the store")]
    TooLarge,
}

/// How a number grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::lua) struct Step {
    /// By how much.
    pub(in crate::lua) by: f64,
    /// It does not grow beyond this.
    pub(in crate::lua) max: f64,
    /// How long it lives when it is new.
    pub(in crate::lua) ttl: Option<Duration>,
}

/// Values by key.
#[derive(Debug)]
pub(in crate::lua) struct Store {
    table: Table<Stored>,
    /// Of those who compute a value that is missing.
    turns: Turns,
}

type Entry<'a> = Option<(&'a Stored, Option<Duration>)>;

impl Store {
    pub(in crate::lua) fn new(bytes_max: usize) -> Self {
        Self { table: Table::new(bytes_max), turns: Turns::default() }
    }

    /// The turns of those who compute a value that is missing.
    pub(in crate::lua) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// The value of a key.
    pub(in crate::lua) fn get(&self, key: &[u8], now: Duration) -> Option<Stored> {
        let get = |entry: Entry<'_>| (Change::Keep, entry.map(|(value, _)| value.clone()));
        self.table.change(key, now, get).flatten()
    }

    /// How long the value of a key still lives: `Some(None)` is for good.
    #[allow(clippy::option_option, reason = "the outer one says whether there is a value")]
    pub(in crate::lua) fn ttl(&self, key: &[u8], now: Duration) -> Option<Option<Duration>> {
        let end = |entry: Entry<'_>| (Change::Keep, entry.map(|(_, end)| end));
        let end = self.table.change(key, now, end).flatten()?;
        Some(end.map(|end| end.saturating_sub(now)))
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// When it does not fit.
    pub(in crate::lua) fn set(
        &self,
        key: &[u8],
        value: Stored,
        now: Duration,
        ttl: Option<Duration>,
    ) -> Result<(), StoreError> {
        let put = |_: Entry<'_>| (Change::Put(value, end(now, ttl)), ());
        self.table.change(key, now, put).ok_or(StoreError::TooLarge)
    }

    /// Sets the value of a key that has `old`, or none when `old` is none. Whether it had.
    ///
    /// # Errors
    /// When it does not fit.
    pub(in crate::lua) fn swap(
        &self,
        key: &[u8],
        old: Option<&Stored>,
        new: Option<Stored>,
        now: Duration,
        ttl: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let swap = |entry: Entry<'_>| match (entry.map(|(value, _)| value) == old, new) {
            (false, _) => (Change::Keep, false),
            (true, Some(new)) => (Change::Put(new, end(now, ttl)), true),
            (true, None) => (Change::Remove, true),
        };
        self.table.change(key, now, swap).ok_or(StoreError::TooLarge)
    }

    /// Lets a number grow; one that is not there is 0. `Err` inside is what it is when it cannot
    /// grow.
    ///
    /// # Errors
    /// When there is no number, or no room.
    pub(in crate::lua) fn grow(
        &self,
        key: &[u8],
        step: Step,
        now: Duration,
    ) -> Result<Result<f64, f64>, StoreError> {
        let grow = |entry: Entry<'_>| {
            let (number, until) = match entry {
                None => (0.0, end(now, step.ttl)),
                Some((Stored::Number(number), until)) => (*number, until),
                Some(_) => return (Change::Keep, Err(StoreError::NoNumber)),
            };
            let grown = number + step.by;
            if grown > step.max {
                return (Change::Keep, Ok(Err(number)));
            }
            (Change::Put(Stored::Number(grown), until), Ok(Ok(grown)))
        };
        self.table.change(key, now, grow).ok_or(StoreError::TooLarge)?
    }

    /// Removes a key; whether it was there.
    pub(in crate::lua) fn remove(&self, key: &[u8], now: Duration) -> bool {
        let remove = |entry: Entry<'_>| (Change::Remove, entry.is_some());
        self.table.change(key, now, remove).unwrap_or(false)
    }

    /// What the store holds.
    pub(in crate::lua) fn used(&self) -> Used {
        self.table.used()
    }
}

fn end(now: Duration, ttl: Option<Duration>) -> Option<Duration> {
    ttl.map(|ttl| now.saturating_add(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(10);

    #[test]
    fn numbers_grow_to_their_limit() {
        let store = Store::new(64 * 1024);
        let ttl = Some(Duration::from_secs(5));
        let grow = |by, now| store.grow(b"n", Step { by, max: 3.0, ttl }, now).unwrap();
        assert_eq!(grow(1.0, NOW), Ok(1.0));
        assert_eq!(grow(2.0, NOW), Ok(3.0));
        assert_eq!(grow(1.0, NOW), Err(3.0));
        assert_eq!(grow(-1.0, NOW), Ok(2.0));
        let later = NOW + Duration::from_secs(2);
        assert_eq!(store.ttl(b"n", later), Some(Some(Duration::from_secs(3))));
        assert_eq!(grow(1.0, NOW + Duration::from_secs(5)), Ok(1.0));
        store.set(b"t", Stored::Boolean(true), NOW, None).unwrap();
        let step = Step { by: 1.0, max: 1.0, ttl: None };
        assert_eq!(store.grow(b"t", step, NOW), Err(StoreError::NoNumber));
        assert_eq!(store.ttl(b"t", NOW), Some(None));
    }

    #[test]
    fn swaps_what_is_as_expected() {
        let store = Store::new(64 * 1024);
        let text = |text: &str| Stored::Text(text.as_bytes().into());
        let swap = |old: Option<&str>, new: Option<&str>| {
            let old = old.map(text);
            store.swap(b"k", old.as_ref(), new.map(text), NOW, None).unwrap()
        };
        assert!(!swap(Some("a"), Some("b")));
        assert!(swap(None, Some("a")));
        assert!(!swap(None, Some("b")));
        assert!(swap(Some("a"), Some("b")));
        assert_eq!(store.get(b"k", NOW), Some(text("b")));
        assert!(swap(Some("b"), None));
        assert_eq!(store.get(b"k", NOW), None);
        assert!(!store.remove(b"k", NOW));
    }
}

//! State that all workers share: every instance of a script has a scope of its own, in which it
//! opens what it needs by name.
//!
//! A scope lives as long as one worker has its instance, so that a reload which leaves a
//! middleware alone leaves its state alone. Must not know Lua.

mod concurrency;
mod rate;
mod shelf;
mod store;
mod table;
mod turns;
mod window;

use std::any::{Any, TypeId};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::Mutex;
use tokio::time::Instant;

pub(super) use concurrency::Concurrency;
pub(super) use rate::{BYTES_MAX as RATE_BYTES_MAX, Rate, RateLimits, Verdict};
pub(super) use shelf::{Shelf, ShelvedAnswer};
pub(super) use store::{Step, Store, StoreError, Stored};
pub(super) use table::Used;
pub(super) use turns::{Came, Turn, Turns};
pub(super) use window::Window;

use super::InstanceId;
use super::figures::{Figures, Tallies};
use super::meter::Meters;
use super::watch::Watch;

/// Things that one scope may open.
const OPENED_MAX: usize = 4096;
/// Bytes that the spaces of all scripts may reserve together.
const RESERVED_BYTES_MAX: usize = 1 << 30;

/// Why nothing can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// The script opens more and more names.
    #[error("a middleware can open {OPENED_MAX} names at most")]
    Names,
    /// All scripts together ask for too much memory.
    #[error("the shared state of all scripts would pass {RESERVED_BYTES_MAX} bytes")]
    Room,
}

/// The state of all scripts, over all workers.
#[derive(Debug)]
pub struct Shared {
    scopes: Mutex<HashMap<InstanceId, Weak<Scope>>>,
    room: Arc<Room>,
    watch: Arc<Watch>,
    meters: Meters,
}

impl Default for Shared {
    fn default() -> Self {
        let room = Room { began: Instant::now(), reserved: AtomicUsize::new(0) };
        let (scopes, meters, watch) = (Mutex::default(), Meters::default(), Arc::default());
        Self { scopes, room: Arc::new(room), meters, watch }
    }
}

/// Something that is shared by its type and name.
type Shelved = Arc<dyn Any + Send + Sync>;

impl Shared {
    /// No state yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The clock that scripts' computing time is checked by.
    pub(super) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    /// The scope of an instance; the same on all workers.
    pub(super) fn scope(&self, id: InstanceId) -> Arc<Scope> {
        let mut scopes = self.scopes.lock();
        if let Some(scope) = scopes.get(&id).and_then(Weak::upgrade) {
            return scope;
        }
        scopes.retain(|_, scope| scope.strong_count() > 0);
        let (room, tallies) = (Arc::clone(&self.room), Tallies::default());
        let scope = Arc::new(Scope { opened: Mutex::default(), room, tallies });
        scopes.insert(id, Arc::downgrade(&scope));
        scope
    }

    /// The metrics of all scripts.
    #[must_use]
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    /// What an instance has done on all workers; none when no worker has it.
    #[must_use]
    pub fn figures(&self, id: InstanceId) -> Option<Figures> {
        let scope = self.scopes.lock().get(&id).and_then(Weak::upgrade)?;
        Some(scope.tallies.sum())
    }
}

/// What one instance has opened.
#[derive(Debug)]
pub(super) struct Scope {
    opened: Mutex<HashMap<(TypeId, Box<str>), Shelved>>,
    room: Arc<Room>,
    /// What the instance has done.
    pub(super) tallies: Tallies,
}

impl Scope {
    /// What is open under a name, made with so many bytes reserved when it is not.
    ///
    /// # Errors
    /// When there are too many names, or no room.
    pub(super) fn open<T: Any + Send + Sync>(
        &self,
        name: &str,
        bytes: usize,
        make: impl FnOnce() -> T,
    ) -> Result<Arc<Opened<T>>, SharedError> {
        let mut opened = self.opened.lock();
        let key = (TypeId::of::<T>(), Box::from(name));
        let known = opened.get(&key).map(|known| Arc::clone(known).downcast());
        if let Some(Ok(known)) = known {
            return Ok(known);
        }
        if opened.len() >= OPENED_MAX {
            return Err(SharedError::Names);
        }
        let lease = Lease::of(&self.room, bytes)?;
        let made = Arc::new(Opened { thing: make(), lease });
        opened.insert(key, Arc::<Opened<T>>::clone(&made) as _);
        Ok(made)
    }
}

/// Something shared, with the room it takes.
#[derive(Debug)]
pub(super) struct Opened<T> {
    thing: T,
    lease: Lease,
}

impl<T> Opened<T> {
    /// Time since the process began to share, for what counts time.
    pub(super) fn now(&self) -> Duration {
        self.lease.room.began.elapsed()
    }
}

impl<T> std::ops::Deref for Opened<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

/// How much is reserved, and the beginning of time.
#[derive(Debug)]
struct Room {
    began: Instant,
    reserved: AtomicUsize,
}

/// A part of the room, given back when it is dropped.
#[derive(Debug)]
struct Lease {
    room: Arc<Room>,
    bytes: usize,
}

impl Lease {
    fn of(room: &Arc<Room>, bytes: usize) -> Result<Self, SharedError> {
        let before = room.reserved.fetch_add(bytes, Ordering::Relaxed);
        let lease = Self { room: Arc::clone(room), bytes };
        if before.saturating_add(bytes) > RESERVED_BYTES_MAX {
            return Err(SharedError::Room);
        }
        Ok(lease)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.room.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_kept_apart_and_live_as_long_as_their_instances() {
        let shared = Shared::new();
        let one = shared.scope(InstanceId(1));
        let open = |scope: &Scope, name: &str| scope.open(name, 1, || Mutex::new(0)).unwrap();
        *open(&one, "a").lock() = 7;
        assert_eq!(*open(&shared.scope(InstanceId(1)), "a").lock(), 7);
        assert_eq!(*open(&one, "b").lock(), 0);
        assert_eq!(*open(&shared.scope(InstanceId(2)), "a").lock(), 0);
        drop(one);
        assert_eq!(*open(&shared.scope(InstanceId(1)), "a").lock(), 0);
    }

    #[test]
    fn room_and_names_end() {
        let shared = Shared::new();
        let scope = shared.scope(InstanceId(1));
        let open = |name: &str, bytes| scope.open(name, bytes, || ()).map(drop);
        assert_eq!(open("a", RESERVED_BYTES_MAX), Ok(()));
        assert_eq!(open("b", 1), Err(SharedError::Room));
        drop(scope);
        let scope = shared.scope(InstanceId(2));
        for number in 0..OPENED_MAX {
            scope.open(&number.to_string(), 1, || ()).unwrap();
        }
        assert_eq!(scope.open("more", 1, || ()).unwrap_err(), SharedError::Names);
    }
}

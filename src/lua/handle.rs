//! Handles: what a script holds of a message. A handle is a number that names a place in a table
//! and how often that place was given away before, so it costs no memory of the VM, and one that a
//! script keeps says that its message is over instead of showing another.
//!
//! Must not know what can be done with a message.

use std::cell::RefCell;
use std::ffi::c_void;
use std::rc::Rc;

use mlua::{LightUserData, Value};

/// Messages of one kind that scripts of a VM may hold at once.
const PLACES_MAX: usize = 1 << INDEX_BITS;

const KIND_BITS: u32 = 4;
const INDEX_BITS: u32 = 20;
/// Set in all handles and in no address of user space, so that neither is taken for the other.
const MARK: u64 = 1 << 63;
/// How often a place can be given away before it is left alone for good.
const TURNS_MAX: u64 = (1 << (63 - KIND_BITS - INDEX_BITS)) - 1;

const _: () = assert!(usize::BITS == 64, "a handle is as wide as a pointer");

/// What a handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    RequestHeaders,
    RequestCookies,
    Response,
    ResponseHeaders,
    ResponseCookies,
}

/// All kinds, in the order of their numbers.
pub(super) const KINDS: [Kind; 6] = [
    Kind::Request,
    Kind::RequestHeaders,
    Kind::RequestCookies,
    Kind::Response,
    Kind::ResponseHeaders,
    Kind::ResponseCookies,
];

/// A place in a table, and which of its turns it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

/// What a script holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(u64);

impl Handle {
    /// The handle behind a value of a script, if it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::LightUserData(LightUserData(address)) => Self::decode(*address),
            _ => None,
        }
    }

    pub(super) fn decode(address: *const c_void) -> Option<Self> {
        let handle = Self(address.addr() as u64);
        (handle.0 & MARK != 0 && handle.number() < KINDS.len()).then_some(handle)
    }

    pub(super) fn address(self) -> *mut c_void {
        std::ptr::without_provenance_mut(usize::try_from(self.0).unwrap_or_default())
    }

    pub(super) fn value(self) -> Value {
        Value::LightUserData(LightUserData(self.address()))
    }

    /// The number of its kind.
    pub(super) fn number(self) -> usize {
        usize::try_from(self.0 & ((1 << KIND_BITS) - 1)).unwrap_or(usize::MAX)
    }

    pub(super) fn kind(self) -> Kind {
        KINDS.get(self.number()).copied().unwrap_or(Kind::Request)
    }

    fn place(self) -> Place {
        Place((self.0 & !MARK) >> KIND_BITS)
    }
}

impl Place {
    /// What a script holds of the message at this place.
    pub(super) fn handle(self, kind: Kind) -> Handle {
        Handle(MARK | self.0 << KIND_BITS | kind as u64)
    }

    fn new(index: usize, turn: u64) -> Self {
        Self(turn << INDEX_BITS | index as u64)
    }

    fn index(self) -> usize {
        usize::try_from(self.0 & ((1 << INDEX_BITS) - 1)).unwrap_or(usize::MAX)
    }

    fn turn(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

/// The messages that scripts hold.
pub(super) struct Places<T> {
    entries: RefCell<Vec<Entry<T>>>,
    free: RefCell<Vec<usize>>,
}

struct Entry<T> {
    turn: u64,
    /// The run that closes the place when it ends; 0 for none.
    owner: u64,
    held: Option<Rc<T>>,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { entries: RefCell::default(), free: RefCell::default() }
    }
}

impl<T> Places<T> {
    /// Gives a message a place, for a run that closes it; none when all are taken.
    pub(super) fn open(&self, held: Rc<T>, owner: u64) -> Option<Place> {
        let mut entries = self.entries.borrow_mut();
        if let Some(index) = self.free.borrow_mut().pop() {
            let entry = entries.get_mut(index)?;
            (entry.held, entry.owner) = (Some(held), owner);
            return Some(Place::new(index, entry.turn));
        }
        let index = entries.len();
        if index == PLACES_MAX {
            return None;
        }
        entries.push(Entry { turn: 0, owner, held: Some(held) });
        Some(Place::new(index, 0))
    }

    /// The message that a handle stands for, unless it is over.
    pub(super) fn get(&self, handle: Handle) -> Option<Rc<T>> {
        let place = handle.place();
        let entries = self.entries.borrow();
        let entry = entries.get(place.index())?;
        entry.held.as_ref().filter(|_| entry.turn == place.turn()).map(Rc::clone)
    }

    /// Ends what handles of a place stand for.
    pub(super) fn close(&self, place: Place) {
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(place.index()) else { return };
        if entry.turn == place.turn() {
            let held = entry.end();
            if entry.turn < TURNS_MAX {
                self.free.borrow_mut().push(place.index());
            }
            drop(entries);
            drop(held);
        }
    }

    /// Ends all that a run has left.
    pub(super) fn close_all(&self, owner: u64) {
        let mut left = Vec::new();
        for (index, entry) in self.entries.borrow_mut().iter_mut().enumerate() {
            if entry.owner == owner && entry.held.is_some() {
                left.extend(entry.end());
                if entry.turn < TURNS_MAX {
                    self.free.borrow_mut().push(index);
                }
            }
        }
        // Not before the table can be used again: what is dropped could need it.
        drop(left);
    }
}

impl<T> Entry<T> {
    fn end(&mut self) -> Option<Rc<T>> {
        self.turn += 1;
        self.held.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_ends_with_its_message() {
        let places = Places::default();
        let first = places.open(Rc::new(1), 0).unwrap();
        let second = places.open(Rc::new(2), 7).unwrap();
        let handles = [first.handle(Kind::Request), second.handle(Kind::ResponseCookies)];
        let values = handles.map(Handle::value);
        assert_eq!(values.each_ref().map(Handle::of), handles.map(Some));
        assert_eq!(handles.map(Handle::kind), [Kind::Request, Kind::ResponseCookies]);
        assert_eq!(handles.map(|handle| places.get(handle).map(|held| *held)), [Some(1), Some(2)]);
        places.close(first);
        places.close(first);
        let third = places.open(Rc::new(3), 7).unwrap().handle(Kind::Request);
        assert_eq!(places.get(handles[0]), None);
        assert_eq!(places.get(third).as_deref(), Some(&3));
        places.close_all(7);
        assert_eq!((places.get(third), places.get(handles[1])), (None, None));
        assert!(places.open(Rc::new(4), 0).unwrap().index() < 2);
    }

    #[test]
    fn addresses_are_no_handles() {
        let here = 5u64;
        assert_eq!(Handle::decode(std::ptr::from_ref(&here).cast()), None);
        assert_eq!(Handle::decode(std::ptr::null()), None);
        assert_eq!(Handle::of(&Value::Nil), None);
    }
}

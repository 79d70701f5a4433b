//! Names that scripts use again and again, as small numbers: fields, methods, headers. The VM
//! keeps the number of a string with the string, so that each is looked up once.
//!
//! Must not know the VM.

use std::cell::RefCell;

use hashbrown::HashMap;
use http::HeaderName;

/// Names that get a number; a script that makes up names does not grow the table beyond this.
const ATOMS_MAX: i16 = 4096;
/// The length in bytes of a name that gets a number.
const NAME_BYTES_MAX: usize = 64;

/// What stands for no number.
pub(super) const NO_ATOM: i16 = -1;

/// The names of one VM.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    numbers: RefCell<HashMap<Box<[u8]>, i16, foldhash::fast::FixedState>>,
    headers: RefCell<Vec<HeaderName>>,
}

impl Atoms {
    /// The number of a name; [`NO_ATOM`] for one that can be neither a field nor a header, and
    /// when there are too many.
    pub(super) fn number(&self, name: &[u8]) -> i16 {
        if let Some(known) = self.numbers.borrow().get(name) {
            return *known;
        }
        if name.len() > NAME_BYTES_MAX {
            return NO_ATOM;
        }
        let mut headers = self.headers.borrow_mut();
        let (Ok(number), Ok(header)) = (i16::try_from(headers.len()), HeaderName::from_bytes(name))
        else {
            return NO_ATOM;
        };
        if number >= ATOMS_MAX {
            return NO_ATOM;
        }
        headers.push(header);
        self.numbers.borrow_mut().insert(name.into(), number);
        number
    }

    /// The header that a number stands for.
    pub(super) fn header(&self, atom: i16) -> Option<HeaderName> {
        self.headers.borrow().get(usize::try_from(atom).ok()?).cloned()
    }
}

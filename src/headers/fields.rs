//! Where the fields of an HTTP/1 head are in the buffer it was read into.
//!
//! A parser borrows the buffer that is then cut and frozen, so places outlive what was borrowed.

use std::ops::Range;

use smallvec::SmallVec;

/// Places of one field, as 32-bit numbers, since heads are far smaller than that.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    name: Place,
    value: Place,
}

/// Places of all fields, in their order.
pub type Fields = SmallVec<[Field; 16]>;

#[derive(Debug, Clone, Copy)]
struct Place {
    start: u32,
    len: u32,
}

impl Field {
    /// Where the name is.
    #[must_use]
    pub fn name(self) -> Range<usize> {
        self.name.range()
    }

    /// How long the name is.
    #[must_use]
    pub fn name_len(self) -> usize {
        self.name.len as usize
    }

    /// Where the value is.
    #[must_use]
    pub fn value(self) -> Range<usize> {
        self.value.range()
    }
}

impl Place {
    fn of(part: &[u8], buffer: &[u8]) -> Self {
        let start = part.as_ptr() as usize - buffer.as_ptr() as usize;
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { start: short(start), len: short(part.len()) }
    }

    fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}

/// Where a part is that was parsed out of the buffer.
#[must_use]
pub fn place(buffer: &[u8], part: &[u8]) -> Range<usize> {
    Place::of(part, buffer).range()
}

/// Places of the fields that were parsed out of the buffer.
#[must_use]
pub fn fields(buffer: &[u8], parsed: &[httparse::Header<'_>]) -> Fields {
    let place = |field: &httparse::Header<'_>| Field {
        name: Place::of(field.name.as_bytes(), buffer),
        value: Place::of(field.value, buffer),
    };
    parsed.iter().map(place).collect()
}

//! The headers of a message: places in the buffer they were read into, until somebody asks for
//! the map.
//!
//! Most requests and answers pass through with their headers as they came, so the map, with a
//! hash for each name and a reference for each value, is made only for those who look something up
//! or change something. Knows nothing of messages.

mod fields;

use std::cell::OnceCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

pub use fields::{Field, Fields, fields, place};

/// Headers, which dereference to the map of them.
///
/// Asking through the map costs making it once; [`Headers::each`], [`Headers::value`],
/// [`Headers::values`], [`Headers::holds`], [`Headers::any`], [`Headers::push`], [`Headers::set`]
/// and [`Headers::delete`] do without.
#[derive(Clone, Default)]
pub struct Headers {
    /// As they were read; what holds while it is there.
    read: Option<Box<Read>>,
    /// What holds else; nothing is none.
    map: Option<Box<HeaderMap>>,
}

/// What headers without a map dereference to.
static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

/// Headers as they were read, and what was added since.
#[derive(Clone)]
struct Read {
    bytes: Bytes,
    fields: Fields,
    added: Added,
    map: OnceCell<HeaderMap>,
}

/// Room for the headers that tell servers where a request came from.
type Added = SmallVec<[(HeaderName, HeaderValue); 6]>;

impl Headers {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Fields of a head that a parser has checked, as the wire has them.
    #[must_use]
    pub fn read(bytes: Bytes, fields: Fields) -> Self {
        Self { read: Some(Box::new(Read::new(bytes, fields))), map: None }
    }

    /// Shows all fields; names are as they were read, in whatever case.
    pub fn each<'a>(&'a self, mut show: impl FnMut(&'a [u8], &'a [u8])) {
        let Some(read) = &self.read else {
            for (name, value) in &**self {
                show(text(name), value.as_bytes());
            }
            return;
        };
        for field in &read.fields {
            show(&read.bytes[field.name()], &read.bytes[field.value()]);
        }
        for (name, value) in &read.added {
            show(text(name), value.as_bytes());
        }
    }

    /// The values of one name, in their order.
    #[must_use]
    pub fn values(&self, name: &HeaderName) -> SmallVec<[&[u8]; 2]> {
        if self.read.is_none() {
            return self.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        }
        let mut values = SmallVec::new();
        if self.holds(name) {
            self.each(|found, value| {
                if is(found, name) {
                    values.push(value);
                }
            });
        }
        values
    }

    /// The first value of one name.
    #[must_use]
    pub fn value(&self, name: &HeaderName) -> Option<&[u8]> {
        let Some(read) = &self.read else { return self.get(name).map(HeaderValue::as_bytes) };
        let field = read.fields.iter().find(|field| read.is(field, name));
        let added = || read.added.iter().find(|(added, _)| added == name);
        match field {
            Some(field) => Some(&read.bytes[field.value()]),
            None => added().map(|(_, value)| value.as_bytes()),
        }
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn holds(&self, name: &HeaderName) -> bool {
        let Some(read) = &self.read else { return self.contains_key(name) };
        read.fields.iter().any(|field| read.is(field, name))
            || read.added.iter().any(|(added, _)| added == name)
    }

    /// Whether any name is like that; names are in whatever case.
    #[must_use]
    pub fn any(&self, mut is: impl FnMut(&[u8]) -> bool) -> bool {
        let Some(read) = &self.read else {
            return self.keys().any(|name| is(text(name)));
        };
        read.fields.iter().any(|field| is(&read.bytes[field.name()]))
            || read.added.iter().any(|(name, _)| is(text(name)))
    }

    /// Adds a field behind the others.
    pub fn push(&mut self, name: HeaderName, value: HeaderValue) {
        match self.open() {
            Some(read) => read.added.push((name, value)),
            None => {
                self.append(name, value);
            }
        }
    }

    /// Sets a field, in place of all of that name.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        match self.open() {
            Some(read) => {
                read.delete(&name);
                read.added.push((name, value));
            }
            None => {
                self.insert(name, value);
            }
        }
    }

    /// Removes all fields of that name.
    pub fn delete(&mut self, name: &HeaderName) {
        if self.read.is_none() && self.map.is_none() {
            return;
        }
        match self.open() {
            Some(read) => read.delete(name),
            None => {
                self.remove(name);
            }
        }
    }

    /// What is changed without a map, unless there is one already.
    fn open(&mut self) -> Option<&mut Read> {
        if self.read.is_none() && self.map.is_none() {
            self.read = Some(Box::new(Read::new(Bytes::new(), Fields::new())));
        }
        self.read.as_deref_mut().filter(|read| read.map.get().is_none())
    }
}

impl Read {
    fn new(bytes: Bytes, fields: Fields) -> Self {
        Self { bytes, fields, added: Added::new(), map: OnceCell::new() }
    }

    /// Whether a field has that name.
    fn is(&self, field: &Field, name: &HeaderName) -> bool {
        is_field(&self.bytes, field, name)
    }

    fn delete(&mut self, name: &HeaderName) {
        let Self { bytes, fields, added, .. } = self;
        fields.retain(|field| !is_field(bytes, field, name));
        added.retain(|(added, _)| added != name);
    }

    fn map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.fields.len() + self.added.len());
        for field in &self.fields {
            let name = HeaderName::from_bytes(&self.bytes[field.name()]);
            let value = HeaderValue::from_maybe_shared(self.bytes.slice(field.value()));
            // The parser has checked the bytes of both by the same tables.
            if let (Ok(name), Ok(value)) = (name, value) {
                map.append(name, value);
            }
        }
        for (name, value) in &self.added {
            map.append(name, value.clone());
        }
        map
    }
}

/// Whether a field of these bytes has that name; most names differ by their length.
fn is_field(bytes: &[u8], field: &Field, name: &HeaderName) -> bool {
    field.name_len() == text(name).len() && is(&bytes[field.name()], name)
}

/// Whether the bytes are that name, in whatever case.
#[must_use]
pub fn is(bytes: &[u8], name: &HeaderName) -> bool {
    bytes.eq_ignore_ascii_case(text(name))
}

fn text(name: &HeaderName) -> &[u8] {
    name.as_str().as_bytes()
}

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        match &self.read {
            None => self.map.as_deref().unwrap_or_else(|| &NONE),
            Some(read) => read.map.get_or_init(|| read.map()),
        }
    }
}

impl DerefMut for Headers {
    fn deref_mut(&mut self) -> &mut HeaderMap {
        if let Some(mut read) = self.read.take() {
            self.map = Some(Box::new(read.map.take().unwrap_or_else(|| read.map())));
        }
        self.map.get_or_insert_default()
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self { read: None, map: Some(Box::new(map)) }
    }
}

impl From<Headers> for HeaderMap {
    fn from(mut headers: Headers) -> Self {
        std::mem::take(&mut *headers)
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a HeaderName, &'a HeaderValue);
    type IntoIter = header::Iter<'a, HeaderValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Headers {
        let bytes = Bytes::from_static(text.as_bytes());
        let mut parsed = [httparse::EMPTY_HEADER; 8];
        let (_, parsed) = httparse::parse_headers(&bytes, &mut parsed).unwrap().unwrap();
        let fields = fields(&bytes, parsed);
        Headers::read(bytes, fields)
    }

    fn shown(headers: &Headers) -> String {
        let mut all = String::new();
        headers.each(|name, value| {
            all += &format!("{}={};", name.escape_ascii(), value.escape_ascii());
        });
        all
    }

    #[test]
    fn are_the_same_read_and_as_a_map() {
        let mut headers = read("X-A: 1\r\nx-b: 2\r\nX-a: 3\r\n\r\n");
        let (a, b, c) = (
            HeaderName::from_static("x-a"),
            HeaderName::from_static("x-b"),
            HeaderName::from_static("x-c"),
        );
        for pass in 0..2 {
            assert_eq!(headers.values(&a).as_slice(), [b"1", b"3"], "{pass}");
            assert!(headers.holds(&b) && !headers.holds(&c), "{pass}");
            assert!(headers.any(|name| name.eq_ignore_ascii_case(b"x-b")), "{pass}");
            let _ = &mut *headers;
        }
    }

    #[test]
    fn are_changed_with_a_map_and_without() {
        let names = ["x-a", "x-b", "x-c"].map(HeaderName::from_static);
        for has_map in [false, true] {
            let mut headers = read("X-A: 1\r\nx-b: 2\r\nX-a: 3\r\n\r\n");
            if has_map {
                let _ = &mut *headers;
            }
            assert_eq!(headers.value(&names[0]), Some(&b"1"[..]), "{has_map}");
            headers.set(names[0].clone(), HeaderValue::from_static("4"));
            headers.set(names[2].clone(), HeaderValue::from_static("5"));
            headers.set(names[2].clone(), HeaderValue::from_static("6"));
            headers.delete(&names[1]);
            let values = names.each_ref().map(|name| headers.value(name));
            assert_eq!(values, [Some(&b"4"[..]), None, Some(b"6")], "{has_map}");
            assert_eq!(shown(&headers).matches(';').count(), 2, "{has_map}");
            headers.delete(&names[2]);
            assert_eq!(shown(&headers).to_lowercase(), "x-a=4;", "{has_map}");
        }
    }

    #[test]
    fn added_ones_come_last_whenever_they_are_added() {
        let name = HeaderName::from_static("x-new");
        let mut headers = read("X-A: 1\r\n\r\n");
        headers.push(name.clone(), HeaderValue::from_static("a"));
        assert_eq!(shown(&headers), "X-A=1;x-new=a;");
        assert_eq!(headers.get("x-a").unwrap(), "1");
        headers.push(name.clone(), HeaderValue::from_static("b"));
        assert_eq!(shown(&headers), "x-a=1;x-new=a;x-new=b;");
        headers.remove(&name);
        assert_eq!(shown(&headers), "x-a=1;");
    }
}

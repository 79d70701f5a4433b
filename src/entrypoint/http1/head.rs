//! The head of a request, read without copying: headers are slices of the buffer.
//!
//! Strict where two readers could understand two things (RFC 9112, sections 6.3 and 11.2).

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{Method, Version};

use super::super::admit::{Head, asks_upgrade};
use crate::headers::{Field, Fields, Headers, fields, place};
use crate::message::Failure;
use crate::upstream::copied_out;

/// A head with what it says of the connection and of the body.
pub(super) struct Heading {
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// Whether the client wants to use the connection again.
    pub(super) keeps: bool,
    /// Whether it waits for 100 Continue.
    pub(super) expects: bool,
    /// Whether it asks for another protocol.
    pub(super) upgrades: bool,
}

/// How the end of a request's body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// After that many bytes.
    Length(u64),
    /// By the chunked coding.
    Chunked,
}

const HEADERS_INLINE: usize = 48;
/// Headers of one request; more are answered with 431.
const HEADERS_MAX: usize = 512;

/// Takes a head off the front of the buffer; `None` while it is incomplete.
pub(super) fn read(buffer: &mut BytesMut) -> Result<Option<Heading>, Refusal> {
    let mut inline = [const { MaybeUninit::uninit() }; HEADERS_INLINE];
    let parsed = match parse(buffer, &mut inline) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut many = vec![MaybeUninit::uninit(); HEADERS_MAX];
            parse(buffer, &mut many)
        }
        parsed => parsed,
    };
    let failure = match parsed {
        Ok(None) => return Ok(None),
        Ok(Some(parsed)) => {
            let bytes = copied_out(buffer, parsed.len);
            let finished = finish(&bytes, parsed);
            return finished.map(Some).map_err(|failure| Refusal::of(failure, &bytes));
        }
        Err(httparse::Error::TooManyHeaders) => Failure::HeadTooLarge,
        // Who speaks another protocol is left waiting, as Traefik does: nothing is judged before
        // the first line is there, within the limits of a head.
        Err(_) if !buffer.contains(&b'\n') => return Ok(None),
        Err(httparse::Error::Version) if is_http(buffer) => Failure::Version,
        Err(_) => Failure::BadRequest("malformed head"),
    };
    Err(Refusal::of(failure, buffer))
}

/// Why bytes are no head, with their first line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) line: Vec<u8>,
}

/// Bytes of a first line that are kept to tell of it.
const LINE_BYTES_MAX: usize = 1024;

impl Refusal {
    pub(super) fn of(failure: Failure, bytes: &[u8]) -> Self {
        let line = bytes.split(|&b| b == b'\r' || b == b'\n').find(|line| !line.is_empty());
        let line = line.unwrap_or_default();
        Self { failure, line: line.get(..LINE_BYTES_MAX).unwrap_or(line).to_vec() }
    }
}

/// Whether the first line ends in some version of HTTP.
fn is_http(buffer: &[u8]) -> bool {
    let line = buffer.split(|&b| b == b'\r' || b == b'\n').find(|line| !line.is_empty());
    let words: Vec<&[u8]> = line.unwrap_or_default().split(|&b| b == b' ').collect();
    matches!(words.as_slice(), [_, _, version] if version.starts_with(b"HTTP/"))
}

/// Where things are in the buffer.
struct Parsed {
    len: usize,
    method: Method,
    target: Range<usize>,
    version: Version,
    fields: Fields,
}

fn parse<'b>(
    buffer: &'b [u8],
    headers: &mut [MaybeUninit<httparse::Header<'b>>],
) -> Result<Option<Parsed>, httparse::Error> {
    let mut request = httparse::Request::new(&mut []);
    let httparse::Status::Complete(len) = request.parse_with_uninit_headers(buffer, headers)?
    else {
        return Ok(None);
    };
    let method = request.method.unwrap_or_default();
    Ok(Some(Parsed {
        len,
        method: Method::from_bytes(method.as_bytes()).map_err(|_| httparse::Error::Token)?,
        target: place(buffer, request.path.unwrap_or_default().as_bytes()),
        version: if request.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 },
        fields: fields(buffer, request.headers),
    }))
}

fn finish(bytes: &Bytes, parsed: Parsed) -> Result<Heading, Failure> {
    let Parsed { len: _, method, target: place, version, mut fields } = parsed;
    let mut said = Said::default();
    let mut refusal = None;
    fields.retain(|field| {
        said.keeps(bytes, *field).unwrap_or_else(|failure| {
            refusal.get_or_insert(failure);
            true
        })
    });
    if let Some(failure) = refusal {
        return Err(failure);
    }
    let framing = said.body.framing(version)?;
    let keeps = match version {
        Version::HTTP_11 => !said.connection.close,
        _ => said.connection.keep_alive && !said.connection.close,
    };
    let (target, authority) = target(bytes.slice(place), &method)?;
    let is_11 = version == Version::HTTP_11;
    let headers = Headers::read(bytes.clone(), fields);
    let upgrades = said.upgrade && is_11 && asks_upgrade(&headers);
    let expects = said.expect && is_11 && framing != Framing::None;
    let head = Head { method, version, target, authority, host: said.host, headers };
    Ok(Heading { head, framing, keeps, expects, upgrades })
}

/// What fields say of the request as a whole.
#[derive(Default)]
struct Said {
    host: Option<Bytes>,
    body: BodyHeaders,
    connection: Tokens,
    upgrade: bool,
    expect: bool,
}

impl Said {
    /// Reads a field, and says whether it is handed on. Most are told apart by their length.
    fn keeps(&mut self, bytes: &Bytes, field: Field) -> Result<bool, Failure> {
        let name = &bytes[field.name()];
        let value = &bytes[field.value()];
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        match name.len() {
            4 if is("host") => {
                if self.host.replace(bytes.slice(field.value())).is_some() {
                    return Err(Failure::BadRequest("more than one Host"));
                }
                return Ok(false);
            }
            10 if is("connection") => self.connection.read(value),
            14 if is("content-length") => return self.body.length(value),
            17 if is("transfer-encoding") => return self.body.coding(value),
            7 if is("upgrade") => self.upgrade = true,
            6 if is("expect") => self.expect = true,
            _ => {}
        }
        Ok(true)
    }
}

/// Path and query, and the authority of an absolute target (RFC 9112, section 3.2).
fn target(target: Bytes, method: &Method) -> Result<(Bytes, Option<Bytes>), Failure> {
    if target.first() == Some(&b'/') || target == "*" || *method == Method::CONNECT {
        return Ok((target, None));
    }
    let malformed = Failure::BadRequest("malformed target");
    let Some(scheme) = target.windows(3).position(|three| three == b"://") else {
        return Err(malformed);
    };
    let named = target[..scheme].first().is_some_and(u8::is_ascii_alphabetic);
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
    if !named || !target[..scheme].iter().all(allowed) {
        return Err(malformed);
    }
    let rest = target.slice(scheme + 3..);
    let end = rest.iter().position(|b| b"/?#".contains(b)).unwrap_or(rest.len());
    let authority = rest.slice(..end);
    let path = match rest.get(end) {
        None => Bytes::from_static(b"/"),
        Some(b'/') => rest.slice(end..),
        Some(_) => [b"/", &rest[end..]].concat().into(),
    };
    if authority.is_empty() { Err(malformed) } else { Ok((path, Some(authority))) }
}

/// What the headers say of the body.
#[derive(Default)]
struct BodyHeaders {
    length: Option<u64>,
    chunked: bool,
}

impl BodyHeaders {
    /// A length in digits alone; two must be the same, and one is handed on.
    fn length(&mut self, value: &[u8]) -> Result<bool, Failure> {
        let bad = Failure::BadRequest("malformed Content-Length");
        let text = std::str::from_utf8(value).ok().filter(|text| !text.is_empty());
        let text = text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let Some(length) = text.and_then(|text| text.parse().ok()) else { return Err(bad) };
        match self.length.replace(length) {
            None => Ok(true),
            Some(before) if before == length => Ok(false),
            Some(_) => Err(bad),
        }
    }

    /// The coding ends at this hop.
    fn coding(&mut self, value: &[u8]) -> Result<bool, Failure> {
        let is_chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
        if !is_chunked || self.chunked {
            return Err(Failure::NotImplemented("transfer coding"));
        }
        self.chunked = true;
        Ok(false)
    }

    fn framing(&self, version: Version) -> Result<Framing, Failure> {
        match (self.chunked, self.length) {
            (false, None) => Ok(Framing::None),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (true, Some(_)) => Err(Failure::BadRequest("both a length and a transfer coding")),
            (true, None) if version != Version::HTTP_11 => {
                Err(Failure::BadRequest("a transfer coding in HTTP/1.0"))
            }
            (true, None) => Ok(Framing::Chunked),
        }
    }
}

/// What `Connection` says of the connection itself.
#[derive(Default)]
struct Tokens {
    close: bool,
    keep_alive: bool,
}

impl Tokens {
    fn read(&mut self, value: &[u8]) {
        for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> Result<Option<Heading>, Failure> {
        read(&mut BytesMut::from(text.as_bytes())).map_err(|refusal| refusal.failure)
    }

    fn target_of(text: &str) -> Option<(String, Option<String>)> {
        let heading = check(&format!("GET {text} HTTP/1.1\r\nHost: h\r\n\r\n")).ok()??;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        Some((text(&heading.head.target), heading.head.authority.as_ref().map(text)))
    }

    #[test]
    fn targets_in_all_forms() {
        let absolute = |path: &str, host: &str| Some((path.to_owned(), Some(host.to_owned())));
        assert_eq!(target_of("/a?b"), Some(("/a?b".into(), None)));
        assert_eq!(target_of("http://a.test/x?y"), absolute("/x?y", "a.test"));
        assert_eq!(target_of("http://a.test:81"), absolute("/", "a.test:81"));
        assert_eq!(target_of("http://a.test?y"), absolute("/?y", "a.test"));
        for bad in ["noslash", "?q=1", "http:///x", "a b://h/", "://h/"] {
            assert_eq!(target_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn one_reading_of_the_body() {
        let framing = |fields: &str| {
            let head = format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
            check(&head).map(|heading| heading.unwrap().framing)
        };
        assert_eq!(framing(""), Ok(Framing::None));
        assert_eq!(framing("Content-Length: 3\r\nContent-Length: 3\r\n"), Ok(Framing::Length(3)));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        for (bad, status) in [
            ("Content-Length: 3\r\nContent-Length: 4\r\n", 400),
            ("Content-Length: +3\r\n", 400),
            ("Content-Length: 3, 3\r\n", 400),
            ("Content-Length: \r\n", 400),
            ("Content-Length: 99999999999999999999\r\n", 400),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
            ("Transfer-Encoding: gzip, chunked\r\n", 501),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 501),
        ] {
            assert_eq!(framing(bad).map_err(|f| f.status().as_u16()), Err(status), "{bad}");
        }
    }

    #[test]
    fn what_is_no_head() {
        for (bad, status) in [
            ("GET  / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/9.9\r\nHost: h\r\n\r\n", 505),
            ("GET / FTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET /a b HTTP/1.1\r\n\r\n", 400),
            ("GE(T / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX : 1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nX: a\r\n folded\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nNoColon\r\n\r\n", 400),
        ] {
            let got = check(bad).err().map(|failure| failure.status().as_u16());
            assert_eq!(got, Some(status), "{bad}");
        }
        let many = "X: 1\r\n".repeat(600);
        let got = check(&format!("GET / HTTP/1.1\r\n{many}\r\n")).err();
        assert_eq!(got, Some(Failure::HeadTooLarge));
        assert!(check("GET / HTTP/1.1\r\nHost: h\r\n").unwrap().is_none());
    }

    #[test]
    fn connections_are_kept_as_their_version_says() {
        for (head, expect) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", false),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ] {
            assert_eq!(check(head).unwrap().unwrap().keeps, expect, "{head}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&mut BytesMut::from(&bytes[..]));
        }

        #[test]
        fn never_panics_on_what_is_nearly_a_head(
            text in "(GET|POST) [/a:?*.-]{0,9} HTTP/1.[01]\r\n\
                     ([HhTC][a-z-]{0,9}: ?[a-z0-9,]{0,5}\r\n){0,4}\r\n",
        ) {
            let _ = read(&mut BytesMut::from(text.as_bytes()));
        }
    }
}

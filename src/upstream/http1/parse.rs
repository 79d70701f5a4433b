//! The head of an answer, read without copying: headers are slices of the buffer.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};

use super::body::Framing;
use crate::message::fields::{Fields, fields};

/// A parsed head.
pub(super) struct Head {
    pub status: StatusCode,
    /// Without hop-by-hop headers.
    pub headers: HeaderMap,
    pub framing: Framing,
    pub keep_alive: bool,
}

/// What is wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    #[error("its head is not HTTP/1")]
    Syntax,
    #[error("its head is too long or has too many headers")]
    TooLong,
    #[error("its status is out of range")]
    Status,
    #[error("its body's length is given in two different ways")]
    Framing,
}

const HEADERS_INLINE: usize = 48;
const HEADERS_MAX: usize = 512;

/// Reads a head from the front of the buffer and takes it off; `None` while it is incomplete.
pub(super) fn head(buffer: &mut BytesMut) -> Result<Option<Head>, HeadError> {
    let mut inline = [const { MaybeUninit::uninit() }; HEADERS_INLINE];
    match parse(buffer, &mut inline) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut many = vec![MaybeUninit::uninit(); HEADERS_MAX];
            match parse(buffer, &mut many) {
                Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooLong),
                Err(_) => Err(HeadError::Syntax),
                Ok(parsed) => finish(buffer, parsed),
            }
        }
        Err(_) => Err(HeadError::Syntax),
        Ok(parsed) => finish(buffer, parsed),
    }
}

/// Where things are in the buffer.
struct Parsed {
    len: usize,
    status: u16,
    version: Version,
    fields: Fields,
}

fn parse<'b>(
    buffer: &'b [u8],
    headers: &mut [MaybeUninit<httparse::Header<'b>>],
) -> Result<Option<Parsed>, httparse::Error> {
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let status = config.parse_response_with_uninit_headers(&mut response, buffer, headers)?;
    let httparse::Status::Complete(len) = status else {
        return Ok(None);
    };
    Ok(Some(Parsed {
        len,
        status: response.code.unwrap_or_default(),
        version: if response.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 },
        fields: fields(buffer, response.headers),
    }))
}

fn finish(buffer: &mut BytesMut, parsed: Option<Parsed>) -> Result<Option<Head>, HeadError> {
    let Some(parsed) = parsed else {
        return Ok(None);
    };
    let status = StatusCode::from_u16(parsed.status).map_err(|_| HeadError::Status)?;
    let bytes = buffer.split_to(parsed.len).freeze();
    let mut headers = HeaderMap::with_capacity(parsed.fields.len());
    let mut connection = Connection::default();
    let mut length = None;
    let mut coded = Coding::None;
    for field in parsed.fields {
        let name = HeaderName::from_bytes(&bytes[field.name()]).map_err(|_| HeadError::Syntax)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice(field.value()))
            .map_err(|_| HeadError::Syntax)?;
        match name {
            header::CONNECTION => connection.read(&value),
            header::PROXY_AUTHENTICATE => continue,
            header::TRANSFER_ENCODING => {
                coded = coded.read(&value);
                continue;
            }
            header::CONTENT_LENGTH => {
                let found = content_length(&value).ok_or(HeadError::Framing)?;
                match length.replace(found) {
                    None => {}
                    Some(before) if before == found => continue,
                    Some(_) => return Err(HeadError::Framing),
                }
            }
            _ if matches!(name.as_str(), "keep-alive" | "proxy-connection") => continue,
            _ => {}
        }
        if status != StatusCode::SWITCHING_PROTOCOLS && is_of_switching(&name) {
            continue;
        }
        headers.append(name, value);
    }
    let framing = match (coded, length) {
        (Coding::Chunked, None) => Framing::Chunked,
        (Coding::Chunked, Some(_)) => {
            // RFC 9112, section 6.3: the coding wins, and the length must not be handed on.
            headers.remove(header::CONTENT_LENGTH);
            Framing::Chunked
        }
        (Coding::Other, _) => return Err(HeadError::Framing),
        (Coding::None, Some(length)) => Framing::Length(length),
        (Coding::None, None) => Framing::Close,
    };
    let persists = match parsed.version {
        Version::HTTP_11 => !connection.close,
        _ => connection.keep_alive,
    };
    let keep_alive = persists && framing != Framing::Close;
    connection.strip(&mut headers, status);
    Ok(Some(Head { status, headers, framing, keep_alive }))
}

/// A length in digits alone; `4, 4` and `+4` are none.
fn content_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The body's coding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Chunked,
    Other,
}

impl Coding {
    fn read(self, value: &HeaderValue) -> Self {
        let chunked = value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
        if chunked && self == Self::None { Self::Chunked } else { Self::Other }
    }
}

/// What `Connection` says.
#[derive(Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    named: Vec<HeaderName>,
}

impl Connection {
    fn read(&mut self, value: &HeaderValue) {
        for token in value.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if let Ok(name) = HeaderName::from_bytes(token) {
                self.named.push(name);
            }
        }
    }

    /// Removes what `Connection` names (RFC 9110, section 7.6.1), but from a 101.
    fn strip(self, headers: &mut HeaderMap, status: StatusCode) {
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        for name in self.named {
            headers.remove(name);
        }
    }
}

/// Headers that only a 101 hands on.
fn is_of_switching(name: &HeaderName) -> bool {
    matches!(*name, header::CONNECTION | header::UPGRADE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Option<Head>, HeadError> {
        head(&mut BytesMut::from(text.as_bytes()))
    }

    #[test]
    fn takes_the_head_off_the_buffer() {
        let mut buffer = BytesMut::from(
            &b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\nhi"[..],
        );
        let head = head(&mut buffer).unwrap().unwrap();
        assert_eq!(&buffer[..], b"hi");
        assert_eq!(head.framing, Framing::Length(2));
        assert_eq!(head.headers.get_all("x-a").iter().count(), 2);
        assert!(head.keep_alive);
    }

    #[test]
    fn reads_framing_in_one_strict_way() {
        let framing = |fields: &str| {
            check(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).map(|h| h.unwrap().framing)
        };
        assert_eq!(framing(""), Ok(Framing::Close));
        assert_eq!(framing("Content-Length: 3\r\nContent-Length: 3\r\n"), Ok(Framing::Length(3)));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(
            framing("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
            Ok(Framing::Chunked)
        );
        for bad in [
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: +3\r\n",
            "Content-Length: 3, 3\r\n",
            "Transfer-Encoding: gzip\r\n",
            "Transfer-Encoding: chunked, chunked\r\n",
        ] {
            assert_eq!(framing(bad), Err(HeadError::Framing), "{bad}");
        }
    }

    #[test]
    fn drops_what_ends_at_this_hop() {
        let head = check(
            "HTTP/1.1 200 OK\r\nConnection: X-Conn\r\nX-Conn: 1\r\nKeep-Alive: x\r\n\
             Upgrade: foo\r\nX-Stays: 1\r\nContent-Length: 0\r\n\r\n",
        )
        .unwrap()
        .unwrap();
        let names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-stays", "content-length"]);
    }

    #[test]
    fn many_headers_and_garbage() {
        let many = "X: 1\r\n".repeat(200);
        assert!(check(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")).unwrap().is_some());
        let many = "X: 1\r\n".repeat(600);
        assert_eq!(
            check(&format!("HTTP/1.1 200 OK\r\n{many}\r\n")).err(),
            Some(HeadError::TooLong)
        );
        assert_eq!(check("SSH-2.0-OpenSSH\r\n\r\n").err(), Some(HeadError::Syntax));
        assert!(check("HTTP/1.1 200 OK\r\nA: b").unwrap().is_none());
    }
}

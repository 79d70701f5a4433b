//! The head of an answer, read without copying: headers are slices of the buffer.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{self, HeaderName};
use http::{StatusCode, Version};

use super::body::Framing;
use crate::headers::{Fields, Headers, fields, is};
use crate::upstream::copied_out;

/// A parsed head.
pub(super) struct Head {
    pub status: StatusCode,
    /// Without hop-by-hop headers.
    pub headers: Headers,
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
    let Some(mut parsed) = parsed else {
        return Ok(None);
    };
    let status = StatusCode::from_u16(parsed.status).map_err(|_| HeadError::Status)?;
    let bytes = copied_out(buffer, parsed.len);
    let mut said = Said { switches: status == StatusCode::SWITCHING_PROTOCOLS, ..Said::default() };
    let mut broken = None;
    parsed.fields.retain(|field| {
        said.keeps(&bytes[field.name()], &bytes[field.value()]).unwrap_or_else(|error| {
            broken = Some(error);
            true
        })
    });
    if let Some(error) = broken {
        return Err(error);
    }
    let Said { connection, length, coded, .. } = said;
    let framing = match (coded, length) {
        (Coding::Chunked, None) => Framing::Chunked,
        (Coding::Chunked, Some(_)) => {
            // RFC 9112, section 6.3: the coding wins, and the length must not be handed on.
            parsed.fields.retain(|field| !is(&bytes[field.name()], &header::CONTENT_LENGTH));
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
    // What `Connection` names ends at this hop (RFC 9110, section 7.6.1), but from a 101.
    if status != StatusCode::SWITCHING_PROTOCOLS {
        for named in &connection.named {
            parsed.fields.retain(|field| !is(&bytes[field.name()], named));
        }
    }
    let headers = Headers::read(bytes, parsed.fields);
    Ok(Some(Head { status, headers, framing, keep_alive }))
}

/// What fields say of the connection and of the body.
#[derive(Default)]
struct Said {
    switches: bool,
    connection: Connection,
    length: Option<u64>,
    coded: Coding,
}

impl Said {
    /// Reads a field, and says whether it is handed on. Most are told apart by their length.
    fn keeps(&mut self, name: &[u8], value: &[u8]) -> Result<bool, HeadError> {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        match name.len() {
            10 if is("connection") => {
                self.connection.read(value);
                Ok(self.switches)
            }
            10 if is("keep-alive") => Ok(false),
            16 if is("proxy-connection") => Ok(false),
            18 if is("proxy-authenticate") => Ok(false),
            17 if is("transfer-encoding") => {
                self.coded = self.coded.read(value);
                Ok(false)
            }
            7 if is("upgrade") => Ok(self.switches),
            14 if is("content-length") => {
                let found = content_length(value).ok_or(HeadError::Framing)?;
                match self.length.replace(found) {
                    None => Ok(true),
                    Some(before) if before == found => Ok(false),
                    Some(_) => Err(HeadError::Framing),
                }
            }
            _ => Ok(true),
        }
    }
}

/// A length in digits alone; `4, 4` and `+4` are none.
fn content_length(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The body's coding.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Coding {
    #[default]
    None,
    Chunked,
    Other,
}

impl Coding {
    fn read(self, value: &[u8]) -> Self {
        let chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
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
    fn read(&mut self, value: &[u8]) {
        for token in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if let Ok(name) = HeaderName::from_bytes(token) {
                self.named.push(name);
            }
        }
    }
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
        let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "x-stays"]);
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

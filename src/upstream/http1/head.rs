//! The head of a request as bytes, without the headers that end at this hop.

use std::io::Write;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Version};
use http_body::Body as _;

use super::super::Endpoint;
use crate::message::{Body, Request, write_name};

/// What of the request a service changes for its servers.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding {
    /// Whose host goes into `Host`.
    pub host: HostHeader,
    /// Whether the server's path goes in front of the request's.
    pub path: PathPrefix,
}

/// Whose host goes into `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's (`passHostHeader: true`).
    Client,
    /// The server's.
    Server,
}

/// Whether the server's path counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathPrefix {
    /// It does not.
    Ignored,
    /// It goes in front (`preservePath: true`).
    Preserved,
}

/// How a request's body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// By `Content-Length`, or there is none.
    Length,
    /// In chunks.
    Chunked,
}

/// Writes the head and says how the body follows.
pub(super) fn write(
    out: &mut Vec<u8>,
    request: &Request,
    endpoint: &Endpoint,
    forwarding: Forwarding,
) -> BodyFraming {
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    if forwarding.path == PathPrefix::Preserved {
        out.extend_from_slice(endpoint.path.as_bytes());
    }
    out.extend_from_slice(request.target.bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    let own = forwarding.host == HostHeader::Server || request.host.is_empty();
    out.extend_from_slice(if own { endpoint.host.as_bytes() } else { &request.host });
    out.extend_from_slice(b"\r\n");
    let named = named_in_connection(&request.headers);
    for (name, value) in &request.headers {
        if !ends_here(name) && !named.contains(name) {
            write_name(out, name);
            rest(out, value.as_bytes());
        }
    }
    if wants_trailers(&request.headers) {
        field(out, "Te", b"trailers");
    }
    if request.upgrade.is_some() {
        out.extend_from_slice(b"Connection: Upgrade\r\n");
        if let Some(protocol) = request.headers.get(header::UPGRADE) {
            field(out, "Upgrade", protocol.as_bytes());
        }
    }
    let framing = write_framing(out, request);
    out.extend_from_slice(b"\r\n");
    framing
}

fn write_framing(out: &mut Vec<u8>, request: &Request) -> BodyFraming {
    let length = match &request.body {
        Body::Empty => {
            let has_body = matches!(request.method, Method::POST | Method::PUT | Method::PATCH)
                || request.headers.contains_key(header::CONTENT_LENGTH);
            if !has_body || request.upgrade.is_some() {
                return BodyFraming::Length;
            }
            Some(0)
        }
        body => body.size_hint().exact(),
    };
    if let Some(length) = length {
        // Writing to a vector cannot fail.
        let _ = write!(out, "Content-Length: {length}\r\n");
        return BodyFraming::Length;
    }
    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    if request.version != Version::HTTP_2 {
        for value in request.headers.get_all(header::TRAILER) {
            field(out, "Trailer", value.as_bytes());
        }
    }
    BodyFraming::Chunked
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    rest(out, value);
}

/// What follows a field's name.
fn rest(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Headers that end at this hop (RFC 9110, section 7.6.1, and what Go's reverse proxy drops), and
/// those that are written anew.
fn ends_here(name: &HeaderName) -> bool {
    match *name {
        header::CONNECTION
        | header::CONTENT_LENGTH
        | header::TRANSFER_ENCODING
        | header::UPGRADE
        | header::TE
        | header::TRAILER
        | header::PROXY_AUTHENTICATE
        | header::PROXY_AUTHORIZATION
        | header::HOST => true,
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection"),
    }
}

/// Whether the client takes trailers: the one thing of `TE` that is handed on.
fn wants_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(header::TE).iter().any(|value| {
        let mut codings = value.as_bytes().split(|&b| b == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

/// Headers that `Connection` names, which end at this hop too; but not those that tell servers
/// where the request came from, which a client could drop that way.
fn named_in_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for value in headers.get_all(header::CONNECTION) {
        let plain: [&[u8]; 4] = [b"keep-alive", b"close", b"upgrade", b"Upgrade"];
        if plain.contains(&value.as_bytes()) {
            continue;
        }
        for token in value.as_bytes().split(|&b| b == b',') {
            if let Ok(name) = HeaderName::from_bytes(token.trim_ascii()) {
                let kept = name.as_str().starts_with("x-forwarded-") || name == "x-real-ip";
                if !kept && name != header::TE {
                    named.push(name);
                }
            }
        }
    }
    named
}

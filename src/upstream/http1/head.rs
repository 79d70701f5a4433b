//! The head of a request as bytes, without the headers that end at this hop.

use std::io::Write;

use http::{Method, Version, header};
use http_body::Body as _;

use super::super::Endpoint;
use super::super::forwarding::{Forwarding, ends_here, named_in_connection, wants_trailers};
use crate::headers::is;
use crate::message::{Body, Request};

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
    out.reserve(request.target.bytes().len() + LINES_BYTES);
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(forwarding.prefix(endpoint).as_bytes());
    out.extend_from_slice(request.target.bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(forwarding.host(request, endpoint));
    out.extend_from_slice(b"\r\n");
    let named = named_in_connection(&request.headers);
    request.headers.each(|name, value| {
        if !ends_here(name) && !named.iter().any(|named| is(name, named)) {
            field(out, name, value);
        }
    });
    if wants_trailers(&request.headers) {
        field(out, b"Te", b"trailers");
    }
    if request.upgrade.is_some() {
        out.extend_from_slice(b"Connection: Upgrade\r\n");
        if let Some(protocol) = request.headers.values(&header::UPGRADE).first() {
            field(out, b"Upgrade", protocol);
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
                || request.headers.holds(&header::CONTENT_LENGTH);
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
        for value in request.headers.values(&header::TRAILER) {
            field(out, b"Trailer", value);
        }
    }
    BodyFraming::Chunked
}

/// Room for what is written beside the headers and the target; more makes the buffer grow.
const LINES_BYTES: usize = 256;

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

//! Heads as they were read become requests, in one strict way, whatever the protocol's version.

use std::rc::Rc;

use ::http::header::{self, HeaderValue};
use ::http::{Method, Version};
use bytes::Bytes;

use super::forwarded::Speech;
use super::heads::Heads;
use super::hop::end_hop;
use crate::headers::Headers;
use crate::message::{Body, Exchange, Failure, Interim, Parts, Request, Target, Upgrade};

/// A request's head, before anything is made of it.
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) version: Version,
    /// Path and query, or `*`.
    pub(super) target: Bytes,
    /// The authority of an absolute target or of `:authority`.
    pub(super) authority: Option<Bytes>,
    /// The `Host` header.
    pub(super) host: Option<Bytes>,
    /// All other headers.
    pub(super) headers: Headers,
}

/// What follows a head.
pub(super) struct Rest {
    pub(super) body: Body,
    pub(super) upgrade: Option<Upgrade>,
    /// Where answers before the answer go.
    pub(super) interim: Option<Rc<Interim>>,
}

/// A request that can be routed, or an answer at once.
pub(super) enum Admission {
    /// To the router.
    Route(Request, Speech),
    /// `OPTIONS *` asks the router itself (RFC 9110, section 9.3.7).
    Own,
}

/// Reads a request in one strict way.
pub(super) fn admit(
    head: Head,
    rest: Rest,
    exchange: Rc<Exchange>,
    heads: &Heads,
) -> Result<Admission, Failure> {
    let Head { method, version, target, authority, host, mut headers } = head;
    if method == Method::CONNECT {
        return Err(Failure::NotImplemented("CONNECT"));
    }
    if host.is_none() && version == Version::HTTP_11 {
        return Err(Failure::BadRequest("no Host"));
    }
    let host = authority.or(host).unwrap_or_default();
    if !host.iter().all(|&b| HOST_BYTES[usize::from(b)]) {
        return Err(Failure::BadRequest("malformed Host"));
    }
    if target == "*" && method == Method::OPTIONS {
        return Ok(Admission::Own);
    }
    let mut target = Target::parse(target).map_err(|_| Failure::BadRequest("malformed target"))?;
    heads.apply(&mut target, &mut headers)?;
    expect_header(&headers)?;
    let Rest { body, upgrade, .. } = rest;
    let speech = if upgrade.is_some() { speech(&headers) } else { Speech::Http };
    end_hop(&mut headers, &heads.connection);
    if matches!(version, Version::HTTP_2 | Version::HTTP_3) {
        join_cookies(&mut headers);
    }
    let parts = Parts { method, target, version, host, headers, body, upgrade, exchange };
    Ok(Admission::Route(parts.into(), speech))
}

/// What a host may hold, as far as requests are refused for it.
const HOST_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let all = b"!$&'()*+,-.:;=[]%_~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut i = 0;
    while i < all.len() {
        allowed[all[i] as usize] = true;
        i += 1;
    }
    allowed
};

/// Only `100-continue` can be expected (RFC 9110, section 10.1.1).
fn expect_header(headers: &Headers) -> Result<(), Failure> {
    match headers.values(&header::EXPECT).first() {
        Some(value) if !value.eq_ignore_ascii_case(b"100-continue") => {
            Err(Failure::ExpectationFailed)
        }
        _ => Ok(()),
    }
}

/// Whether the client asks for another protocol on this connection.
pub(super) fn asks_upgrade(headers: &Headers) -> bool {
    headers.holds(&header::UPGRADE)
        && headers.values(&header::CONNECTION).iter().any(|value| {
            let mut tokens = value.split(|&b| b == b',');
            tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        })
}

fn speech(headers: &Headers) -> Speech {
    match headers.get(header::UPGRADE) {
        Some(to) if to.as_bytes().eq_ignore_ascii_case(b"websocket") => Speech::WebSocket,
        _ => Speech::Http,
    }
}

/// HTTP/2 and HTTP/3 may split `Cookie`; HTTP/1 servers want it whole (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut Headers) {
    let mut all = headers.get_all(header::COOKIE).iter();
    if all.next().is_none() || all.next().is_none() {
        return;
    }
    let values: Vec<_> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&values.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

//! Requests as hyper read them become ours, and our answers become hyper's.

use std::rc::Rc;

use ::http::header::{self, HeaderMap, HeaderValue};
use ::http::{Method, Version};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;

use super::body::{FromClient, ToClient};
use super::forwarded::Speech;
use super::handle::Finish;
use crate::message::{Body, Exchange, Failure, Io, Request, Response, Target};

/// A request that can be routed, or an answer at once.
pub(super) enum Admission {
    /// To the router.
    Route(Box<Request>, Speech),
    /// `OPTIONS *` asks the router itself (RFC 9110, section 9.3.7).
    Own,
}

/// Reads a request in one strict way.
pub(super) fn admit(
    mut request: hyper::Request<Incoming>,
    exchange: Rc<Exchange>,
) -> Result<Admission, Failure> {
    if request.method() == Method::CONNECT {
        return Err(Failure::NotImplemented("CONNECT"));
    }
    let host = host(&mut request)?;
    if request.uri().path() == "*" && request.method() == Method::OPTIONS {
        return Ok(Admission::Own);
    }
    let Some(target) = request.uri().path_and_query() else {
        return Err(Failure::BadRequest("the target has no path"));
    };
    let target = match target.as_str() {
        "" => Bytes::from_static(b"/"),
        text if text.starts_with('?') => Bytes::from(format!("/{text}")),
        text => Bytes::copy_from_slice(text.as_bytes()),
    };
    let target = Target::parse(target).map_err(|_| Failure::BadRequest("malformed target"))?;
    expect_header(request.headers())?;
    let speech = speech(request.headers());
    let asks = request.version() == Version::HTTP_11 && asks_upgrade(request.headers());
    let upgrade = asks.then(|| {
        let upgrade = hyper::upgrade::on(&mut request);
        let io = async { upgrade.await.map(upgraded).map_err(std::io::Error::other) };
        Box::pin(io) as crate::message::Upgrade
    });
    let (parts, incoming) = request.into_parts();
    let mut headers = parts.headers;
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut headers);
    }
    let body = if hyper::body::Body::is_end_stream(&incoming) {
        Body::Empty
    } else {
        Body::stream(FromClient(incoming))
    };
    let (method, version) = (parts.method, parts.version);
    let request = Request { method, target, version, host, headers, body, upgrade, exchange };
    Ok(Admission::Route(Box::new(request), speech))
}

fn upgraded(upgraded: hyper::upgrade::Upgraded) -> Box<dyn Io> {
    Box::new(TokioIo::new(upgraded))
}

/// Takes the host out of the target's authority or the `Host` header.
fn host(request: &mut hyper::Request<Incoming>) -> Result<Bytes, Failure> {
    let mut named = request.headers().get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return Err(Failure::BadRequest("more than one Host"));
    }
    if first.is_none() && request.version() == Version::HTTP_11 {
        return Err(Failure::BadRequest("no Host"));
    }
    let authority = request.uri().authority().map(::http::uri::Authority::as_str);
    if authority.is_some() && request.uri().scheme().is_none() && request.uri().path().is_empty() {
        return Err(Failure::BadRequest("malformed target"));
    }
    let host = match (authority, first) {
        (Some(authority), _) => Bytes::copy_from_slice(authority.as_bytes()),
        (None, Some(host)) => Bytes::copy_from_slice(host.as_bytes()),
        (None, None) => Bytes::new(),
    };
    request.headers_mut().remove(header::HOST);
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"!$&'()*+,-.:;=[]%_~".contains(b);
    if !host.iter().all(allowed) {
        return Err(Failure::BadRequest("malformed Host"));
    }
    Ok(host)
}

/// Only `100-continue` can be expected (RFC 9110, section 10.1.1).
fn expect_header(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(header::EXPECT) {
        Some(value) if !value.as_bytes().eq_ignore_ascii_case(b"100-continue") => {
            Err(Failure::ExpectationFailed)
        }
        _ => Ok(()),
    }
}

fn asks_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && headers.get_all(header::CONNECTION).iter().any(|value| {
            let mut tokens = value.as_bytes().split(|&b| b == b',');
            tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
        })
}

fn speech(headers: &HeaderMap) -> Speech {
    match headers.get(header::UPGRADE) {
        Some(to) if to.as_bytes().eq_ignore_ascii_case(b"websocket") && asks_upgrade(headers) => {
            Speech::WebSocket
        }
        _ => Speech::Http,
    }
}

/// HTTP/2 may split `Cookie`; HTTP/1 servers want it whole (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
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

/// An answer as hyper sends it.
pub(super) fn answer(response: Response, finish: Finish) -> hyper::Response<ToClient> {
    let Response { status, reason, headers, body, failure: _ } = response;
    let mut answer = hyper::Response::new(ToClient::new(body, finish));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    if let Some(reason) = reason.and_then(|reason| ReasonPhrase::try_from(reason).ok()) {
        answer.extensions_mut().insert(reason);
    }
    answer
}

//! Headers that tell servers where a request came from, as Traefik sends them.
//!
//! Those of untrusted clients are dropped; those of trusted ones stay, and what is missing is
//! filled in. The client's own address is added to `X-Forwarded-For` when a request is sent on,
//! after all scripts.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Entrypoint;
use crate::headers::Headers;
use crate::message::Client;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What an untrusted client must not tell servers.
const UNTRUSTED: [HeaderName; 11] = [
    FOR,
    HOST,
    PORT,
    PROTO,
    SERVER,
    REAL_IP,
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-tls-client-cert"),
    HeaderName::from_static("x-forwarded-tls-client-cert-info"),
];

/// What the request is, as far as its scheme goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// Plain requests and answers.
    Http,
    /// A WebSocket handshake.
    WebSocket,
}

/// Writes the headers.
pub(super) fn apply(
    headers: &mut Headers,
    entrypoint: &Entrypoint,
    client: &Client,
    host: &Bytes,
    speech: Speech,
    server_name: &HeaderValue,
) {
    if entrypoint.trust.trusts(client.peer.ip()) {
        fill(headers, client, host, speech, server_name);
        return;
    }
    if headers.any(may_forward) {
        for name in UNTRUSTED {
            headers.remove(name);
        }
    }
    headers.push(REAL_IP, client.ip.clone());
    let proto = proto(client, speech);
    headers.push(PORT, port(host, proto));
    headers.push(PROTO, HeaderValue::from_static(proto));
    if let Ok(host) = HeaderValue::from_maybe_shared(host.clone()) {
        headers.push(HOST, host);
    }
    headers.push(SERVER, server_name.clone());
}

/// `X-Forwarded-For` of a trusted client.
pub(super) fn given(headers: &Headers) -> Option<Box<str>> {
    let values = headers.values(&FOR);
    let given = values.first().filter(|value| !value.is_empty())?;
    Some(String::from_utf8_lossy(given).into())
}

/// Whether a header is one of the untrusted ones, or begins as they do.
fn may_forward(name: &[u8]) -> bool {
    let begins =
        |with: &[u8]| name.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    begins(b"x-") && (begins(b"x-forwarded-") || begins(b"x-real-ip"))
}

/// Fills in what a trusted client did not say.
fn fill(
    headers: &mut Headers,
    client: &Client,
    host: &Bytes,
    speech: Speech,
    server_name: &HeaderValue,
) {
    let given_proto = headers.get(PROTO).filter(|v| !v.is_empty()).cloned();
    let own_proto = proto(client, speech);
    if given_proto.is_none() {
        headers.insert(PROTO, HeaderValue::from_static(own_proto));
    }
    let is_absent =
        |headers: &HeaderMap, name: HeaderName| headers.get(name).is_none_or(HeaderValue::is_empty);
    if is_absent(headers, REAL_IP) {
        headers.insert(REAL_IP, client.ip.clone());
    }
    if is_absent(headers, PORT) {
        let proto = match given_proto.as_ref().map(HeaderValue::as_bytes) {
            Some(b"https" | b"wss") => "https",
            _ => own_proto,
        };
        headers.insert(PORT, port(host, proto));
    }
    if is_absent(headers, HOST)
        && let Ok(host) = HeaderValue::from_maybe_shared(host.clone())
    {
        headers.insert(HOST, host);
    }
    headers.insert(SERVER, server_name.clone());
}

fn proto(client: &Client, speech: Speech) -> &'static str {
    match (client.tls.is_some(), speech) {
        (false, Speech::Http) => "http",
        (true, Speech::Http) => "https",
        (false, Speech::WebSocket) => "ws",
        (true, Speech::WebSocket) => "wss",
    }
}

/// The port the client named, else the scheme's.
fn port(host: &Bytes, proto: &str) -> HeaderValue {
    let after_address = host.iter().rposition(|&b| b == b']').map_or(0, |i| i + 1);
    let colon = host[after_address..].iter().position(|&b| b == b':');
    let named = colon.map(|i| host.slice(after_address + i + 1..)).filter(|port| !port.is_empty());
    if let Some(Ok(port)) = named.map(HeaderValue::from_maybe_shared) {
        return port;
    }
    HeaderValue::from_static(if matches!(proto, "https" | "wss") { "443" } else { "80" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_port(host: &'static str, proto: &str, expect: &str) {
        assert_eq!(port(&Bytes::from_static(host.as_bytes()), proto), expect, "{host}");
    }

    #[test]
    fn port_of_the_host_else_of_the_scheme() {
        check_port("a.test", "http", "80");
        check_port("a.test", "wss", "443");
        check_port("a.test:8080", "https", "8080");
        check_port("[::1]", "http", "80");
        check_port("[::1]:81", "http", "81");
        check_port("a.test:", "http", "80");
    }
}

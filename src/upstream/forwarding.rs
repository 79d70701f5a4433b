//! What of a request changes on its way to a server, whatever protocol carries it.

use http::header::{self, HeaderName};
use http::{Method, StatusCode};

use super::Endpoint;
use crate::headers::Headers;
use crate::message::Request;

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

impl Forwarding {
    /// The value of `Host` or `:authority`.
    pub(super) fn host<'a>(self, request: &'a Request, endpoint: &'a Endpoint) -> &'a [u8] {
        let own = self.host == HostHeader::Server || request.host.is_empty();
        if own { endpoint.host.as_bytes() } else { &request.host }
    }

    /// What goes in front of the request's path.
    pub(super) fn prefix(self, endpoint: &Endpoint) -> &str {
        match self.path {
            PathPrefix::Preserved => &endpoint.path,
            PathPrefix::Ignored => "",
        }
    }
}

/// Headers that end at this hop (RFC 9110, section 7.6.1, and what Go's reverse proxy drops), and
/// those that are written anew. Their length is looked at first, which sorts nearly all out.
pub(super) fn ends_here(name: &[u8]) -> bool {
    let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
    match name.len() {
        2 => is("te"),
        4 => is("host"),
        7 => is("trailer") || is("upgrade"),
        10 => is("connection") || is("keep-alive"),
        14 => is("content-length"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        18 => is("proxy-authenticate"),
        19 => is("proxy-authorization"),
        _ => false,
    }
}

/// Whether the client takes trailers: the one thing of `TE` that is handed on.
pub(super) fn wants_trailers(headers: &Headers) -> bool {
    headers.values(&header::TE).iter().any(|value| {
        let mut codings = value.split(|&b| b == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

/// Headers that `Connection` names, which end at this hop too; but not those that tell servers
/// where the request came from, which a client could drop that way.
pub(super) fn named_in_connection(headers: &Headers) -> Vec<HeaderName> {
    let mut named = Vec::new();
    for value in headers.values(&header::CONNECTION) {
        let plain: [&[u8]; 4] = [b"keep-alive", b"close", b"upgrade", b"Upgrade"];
        if plain.contains(&value) {
            continue;
        }
        for token in value.split(|&b| b == b',') {
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

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether sending the request twice does no more than sending it once (RFC 9110, section 9.2.2),
/// or the client says so.
pub(super) fn is_replayable(request: &Request) -> bool {
    request.method.is_idempotent() || request.headers.holds(&IDEMPOTENCY_KEY)
}

/// Whether an answer has no body whatever its head says (RFC 9110, section 6.4.1).
pub(super) fn has_no_body(method: &Method, status: StatusCode) -> bool {
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
    *method == Method::HEAD || without.contains(&status)
}

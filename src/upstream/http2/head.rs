//! The head of a request as hyper takes it, without the headers that end at this hop.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme as UriScheme, Uri};

use super::super::endpoint::Scheme;
use super::super::forwarding::{ends_here, named_in_connection, wants_trailers};
use super::super::{Endpoint, Forwarding};
use crate::message::{Body, Failure, Request};

/// Builds the head. Fails where HTTP/2 cannot carry what HTTP/1 could.
pub(super) fn build(
    endpoint: &Endpoint,
    forwarding: Forwarding,
    request: &Request,
) -> Result<http::Request<()>, Failure> {
    let mut head = http::Request::new(());
    *head.method_mut() = request.method.clone();
    *head.uri_mut() = uri(endpoint, forwarding, request)?;
    let headers = head.headers_mut();
    headers.reserve(request.headers.len());
    let named = named_in_connection(&request.headers);
    for (name, value) in &request.headers {
        if !ends_here(name.as_str().as_bytes()) && !named.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if wants_trailers(&request.headers) {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if matches!(request.body, Body::Stream(_)) {
        for value in request.headers.get_all(header::TRAILER) {
            headers.append(header::TRAILER, value.clone());
        }
    }
    Ok(head)
}

fn uri(endpoint: &Endpoint, forwarding: Forwarding, request: &Request) -> Result<Uri, Failure> {
    let authority = Authority::try_from(forwarding.host(request, endpoint))
        .map_err(|_| Failure::BadRequest("malformed Host"))?;
    let prefix = forwarding.prefix(endpoint);
    let target = request.target.bytes();
    let path = if prefix.is_empty() {
        PathAndQuery::try_from(&target[..])
    } else {
        PathAndQuery::from_maybe_shared(Bytes::from([prefix.as_bytes(), target].concat()))
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(match endpoint.scheme {
        Scheme::Https => UriScheme::HTTPS,
        Scheme::Http | Scheme::H2c => UriScheme::HTTP,
    });
    parts.authority = Some(authority);
    parts.path_and_query = Some(path.map_err(|_| Failure::BadRequest("malformed target"))?);
    Uri::from_parts(parts).map_err(|_| Failure::BadRequest("malformed target"))
}

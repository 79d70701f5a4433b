//! The one place where a failure becomes an answer.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, StatusCode};

use super::{Body, Failure, Response};

const X_CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// The answer to a failure, worded as Traefik words it.
#[must_use]
pub fn rescue(failure: Failure) -> Response {
    let status = failure.status();
    let mut response = match &failure {
        Failure::NoRouter => go_error(status, "404 page not found\n"),
        Failure::Misdirected { .. } => go_error(status, "Misdirected Request\n"),
        Failure::NoServer => go_error(status, "no available server\n"),
        Failure::Script { id } => plain(status, format!("Internal Server Error ({id})\n")),
        Failure::ClientGone => plain(status, "Client Closed Request"),
        // Go's name of 413 is older than the one of the registry.
        Failure::BodyTooLarge => plain(status, "Request Entity Too Large"),
        _ => plain(status, status.canonical_reason().unwrap_or_default()),
    };
    response.failure = Some(failure);
    response
}

/// A plain text answer.
#[must_use]
pub fn plain(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(status);
    response.headers.set(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.body = text.into();
    response
}

/// Go's `http.Error` forbids browsers to guess the type; Traefik answers 404, 421 and 503 with it.
fn go_error(status: StatusCode, text: &'static str) -> Response {
    let mut response = plain(status, text);
    response.headers.set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

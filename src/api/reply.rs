//! An answer of the API as plain data, so that it can be made on any thread.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::redact;
use crate::message::{Body, Failure, Response, plain, rescue};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    extra: Vec<(HeaderName, HeaderValue)>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const X_NEXT_PAGE: HeaderName = HeaderName::from_static("x-next-page");
/// Moongate's own, so that the dashboard can show a list of any length.
const X_TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

impl Reply {
    /// A value, without its secrets.
    pub(super) fn json(value: Value) -> Self {
        Self::json_as(value, JSON)
    }

    /// A value under another content type.
    pub(super) fn json_as(mut value: Value, content_type: &'static str) -> Self {
        redact::anywhere(&mut value);
        Self::new(StatusCode::OK, content_type, format!("{value}\n"))
    }

    /// A value that holds no secrets, whatever it speaks of.
    pub(super) fn plain(value: &Value) -> Self {
        Self::new(StatusCode::OK, JSON, format!("{value}\n"))
    }

    /// Bytes that browsers save under a name.
    pub(super) fn file(content_type: &'static str, name: &'static str, body: Vec<u8>) -> Self {
        let disposition = (header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
        Self { extra: vec![disposition], ..Self::new(StatusCode::OK, content_type, body) }
    }

    /// The element, if there is one.
    pub(super) fn found(element: Option<Value>, kind: &str, name: &str) -> Self {
        match element {
            Some(element) => Self::json(element),
            None => Self::error(StatusCode::NOT_FOUND, &format!("{kind} not found: {name}")),
        }
    }

    /// One page of a list, which comes next, and how many items all pages have.
    pub(super) fn page(items: Vec<Value>, next: usize, total: usize) -> Self {
        let extra =
            vec![(X_NEXT_PAGE, HeaderValue::from(next)), (X_TOTAL_COUNT, HeaderValue::from(total))];
        Self { extra, ..Self::json(Value::Array(items)) }
    }

    /// An error with its reason, as JSON in plain text, which is how Traefik's API answers.
    pub(super) fn error(status: StatusCode, message: &str) -> Self {
        Self::new(status, TEXT, format!("{}\n", json!({ "message": message })))
    }

    /// No such page.
    pub(super) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, TEXT, "404 page not found\n")
    }

    /// A method other than GET.
    pub(super) fn not_allowed() -> Self {
        let allow = (header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        let reply = Self::new(StatusCode::METHOD_NOT_ALLOWED, TEXT, "");
        Self { extra: vec![allow], ..reply }
    }

    /// To another page of ours.
    pub(super) fn redirect(to: &str) -> Self {
        let location = HeaderValue::from_str(to).map(|to| (header::LOCATION, to));
        Self { extra: location.into_iter().collect(), ..Self::new(StatusCode::FOUND, TEXT, "") }
    }

    /// More is asked than can be answered.
    pub(super) fn busy() -> Self {
        let after = (header::RETRY_AFTER, HeaderValue::from_static("1"));
        let reply = Self::error(StatusCode::SERVICE_UNAVAILABLE, "too many questions at once");
        Self { extra: vec![after], ..reply }
    }

    fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: body.into(), extra: Vec::new() }
    }

    pub(super) fn into_response(self, method: &Method) -> Response {
        if self.status == StatusCode::NOT_FOUND && self.body.starts_with(b"404") {
            return rescue(Failure::NoRouter);
        }
        let mut response = plain(self.status, self.body);
        if *method == Method::HEAD {
            response.body = Body::Empty;
        }
        let headers = &mut response.headers;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.extra {
            headers.insert(name, value);
        }
        response
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (u16, &str) {
        (self.status.as_u16(), std::str::from_utf8(&self.body).unwrap())
    }

    #[cfg(test)]
    pub(super) fn next_page(&self) -> Option<&str> {
        self.extra.first().and_then(|(_, value)| value.to_str().ok())
    }
}

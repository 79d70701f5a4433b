//! An answer of the API as plain data, so that it can be made on any thread.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::message::{Body, Failure, Response, plain, rescue};

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: String,
    extra: Option<(HeaderName, HeaderValue)>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const X_NEXT_PAGE: HeaderName = HeaderName::from_static("x-next-page");

impl Reply {
    /// A value.
    pub(super) fn json(value: &Value) -> Self {
        Self::new(StatusCode::OK, JSON, format!("{value}\n"))
    }

    /// A value under another content type.
    pub(super) fn json_as(value: &Value, content_type: &'static str) -> Self {
        Self::new(StatusCode::OK, content_type, format!("{value}\n"))
    }

    /// The element, if there is one.
    pub(super) fn found(element: Option<&Value>, kind: &str, name: &str) -> Self {
        match element {
            Some(element) => Self::json(element),
            None => Self::error(StatusCode::NOT_FOUND, &format!("{kind} not found: {name}")),
        }
    }

    /// One page of a list, and which comes next.
    pub(super) fn page(items: Vec<Value>, next: usize) -> Self {
        let next = HeaderValue::from(next);
        Self { extra: Some((X_NEXT_PAGE, next)), ..Self::json(&Value::Array(items)) }
    }

    /// An error with its reason, as JSON in plain text, which is how Traefik's API answers.
    pub(super) fn error(status: StatusCode, message: &str) -> Self {
        Self::new(status, TEXT, format!("{}\n", json!({ "message": message })))
    }

    /// No such page.
    pub(super) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, TEXT, "404 page not found\n".to_owned())
    }

    /// A method other than GET.
    pub(super) fn not_allowed() -> Self {
        let allow = (header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        let reply = Self::new(StatusCode::METHOD_NOT_ALLOWED, TEXT, String::new());
        Self { extra: Some(allow), ..reply }
    }

    /// To another page of ours.
    pub(super) fn redirect(to: &'static str) -> Self {
        let location = (header::LOCATION, HeaderValue::from_static(to));
        let reply = Self::new(StatusCode::FOUND, TEXT, String::new());
        Self { extra: Some(location), ..reply }
    }

    /// The process is about to end.
    pub(super) fn stopping() -> Self {
        Self::error(StatusCode::SERVICE_UNAVAILABLE, "stopping")
    }

    fn new(status: StatusCode, content_type: &'static str, body: String) -> Self {
        Self { status, content_type, body, extra: None }
    }

    pub(super) fn into_response(self, method: &Method) -> Response {
        if self.status == StatusCode::NOT_FOUND && self.body.starts_with("404") {
            return rescue(Failure::NoRouter);
        }
        let mut response = plain(self.status, Bytes::from(self.body));
        if *method == Method::HEAD {
            response.body = Body::Empty;
        }
        let content_type = HeaderValue::from_static(self.content_type);
        response.headers.insert(header::CONTENT_TYPE, content_type);
        if let Some((name, value)) = self.extra {
            response.headers.insert(name, value);
        }
        response
    }

    #[cfg(test)]
    pub(super) fn parts(&self) -> (u16, &str) {
        (self.status.as_u16(), &self.body)
    }

    #[cfg(test)]
    pub(super) fn next_page(&self) -> Option<&str> {
        self.extra.as_ref().and_then(|(_, value)| value.to_str().ok())
    }
}

//! The dashboard: pages for browsers, which ask the API for everything they show.
//!
//! The files are in the binary. Nothing is loaded from elsewhere, and the policy that is sent with
//! them forbids browsers to try.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use ring::digest::{SHA256, digest};

use super::reply::Reply;
use super::{is_read, prefix};
use crate::message::{Body, LocalFuture, Request, Response, plain};
use crate::service::Internal;

/// The files by name, with their types. The first is the page itself.
const FILES: &[(&str, &str, &[u8])] = &[
    ("index.html", "text/html; charset=utf-8", include_bytes!("../../dashboard/index.html")),
    ("style.css", "text/css; charset=utf-8", include_bytes!("../../dashboard/style.css")),
    ("theme.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/theme.js")),
    ("app.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/app.js")),
    ("dom.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/dom.js")),
    ("list.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/list.js")),
    ("pages.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/pages.js")),
    ("way.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/way.js")),
    ("live.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/live.js")),
    ("explain.js", "text/javascript; charset=utf-8", include_bytes!("../../dashboard/explain.js")),
    ("icon.svg", "image/svg+xml", include_bytes!("../../dashboard/icon.svg")),
];

/// Nothing but our own files, and no frame around them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const SAFETY: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // Browsers ask each time, and are told in a few bytes that nothing has changed.
    (header::CACHE_CONTROL, "no-cache"),
];

/// `dashboard@internal`: the files, without the API.
#[derive(Debug)]
pub struct Dashboard {
    /// By name: the type, the text, and what tells it from other versions of it.
    files: Vec<(&'static str, HeaderValue, Bytes, HeaderValue)>,
}

impl Dashboard {
    /// All files.
    pub(super) fn new() -> Arc<Self> {
        let file = |(name, kind, text): &(&'static str, &'static str, &'static [u8])| {
            let tag = digest(&SHA256, text);
            let tag = HEXLOWER.encode(tag.as_ref().first_chunk::<8>().unwrap_or(&[0; 8]));
            let tag = HeaderValue::try_from(format!("\"{tag}\""));
            let tag = tag.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
            (*name, HeaderValue::from_static(kind), Bytes::from_static(text), tag)
        };
        Arc::new(Self { files: FILES.iter().map(file).collect() })
    }

    /// Answers for a path below `/dashboard`.
    pub(super) fn answer(&self, path: &str, request: &Request) -> Response {
        if !is_read(&request.method) {
            return Reply::not_allowed().into_response(&request.method);
        }
        let name = match path {
            // Names of files are relative to the folder, so that the page must be in it.
            "" => return Reply::redirect("dashboard/").into_response(&request.method),
            "/" => "index.html",
            path => path.trim_start_matches('/'),
        };
        self.file(name, &request.method, &request.headers)
    }

    fn file(&self, name: &str, method: &Method, headers: &HeaderMap) -> Response {
        let Some((_, kind, text, tag)) = self.files.iter().find(|(known, ..)| *known == name)
        else {
            return Reply::no_page().into_response(method);
        };
        let is_known = headers.get(header::IF_NONE_MATCH) == Some(tag);
        let mut response = match is_known {
            true => Response::new(StatusCode::NOT_MODIFIED),
            false => plain(StatusCode::OK, text.clone()),
        };
        if *method == Method::HEAD {
            response.body = Body::Empty;
        }
        if !is_known {
            response.headers.insert(header::CONTENT_TYPE, kind.clone());
        }
        response.headers.insert(header::ETAG, tag.clone());
        for (name, value) in SAFETY {
            response.headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl Internal for Dashboard {
    /// The path comes without `/dashboard`, which a middleware has removed, or with it.
    fn serve(self: Arc<Self>, request: Request) -> LocalFuture<'static, Response> {
        let path = request.target.path();
        let is_page = path == "/" && prefix_ends(&request.headers);
        let path = match path.rsplit_once("/dashboard") {
            _ if is_page => "",
            Some((_, path)) if path.is_empty() || path.starts_with('/') => path,
            _ => path,
        };
        let response = self.answer(path, &request);
        Box::pin(async move { response })
    }
}

/// Whether the removed prefix ends without a slash, so that the page is not in its folder.
fn prefix_ends(headers: &HeaderMap) -> bool {
    let given = headers.get("x-forwarded-prefix").and_then(|value| value.to_str().ok());
    given.is_some_and(|given| !given.ends_with('/')) && prefix(headers).ends_with("/dashboard")
}

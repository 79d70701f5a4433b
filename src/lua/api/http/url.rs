//! The URL of a request of a script's own, taken apart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;

use super::super::url::{Plus, decode};
use crate::lua::FetchError;
use crate::message::Target;

/// Whom a request goes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A service by name.
    Service(String),
    /// A server by the beginning of its URL, and its host with port.
    Origin(String, Bytes),
}

/// A URL taken apart.
#[derive(Debug)]
pub(super) struct Url {
    pub(super) to: To,
    pub(super) target: Target,
    /// The `Authorization` that name and password in the URL stand for.
    pub(super) credentials: Option<HeaderValue>,
}

impl Url {
    /// Reads `http://…`, `https://…` or `service:NAME/PATH`.
    pub(super) fn parse(url: &str) -> Result<Self, FetchError> {
        let wrong = |reason: &str| FetchError::Url { reason: format!("{reason}: {url:?}") };
        let url_without = url.split('#').next().unwrap_or_default();
        let (scheme, rest) = match url_without.strip_prefix("service:") {
            Some(rest) => (None, rest),
            None => {
                let parts = url_without.split_once("://");
                let (scheme, rest) = parts.ok_or_else(|| wrong("it has no scheme"))?;
                (Some(scheme), rest)
            }
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err(wrong("it names nobody"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let target = Target::parse(path.into()).map_err(|error| wrong(&error.to_string()))?;
        let Some(scheme) = scheme else {
            return Ok(Self { to: To::Service(authority.to_owned()), target, credentials: None });
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let origin = format!("{}://{host}", scheme.to_ascii_lowercase());
        let to = To::Origin(origin, Bytes::copy_from_slice(host.as_bytes()));
        Ok(Self { to, target, credentials: user.and_then(basic) })
    }
}

/// Name and password of a URL as a header.
fn basic(user: &str) -> Option<HeaderValue> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let part = |text: &str| decode(text.as_bytes(), Plus::Kept);
    let pair = [part(name)?, b":".to_vec(), part(password)?].concat();
    HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_and_services() {
        let origin = |origin: &str, host: &str| {
            To::Origin(origin.to_owned(), Bytes::copy_from_slice(host.as_bytes()))
        };
        for (url, to, target, credentials) in [
            ("http://a.test", origin("http://a.test", "a.test"), "/", None),
            ("HTTPS://a.test:1/x?y=1#z", origin("https://a.test:1", "a.test:1"), "/x?y=1", None),
            ("http://a.test?y", origin("http://a.test", "a.test"), "/?y", None),
            ("http://[::1]:80/", origin("http://[::1]:80", "[::1]:80"), "/", None),
            ("http://u:p%40@a/", origin("http://a", "a"), "/", Some("Basic dTpwQA==")),
            ("service:auth@file/check", To::Service("auth@file".to_owned()), "/check", None),
            ("service:auth", To::Service("auth".to_owned()), "/", None),
        ] {
            let got = Url::parse(url).unwrap();
            assert_eq!((&got.to, got.target.as_str()), (&to, target), "{url}");
            let expect = credentials.map(HeaderValue::from_static);
            assert_eq!(got.credentials, expect, "{url}");
        }
        for url in ["", "a.test/x", "http://", "http:///x", "service:", "http://a/\u{7f}"] {
            assert!(Url::parse(url).is_err(), "{url}");
        }
    }
}

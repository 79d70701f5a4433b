//! A server's address with the limits that hold for connections to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// How servers are connected to: the runtime form of a serversTransport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Limit of opening a connection.
    pub dial_timeout: Option<Duration>,
    /// Limit of waiting for an answer's head, from the end of the request.
    pub response_header_timeout: Option<Duration>,
    /// How long an idle connection is kept.
    pub idle_timeout: Option<Duration>,
    /// Idle connections kept to one server, over all workers.
    pub idle_max: usize,
}

impl Default for Transport {
    fn default() -> Self {
        Self {
            dial_timeout: Some(Duration::from_secs(30)),
            response_header_timeout: None,
            idle_timeout: Some(Duration::from_secs(90)),
            idle_max: 200,
        }
    }
}

/// One server: where it is and how to talk to it. Shared by all workers and kept across
/// configurations while its URL and transport stay the same, so that pools stay too.
#[derive(Debug)]
pub struct Endpoint {
    /// Distinguishes pools; unique in the process.
    pub(super) id: u64,
    /// Host and port to dial.
    pub(super) authority: Arc<str>,
    /// Host and port as the URL writes them, for the `Host` header.
    pub(super) host: Arc<str>,
    /// The URL's path without its last slash; put in front of paths with `preservePath`.
    pub(super) path: Arc<str>,
    /// The URL as configured.
    source: Arc<str>,
    /// Scheme, host and port, as the access log and the API name the server.
    url: Arc<str>,
    /// Limits.
    pub(super) transport: Arc<Transport>,
    /// Idle connections over all workers.
    pub(super) idle: AtomicUsize,
}

/// Why a server's URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not of the form `scheme://host[:port][/path]`.
    #[error("{url:?} is no URL of a server: write it as http://host:port")]
    Syntax {
        /// As written.
        url: String,
    },
    /// A scheme that is not supported.
    #[error("{url:?}: the scheme {scheme:?} is not supported, only http is so far")]
    Scheme {
        /// As written.
        url: String,
        /// Its scheme.
        scheme: String,
    },
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Endpoint {
    /// Reads a server's URL.
    ///
    /// # Errors
    /// When it is malformed or its scheme is not supported.
    pub fn parse(url: &str, transport: Arc<Transport>) -> Result<Self, EndpointError> {
        let syntax = || EndpointError::Syntax { url: url.to_owned() };
        let (scheme, rest) = url.split_once("://").ok_or_else(syntax)?;
        if !scheme.eq_ignore_ascii_case("http") {
            let (url, scheme) = (url.to_owned(), scheme.to_owned());
            return Err(EndpointError::Scheme { url, scheme });
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let host_part = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]%".contains(&b);
        if host_part.is_empty() || !host_part.bytes().all(allowed) {
            return Err(syntax());
        }
        Ok(Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            authority: with_port(host_part).ok_or_else(syntax)?.into(),
            host: host_part.into(),
            path: path.trim_end_matches('/').into(),
            source: url.into(),
            url: format!("http://{host_part}").into(),
            transport,
            idle: AtomicUsize::new(0),
        })
    }

    /// The URL as configured.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// The transport it is talked to with.
    #[must_use]
    pub fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }
}

/// Adds port 80 where none is written.
fn with_port(host: &str) -> Option<String> {
    let after_address = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.1,
        None => host.find(':').map_or("", |i| &host[i..]),
    };
    match after_address.strip_prefix(':') {
        None if after_address.is_empty() => Some(format!("{host}:80")),
        Some(port) if port.parse::<u16>().is_ok() => Some(host.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expect: Option<(&str, &str)>) {
        let got = Endpoint::parse(url, Arc::default()).ok();
        let got = got.as_ref().map(|e| (&*e.authority, &*e.path));
        assert_eq!(got, expect, "{url}");
    }

    #[test]
    fn reads_urls() {
        check("http://a.test", Some(("a.test:80", "")));
        check("http://a.test:81/", Some(("a.test:81", "")));
        check("HTTP://127.0.0.1:8080/base/", Some(("127.0.0.1:8080", "/base")));
        check("http://[::1]/x", Some(("[::1]:80", "/x")));
        check("http://[::1]:8/x", Some(("[::1]:8", "/x")));
        check("http://u:p@a.test/", Some(("a.test:80", "")));
        check("http://", None);
        check("http://a:b", None);
        check("http://a:99999", None);
        check("http://a b", None);
        check("ftp://a", None);
        check("a.test:80", None);
    }
}

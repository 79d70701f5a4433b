//! A server's address with the limits that hold for connections to it.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rustls::pki_types::ServerName;

use super::names::Name;
use super::tls;
use super::transport::{Http2, Transport};

/// One server: where it is and how to talk to it. Shared by all workers and kept across
/// configurations while its URL and transport stay the same, so that pools stay too.
#[derive(Debug)]
pub struct Endpoint {
    /// What connections need to know.
    core: Arc<Core>,
    /// What is spoken.
    pub(super) scheme: Scheme,
    /// Host and port as the URL writes them, for the `Host` header.
    pub(super) host: Arc<str>,
    /// The URL's path without its last slash; put in front of paths with `preservePath`.
    pub(super) path: Arc<str>,
    /// The URL as configured.
    source: Arc<str>,
    /// Scheme, host and port, as the access log and the API name the server.
    url: Arc<str>,
    /// The name asked for and verified in TLS; only with `https`.
    pub(super) tls_name: Option<ServerName<'static>>,
    /// Whether the server chose HTTP/1 when HTTP/2 was offered last.
    chose_http1: AtomicBool,
}

/// What connections to a server need to know of it. They hold this and not the endpoint, so that an
/// endpoint which no configuration names any more ends, and its idle connections after it.
#[derive(Debug)]
pub struct Core {
    /// Distinguishes pools; unique in the process.
    pub(super) id: u64,
    /// Host and port to dial.
    pub(super) authority: Arc<str>,
    /// Where they lead to.
    pub(super) name: Arc<Name>,
    /// Limits.
    pub(super) transport: Arc<Transport>,
    /// Idle connections over all workers.
    pub(super) idle: AtomicUsize,
    /// Whether the endpoint has ended.
    pub(super) retired: AtomicBool,
}

impl Core {
    /// Whether an idle connection to that address may be used again.
    pub(super) fn keeps(&self, peer: Option<IpAddr>) -> bool {
        !self.retired.load(Ordering::Relaxed) && self.name.leads_to(peer)
    }
}

impl Deref for Endpoint {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.core.retired.store(true, Ordering::Relaxed);
    }
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// HTTP/1.
    Http,
    /// HTTP/2 or HTTP/1 in TLS.
    Https,
    /// HTTP/2 without TLS, known beforehand.
    H2c,
}

/// Schemes with the port that stands for them.
const SCHEMES: &[(&str, Scheme, u16)] =
    &[("http", Scheme::Http, 80), ("https", Scheme::Https, 443), ("h2c", Scheme::H2c, 80)];

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
    #[error("{url:?}: the scheme {scheme:?} is not supported; known are http, https, h2c")]
    Scheme {
        /// As written.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// A host that cannot be asked for in TLS.
    #[error("{url:?}: TLS cannot be spoken with a host of that name")]
    TlsName {
        /// As written.
        url: String,
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
        let known = SCHEMES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(scheme));
        let Some(&(name, scheme, port)) = known else {
            let (url, scheme) = (url.to_owned(), scheme.to_owned());
            return Err(EndpointError::Scheme { url, scheme });
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let host_part = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:[]%".contains(&b);
        if host_part.is_empty() || !host_part.bytes().all(allowed) {
            return Err(syntax());
        }
        let tls_name = match scheme {
            Scheme::Http | Scheme::H2c => None,
            Scheme::Https => Some(tls_name(host_part, &transport).ok_or_else(|| {
                let url = url.to_owned();
                EndpointError::TlsName { url }
            })?),
        };
        let authority: Arc<str> = with_port(host_part, port).ok_or_else(syntax)?.into();
        Ok(Self {
            core: Arc::new(Core {
                id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
                name: Arc::new(Name::new(&authority)),
                authority,
                transport,
                idle: AtomicUsize::new(0),
                retired: AtomicBool::new(false),
            }),
            scheme,
            host: host_part.into(),
            path: path.trim_end_matches('/').into(),
            source: url.into(),
            url: format!("{name}://{host_part}").into(),
            tls_name,
            chose_http1: AtomicBool::new(false),
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

    /// What connections hold.
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Whether HTTP/2 may come of a connection.
    pub(super) fn may_speak_http2(&self) -> bool {
        match self.scheme {
            Scheme::Http => false,
            Scheme::Https => self.transport.http2 == Http2::Offered,
            Scheme::H2c => true,
        }
    }

    /// Whether HTTP/1 came of the last connection that offered HTTP/2.
    pub(super) fn speaks_http1(&self) -> bool {
        self.chose_http1.load(Ordering::Relaxed)
    }

    /// Notes what came of a connection.
    pub(super) fn note_http1(&self, chosen: bool) {
        self.chose_http1.store(chosen, Ordering::Relaxed);
    }

    /// The transport it is talked to with.
    #[must_use]
    pub fn transport(&self) -> &Arc<Transport> {
        &self.transport
    }
}

/// The transport's name for the server, else the host without port and brackets.
fn tls_name(host: &str, transport: &Transport) -> Option<ServerName<'static>> {
    if let Some(name) = transport.tls.as_ref().and_then(|tls| tls.server_name.clone()) {
        return Some(name);
    }
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split(':').next().unwrap_or_default(),
    };
    tls::server_name(name)
}

/// Adds the scheme's port where none is written.
fn with_port(host: &str, port: u16) -> Option<String> {
    let after_address = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.1,
        None => host.find(':').map_or("", |i| &host[i..]),
    };
    match after_address.strip_prefix(':') {
        None if after_address.is_empty() => Some(format!("{host}:{port}")),
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
        check("https://a.test", Some(("a.test:443", "")));
        check("https://[::1]:8443/x", Some(("[::1]:8443", "/x")));
        check("h2c://a.test", Some(("a.test:80", "")));
        check("https://a~b", None);
        check("http://", None);
        check("http://a:b", None);
        check("http://a:99999", None);
        check("http://a b", None);
        check("ftp://a", None);
        check("a.test:80", None);
    }
}

//! Requests to an authority, over the same connections that servers are reached by.
//!
//! Must not know the protocol that is spoken over them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hashbrown::HashMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::ClientError;
use crate::headers::Headers;
use crate::message::{Body, Client, Exchange, Parts, Request, Target};
use crate::upstream::{Endpoint, Forwarding, Hop, HostHeader, PathPrefix, Pools, Transport, send};

/// Sends requests.
pub(in crate::acme) struct Web {
    pools: Rc<Pools>,
    transport: Arc<Transport>,
    endpoints: RefCell<HashMap<String, Arc<Endpoint>>>,
    /// For a whole answer.
    limit: Duration,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Web").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// An answer of whatever status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: Headers,
    pub(super) body: Bytes,
}

/// A chain of certificates has some 5,000 bytes.
const BYTES_MAX: usize = 1024 * 1024;
/// How authorities know who asks (RFC 8555, section 6.1).
const AGENT: &str = concat!("moongate/", env!("CARGO_PKG_VERSION"));
/// Authorities use a handful of hosts at most.
const ENDPOINTS_MAX: usize = 16;
const JOSE: HeaderValue = HeaderValue::from_static("application/jose+json");

impl Web {
    pub(in crate::acme) fn new(transport: Transport, limit: Duration) -> Self {
        let (transport, endpoints) = (Arc::new(transport), RefCell::default());
        Self { pools: Pools::new(), transport, endpoints, limit }
    }

    /// Sends a request; `body` is a signed message.
    pub(super) async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, ClientError> {
        let late = |_| ClientError::Late { url: url.to_owned(), limit: self.limit };
        tokio::time::timeout(self.limit, self.exchange(method, url, body)).await.map_err(late)?
    }

    async fn exchange(
        &self,
        method: Method,
        url: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, ClientError> {
        let wrong = || ClientError::Url { url: url.to_owned() };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let endpoint = self.endpoint(&format!("{scheme}://{host}")).ok_or_else(wrong)?;
        let path = if path.is_empty() { "/" } else { path };
        let target = Target::parse(Bytes::copy_from_slice(path.as_bytes())).map_err(|_| wrong())?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, JOSE);
        }
        let request = Request::from(Parts {
            method,
            target,
            version: Version::HTTP_11,
            host: Bytes::new(),
            headers: headers.into(),
            body: body.map(Body::from).unwrap_or_default(),
            upgrade: None,
            exchange: Rc::new(Exchange::new(Rc::new(Client::nobody()))),
        });
        let forwarding =
            Forwarding { host: HostHeader::Server, path: PathPrefix::Ignored, hop: Hop::Untold };
        let mut response = send(&self.pools, &endpoint, forwarding, request).await;
        if let Some(failure) = &response.failure {
            let (url, reason) = (url.to_owned(), failure.to_string());
            return Err(ClientError::Unreachable { url, reason });
        }
        let body = std::mem::take(&mut response.body).collect(BYTES_MAX).await;
        let body = body.map_err(|_| ClientError::Malformed {
            url: url.to_owned(),
            what: "an answer that is cut short or too long",
        })?;
        Ok(Answer { status: response.status, headers: response.headers, body })
    }

    fn endpoint(&self, origin: &str) -> Option<Arc<Endpoint>> {
        let mut endpoints = self.endpoints.borrow_mut();
        if let Some(endpoint) = endpoints.get(origin) {
            return Some(Arc::clone(endpoint));
        }
        let endpoint = Arc::new(Endpoint::parse(origin, Arc::clone(&self.transport)).ok()?);
        if endpoints.len() < ENDPOINTS_MAX {
            endpoints.insert(origin.to_owned(), Arc::clone(&endpoint));
        }
        Some(endpoint)
    }
}

impl Answer {
    /// A header's first value, if it is text.
    pub(super) fn header(&self, name: &HeaderName) -> Option<String> {
        let values = self.headers.values(name);
        let first = values.first()?;
        Some(std::str::from_utf8(first).ok()?.to_owned())
    }

    /// The URLs that the answer links to in that relation (RFC 8288).
    pub(super) fn links(&self, relation: &str) -> Vec<String> {
        let values = self.headers.values(&http::header::LINK);
        let all = values.iter().filter_map(|value| std::str::from_utf8(value).ok());
        let wanted = format!("rel=\"{relation}\"");
        let links = all.flat_map(|value| value.split(',')).filter_map(|link| {
            let (url, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
            rest.contains(&wanted).then(|| url.to_owned())
        });
        links.collect()
    }

    /// How long the server asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let text = self.header(&RETRY_AFTER)?;
        if let Ok(seconds) = text.trim().parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = httpdate::parse_http_date(text.trim()).ok()?;
        Some(at.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

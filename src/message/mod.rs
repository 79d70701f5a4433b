//! Our own request, response and body: what handlers, services and scripts see.
//!
//! Knows the `http` crate's vocabulary (method, status, header map) and nothing of hyper, so that
//! the server half of HTTP/1 can be exchanged. Must not know services, scripts or sockets.

mod body;
pub mod chunked;
mod exchange;
mod failure;
mod host;
mod kept;
mod pace;
pub mod proxy;
mod rescue;
mod spool;
mod target;
mod trace;

use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use bytes::Bytes;
use http::{Method, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::headers::Headers;

pub use body::{Body, BodyError, BodyStream};
pub use exchange::{
    Attempt, Client, Crossed, Exchange, IngressRoute, Interim, Observed, Protocol, Record,
    TlsFacts, Tracing,
};
pub use failure::{Failure, Side};
pub use host::routing_host;
pub use kept::{KeepError, Kept, Lent, ReadAhead, Room, peek, read_ahead};
pub use pace::{Timeouts, in_force, in_time, paced, silence};
pub use rescue::{plain, rescue};
pub use spool::Spool;
pub use target::{Target, TargetError};
pub use trace::{AttributeValue, Opened, Span, SpanKind, Trace, TraceParent, TraceRules};

/// A future that stays on its worker's thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A byte stream that a connection turns into after a 101 answer.
pub trait Io: AsyncRead + AsyncWrite + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Io for T {}

/// The client's side of an upgrade: resolves once the 101 answer has been sent.
pub type Upgrade = LocalFuture<'static, io::Result<Box<dyn Io>>>;

/// One request on its way to a server: one pointer to its parts, since it is handed through many
/// futures.
pub struct Request(Box<Parts>);

/// What a request consists of.
///
/// `headers` never holds `Host`: it is `host`, from the target's authority, `:authority` or the
/// `Host` header, as the client wrote it (with its port).
pub struct Parts {
    /// The method, as sent.
    pub method: Method,
    /// Path and query, normalised as the entrypoint asks.
    pub target: Target,
    /// The client's protocol version.
    pub version: Version,
    /// Host and port as the client named them; empty when an HTTP/1.0 client named none.
    pub host: Bytes,
    /// All other headers.
    pub headers: Headers,
    /// The body.
    pub body: Body,
    /// The client's side of an upgrade, when it asked for one.
    pub upgrade: Option<Upgrade>,
    /// What is known of the client and noted about this exchange.
    pub exchange: std::rc::Rc<Exchange>,
}

impl Request {
    /// The same request without its body and the client's side of an upgrade.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::from(Parts {
            method: self.method.clone(),
            target: self.target.clone(),
            version: self.version,
            host: self.host.clone(),
            headers: self.headers.clone(),
            body: Body::Empty,
            upgrade: None,
            exchange: std::rc::Rc::clone(&self.exchange),
        })
    }
}

impl From<Request> for Parts {
    fn from(request: Request) -> Self {
        *request.0
    }
}

impl From<Parts> for Request {
    fn from(parts: Parts) -> Self {
        Self(Box::new(parts))
    }
}

impl Deref for Request {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Request {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("host", &self.host)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// One response on its way to the client.
#[derive(Debug)]
pub struct Response {
    /// The status; servers may send any number from 100 to 999.
    pub status: StatusCode,
    /// The headers, without hop-by-hop ones (but `Upgrade` and `Connection` of a 101).
    pub headers: Headers,
    /// The body.
    pub body: Body,
    /// Set when this answer is ours because something failed on the way.
    pub failure: Option<Failure>,
}

impl Response {
    /// A response with that status and an empty body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: Headers::new(), body: Body::Empty, failure: None }
    }
}

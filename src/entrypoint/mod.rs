//! Entrypoints: listening sockets, workers, connections, and the HTTP server half.
//!
//! hyper serves HTTP/2 (`http2`), quinn and h3 serve HTTP/3 (`http3`), and nothing else knows them.
//! Must not know providers or how a snapshot is made.

mod activity;
mod admit;
mod connection;
mod datagrams;
mod date;
mod demand;
mod drain;
mod finish;
mod forwarded;
mod handle;
mod handshake;
mod heads;
mod hop;
mod http1;
mod http2;
mod http3;
mod keepalive;
mod listen;
mod measured;
mod owed;
mod pages;
mod peek;
mod recorder;
mod streams;
mod traced;
mod worker;

pub use drain::Manner;
pub use heads::{Heads, Semicolons, Underscores};
pub use http1::{BodyReading, HeadReading, read_head};
pub use http3::{Http3Error, Quic, QuicPlan};
pub use listen::{Acceptor, Datagrams, ListenError, Listener, Place, Sharing};
pub use worker::{Prepared, Worker, WorkerError, WorkerSettings};

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use ipnet::IpNet;

use crate::message::Observed;
use crate::tls::{Challenges, Demands};

/// An entrypoint as it runs.
#[derive(Debug, Clone)]
pub struct Entrypoint {
    /// Its name.
    pub name: Arc<str>,
    /// Whose `X-Forwarded-*` headers are kept.
    pub trust: Trust,
    /// Whose PROXY headers are believed; none where no header is looked for.
    pub senders: Option<Trust>,
    /// Silence after which a client's UDP session ends.
    pub session_timeout: Duration,
    /// What is done with `X-Forwarded-For` of trusted clients.
    pub forwarded_for: ForwardedFor,
    /// Whether dot segments and empty segments are removed from paths.
    pub path: PathHandling,
    /// What is done with heads that servers may read differently.
    pub heads: Heads,
    /// What is recorded of requests that no router takes.
    pub observed: Observed,
    /// What answers over TLS tell clients of HTTP/3, where it is to be had.
    pub alt_svc: Option<HeaderValue>,
    /// What proves names in handshakes, if anything does.
    pub challenges: Option<Arc<dyn Challenges>>,
    /// Who gets certificates for names that have none, if anybody does.
    pub demands: Option<Arc<dyn Demands>>,
    /// Whether TCP routers see the handshakes in which names are proved.
    pub proofs: ProofOrder,
    /// Limits of time and size.
    pub limits: ConnectionLimits,
}

/// Whether TCP routers see the handshakes in which names are proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofOrder {
    /// They do not.
    BeforeRouters,
    /// They do, and what none of them takes is answered (`allowACMEByPass`).
    AfterRouters,
}

/// The header that tells clients of HTTP/3 on that port.
#[must_use]
pub fn alt_svc(port: u16) -> Option<HeaderValue> {
    http3::alt_svc(port)
}

impl Entrypoint {
    /// Whether a client's address is added to `X-Forwarded-For`.
    fn adds_address(&self, peer: std::net::IpAddr) -> bool {
        self.forwarded_for == ForwardedFor::Append || !self.trust.trusts(peer)
    }
}

/// Whose headers are believed, forwarding ones or the PROXY header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Everybody's (`forwardedHeaders.insecure`).
    All,
    /// Those networks'.
    Networks(Vec<IpNet>),
}

impl Trust {
    /// Whether a peer is believed.
    #[must_use]
    pub fn trusts(&self, peer: std::net::IpAddr) -> bool {
        match self {
            Self::All => true,
            Self::Networks(networks) => {
                let peer = peer.to_canonical();
                networks.iter().any(|network| network.contains(&peer))
            }
        }
    }
}

/// What is done with `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address is added.
    Append,
    /// It stays as it came (`notAppendXForwardedFor`).
    Keep,
}

/// What is done with paths before they are routed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathHandling {
    /// `sanitizePath: true`.
    Sanitize,
    /// `sanitizePath: false`.
    Keep,
}

/// Limits of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// From the first byte of a request to the end of its head.
    pub read: Option<Duration>,
    /// From the end of a request's head to the end of its answer.
    pub write: Option<Duration>,
    /// Between requests.
    pub idle: Option<Duration>,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// HTTP/2 streams at once.
    pub streams_max: u32,
    /// Bytes of header fields that clients of HTTP/2 may have us remember.
    pub table_bytes_max: u32,
    /// Requests of one connection (`keepAliveMaxRequests`).
    pub requests_max: Option<u64>,
    /// Age from which a connection ends with its next answer (`keepAliveMaxTime`).
    pub age_max: Option<Duration>,
}

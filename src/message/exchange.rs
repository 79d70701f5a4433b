//! What is known of the client, and what is noted while its request is served.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode};
use smallvec::SmallVec;
use tokio::sync::Notify;

use super::{Timeouts, Trace};
use crate::headers::Headers;

/// Facts of a client's connection, made once per connection.
#[derive(Debug)]
pub struct Client {
    /// The client's address: the socket's, or the PROXY header's from a trusted sender.
    pub peer: SocketAddr,
    /// The address we were reached at.
    pub local: SocketAddr,
    /// The peer's IP as text, ready for a header.
    pub ip: HeaderValue,
    /// The name of the entrypoint.
    pub entrypoint: Arc<str>,
    /// Whether servers are told of the address in `X-Forwarded-For`.
    pub adds_address: bool,
    /// Facts of TLS, when the connection is encrypted.
    pub tls: Option<TlsFacts>,
    /// Counts the connection as open while anything of it lives, a tunnel for example.
    pub guard: Rc<dyn std::fmt::Debug>,
}

/// Facts of a TLS connection.
#[derive(Debug, Clone, Default)]
pub struct TlsFacts {
    /// The server name the client asked for, in lower case.
    pub sni: Option<Arc<str>>,
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite's name as Go writes it, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The protocol chosen by ALPN.
    pub alpn: Option<&'static str>,
    /// The name of the TLS options of the handshake.
    pub options: Arc<str>,
    /// The client's certificate chain, DER, leaf first; empty without one.
    pub client_chain: Arc<[Vec<u8>]>,
}

impl Client {
    /// Nobody: requests that Moongate sends for itself have no client.
    #[must_use]
    pub fn nobody() -> Self {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            peer: nowhere,
            local: nowhere,
            ip: HeaderValue::from_static("0.0.0.0"),
            entrypoint: "".into(),
            adds_address: false,
            tls: None,
            guard: Rc::new(()),
        }
    }

    /// `https` on an encrypted connection, else `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// One request with its answer: where it came from and what is noted on the way.
#[derive(Debug)]
pub struct Exchange {
    /// The client's connection.
    pub client: Rc<Client>,
    /// When the head of the request had arrived.
    pub started: Instant,
    /// Notes for the access log, metrics and traces.
    pub record: RefCell<Record>,
    /// Where answers before the answer go; none when the client cannot be told.
    pub interim: Option<Rc<Interim>>,
    /// The limits of waiting in force, as far as they are known.
    pub timeouts: Cell<Timeouts>,
    /// When bytes of a body or of a tunnel last flowed; noted only where a limit is in force.
    pub flowed: Cell<Instant>,
    /// The trace it is part of, if it is traced.
    pub trace: OnceCell<Box<Trace>>,
    /// Resolves when the `log` hooks of the request have run, if there are any.
    pub logging: RefCell<Option<Rc<Notify>>>,
    /// What is held until the exchange ends, a tunnel included.
    pub held: RefCell<Vec<Box<dyn Any>>>,
}

/// Answers before the answer, such as 103, on their way from a server to the client (RFC 9110,
/// section 15.2).
#[derive(Debug, Default)]
pub struct Interim {
    queue: RefCell<Vec<(StatusCode, HeaderMap)>>,
}

/// Answers before the answer that wait at once; a server cannot send more than are taken.
const INTERIM_MAX: usize = 16;

impl Interim {
    /// Hands one on.
    pub fn push(&self, status: StatusCode, headers: HeaderMap) {
        let mut queue = self.queue.borrow_mut();
        if queue.len() < INTERIM_MAX {
            queue.push((status, headers));
        }
    }

    /// Takes those that wait.
    pub fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        self.queue.take()
    }
}

/// Notes taken while a request is served.
#[derive(Debug, Default)]
pub struct Record {
    /// The router that took the request, `name@provider`; children after their parents, as in
    /// `api@file -> users@file`.
    pub router: Option<Arc<str>>,
    /// The service that answered, `name@provider`.
    pub service: Option<Arc<str>>,
    /// The server's URL, without path.
    pub server: Option<Arc<str>>,
    /// The user that a script named; one that was refused is noted as well, as Traefik does.
    pub user: Option<String>,
    /// How long the server took to answer with a head.
    pub origin_duration: Option<Duration>,
    /// The server's status.
    pub origin_status: Option<u16>,
    /// How often a retry script tried again.
    pub retry_attempts: u32,
    /// What is recorded of the request at all.
    pub observed: Observed,
    /// The routers of the way, for metrics; parents before their children.
    pub path: SmallVec<[Arc<Crossed>; 1]>,
    /// Servers the request was sent to, one after the other, for metrics.
    pub attempts: SmallVec<[Attempt; 1]>,
    /// The protocol that is spoken inside of HTTP, for metrics.
    pub protocol: Protocol,
    /// Bytes of the server's answer and when they ended, where scripts may change them on their
    /// way.
    pub origin_body: Option<(u64, Instant)>,
    /// Headers of the request as it was sent on, where the access log wants them.
    pub request_headers: Option<Headers>,
    /// Headers of the server's answer, where the access log wants them.
    pub origin_headers: Option<Headers>,
    /// Fields of the access log that scripts have set.
    pub fields: Vec<(String, serde_json::Value)>,
}

/// Fields of the access log that scripts may set for one request.
const FIELDS_MAX: usize = 64;

impl Record {
    /// Sets a field of the access log; whether there is room for it.
    pub fn set_field(&mut self, name: &str, value: serde_json::Value) -> bool {
        if let Some((_, known)) = self.fields.iter_mut().find(|(known, _)| known == name) {
            *known = value;
            return true;
        }
        let has_room = self.fields.len() < FIELDS_MAX;
        if has_room {
            self.fields.push((name.to_owned(), value));
        }
        has_room
    }
}

/// What is recorded of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Whether it is in the access log.
    pub access_log: bool,
    /// Whether it is counted.
    pub metrics: bool,
    /// How much of it is traced.
    pub tracing: Tracing,
}

/// How much of a request is traced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tracing {
    /// Nothing.
    #[default]
    Off,
    /// How it came and how it was sent on.
    Minimal,
    /// Every step between as well.
    Detailed,
}

impl Observed {
    /// What both record.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            access_log: self.access_log && other.access_log,
            metrics: self.metrics && other.metrics,
            tracing: self.tracing.min(other.tracing),
        }
    }
}

/// A router on the way of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossed {
    /// The router, `name@provider`.
    pub router: Arc<str>,
    /// The service behind it, or `name@provider-muxer` where its children are, as Traefik says.
    pub service: Arc<str>,
    /// Its rule.
    pub rule: Arc<str>,
    /// The Ingress that it is of, if it is of one.
    pub ingress: Option<IngressRoute>,
}

/// A way through an Ingress of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressRoute {
    /// The namespace.
    pub namespace: String,
    /// The Ingress.
    pub name: String,
    /// The Service.
    pub service: String,
    /// The Service's port: its name, or its number where it has none.
    pub port: String,
}

/// One server that a request was sent to.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The service, `name@provider`.
    pub service: Arc<str>,
    /// The server's URL, without path.
    pub server: Arc<str>,
    /// When it was sent.
    pub started: Instant,
    /// When its answer began, with the status; none before.
    pub answered: Option<(Instant, u16)>,
}

/// What is spoken inside of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Nothing else.
    #[default]
    Http,
    /// `WebSocket`.
    WebSocket,
    /// Server-sent events.
    Sse,
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
}

impl Exchange {
    /// A fresh exchange that starts now.
    #[must_use]
    pub fn new(client: Rc<Client>) -> Self {
        let started = Instant::now();
        Self {
            client,
            started,
            record: RefCell::default(),
            interim: None,
            timeouts: Cell::default(),
            flowed: Cell::new(started),
            trace: OnceCell::new(),
            logging: RefCell::default(),
            held: RefCell::default(),
        }
    }
}

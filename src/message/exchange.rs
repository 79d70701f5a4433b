//! What is known of the client, and what is noted while its request is served.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode};

use super::Timeouts;

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
    /// Whether the request is kept out of the access log.
    pub quiet: bool,
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
            held: RefCell::default(),
        }
    }
}

//! A worker's HTTP/2 connections, by endpoint.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Mutex, MutexGuard};

use super::body::ToServer;
use crate::message::{Failure, Io};
use crate::upstream::endpoint::Core;
use crate::upstream::stream::Stream;
use crate::upstream::{Endpoint, failures};

/// Connections to all servers.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Connections(RefCell<HashMap<u64, Rc<Slot>>>);

impl Connections {
    /// The place of an endpoint's connections.
    pub(super) fn slot(&self, endpoint: &Arc<Endpoint>) -> Rc<Slot> {
        let mut slots = self.0.borrow_mut();
        Rc::clone(slots.entry(endpoint.id).or_insert_with(|| Rc::new(Slot::new(endpoint))))
    }

    /// Closes connections that are idle for too long.
    pub(in crate::upstream) fn sweep(&self, now: Instant) {
        self.0.borrow_mut().retain(|_, slot| {
            let core = &slot.endpoint;
            let limit = core.transport.idle_timeout.unwrap_or(Duration::MAX);
            core.name.refresh();
            let mut open = slot.open.borrow_mut();
            open.retain(|connection| {
                let idle = connection.idle_for(now);
                let is_wanted = idle.is_zero() || core.keeps(connection.peer);
                !connection.is_closed() && is_wanted && idle <= limit
            });
            !open.is_empty() || Rc::strong_count(slot) > 1
        });
    }
}

/// Connections to one server.
#[derive(Debug)]
pub(super) struct Slot {
    endpoint: Arc<Core>,
    open: RefCell<Vec<Rc<Connection>>>,
    dialing: Mutex<()>,
    /// How many connections were opened, or not.
    dials: Cell<u64>,
    failure: RefCell<Option<Failure>>,
}

impl Slot {
    fn new(endpoint: &Arc<Endpoint>) -> Self {
        Self {
            endpoint: Arc::clone(endpoint.core()),
            open: RefCell::default(),
            dialing: Mutex::new(()),
            dials: Cell::new(0),
            failure: RefCell::default(),
        }
    }

    /// A stream of the first connection that has one left, so that others fall idle.
    pub(super) fn lease(&self) -> Option<Lease> {
        let mut open = self.open.borrow_mut();
        self.endpoint.name.refresh();
        // Streams of a connection that is let go end by themselves.
        open.retain(|connection| {
            !connection.is_closed() && self.endpoint.name.leads_to(connection.peer)
        });
        open.iter().find(|connection| connection.has_room()).map(Lease::new)
    }

    /// Waits until no other request is opening a connection.
    pub(super) async fn alone(&self) -> MutexGuard<'_, ()> {
        self.dialing.lock().await
    }

    pub(super) fn dials(&self) -> u64 {
        self.dials.get()
    }

    /// Why the last connection could not be opened.
    pub(super) fn last_failure(&self) -> Option<Failure> {
        self.failure.borrow().clone()
    }

    pub(super) fn note_dial(&self, failure: Option<&Failure>) {
        self.dials.set(self.dials.get() + 1);
        self.failure.replace(failure.cloned());
    }

    /// Begins to speak HTTP/2 on a stream.
    pub(super) async fn start(&self, stream: impl Stream) -> Result<Lease, Failure> {
        let peer = stream.peer();
        let transport = &self.endpoint.transport;
        let mut builder = http2::Builder::new(Local);
        builder
            .timer(TokioTimer::new())
            .max_header_list_size(HEAD_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(transport.ping_after)
            .keep_alive_timeout(transport.ping_timeout)
            .keep_alive_while_idle(true);
        let (sender, driver) = builder
            .handshake::<_, ToServer>(TokioIo::new(stream))
            .await
            .map_err(|error| failures::no_connection(&self.endpoint, &error))?;
        let driver = Rc::new(RefCell::new(driver));
        let limits: Weak<dyn StreamsMax> = Rc::downgrade(&driver) as Weak<dyn StreamsMax>;
        let authority = Arc::clone(&self.endpoint.authority);
        tokio::task::spawn_local(async move {
            let ended = poll_fn(|cx| Pin::new(&mut *driver.borrow_mut()).poll(cx)).await;
            if let Err(error) = ended {
                tracing::debug!(%error, server = &*authority, "an HTTP/2 connection broke");
            }
        });
        let connection = Rc::new(Connection {
            sender,
            peer,
            limits,
            streams: Cell::new(0),
            served: Cell::new(false),
            retired: Cell::new(false),
            idle_since: Cell::new(Instant::now()),
        });
        let lease = Lease::new(&connection);
        self.open.borrow_mut().push(connection);
        Ok(lease)
    }
}

/// An answer's head may be this long at most, as over HTTP/1.
const HEAD_BYTES_MAX: u32 = 1024 * 1024;
/// How far a server may send ahead of a client that does not read.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// Streams of one connection at once, where the server allows more; Go's limit too.
const STREAMS_MAX: usize = 1000;

/// One connection.
struct Connection {
    sender: http2::SendRequest<ToServer>,
    /// The server's address.
    peer: Option<IpAddr>,
    limits: Weak<dyn StreamsMax>,
    streams: Cell<usize>,
    served: Cell<bool>,
    /// Whether it takes no new requests.
    retired: Cell<bool>,
    idle_since: Cell<Instant>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("streams", &self.streams.get()).finish_non_exhaustive()
    }
}

impl Connection {
    fn is_closed(&self) -> bool {
        self.retired.get() || self.sender.is_closed() || self.limits.strong_count() == 0
    }

    fn has_room(&self) -> bool {
        let allowed = self.limits.upgrade().map_or(0, |limits| limits.streams_max());
        self.streams.get() < allowed.min(STREAMS_MAX)
    }

    fn idle_for(&self, now: Instant) -> Duration {
        match self.streams.get() {
            0 => now.saturating_duration_since(self.idle_since.get()),
            _ => Duration::ZERO,
        }
    }
}

/// What the server allows at the moment, which only hyper's driver of the connection tells.
trait StreamsMax {
    fn streams_max(&self) -> usize;
}

impl<S: Io> StreamsMax for RefCell<http2::Connection<TokioIo<S>, ToServer, Local>> {
    fn streams_max(&self) -> usize {
        // It is borrowed only while it is polled, and nobody asks meanwhile.
        self.try_borrow().map_or(0, |driver| driver.current_max_send_streams())
    }
}

/// One stream of a connection, in its count.
pub(in crate::upstream) struct Lease(Rc<Connection>);

impl Lease {
    fn new(connection: &Rc<Connection>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self(Rc::clone(connection))
    }

    pub(super) fn sender(&self) -> http2::SendRequest<ToServer> {
        self.0.sender.clone()
    }

    /// Whether the connection has answered before, so that the server may have closed it meanwhile.
    pub(super) fn has_served(&self) -> bool {
        self.0.served.get()
    }

    /// The connection answers.
    pub(super) fn note_served(&self) {
        self.0.served.set(true);
    }

    /// Keeps new requests off the connection.
    pub(super) fn retire(&self) {
        self.0.retired.set(true);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
    }
}

/// Runs a connection's tasks on the worker's thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

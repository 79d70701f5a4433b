//! Byte streams to servers that HTTP/1 runs over, plain and encrypted.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Waker};

use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::dial::{self, Offer};
use super::forwarding::is_replayable;
use super::pool::Shelf;
use super::{Endpoint, Pools};
use crate::message::{Failure, Io, Request};

/// A kind of connection that can be pooled. The exchange is compiled once per kind, so that the
/// plain one pays nothing for the other.
pub(super) trait Stream: Io + Sized {
    /// Where idle connections of this kind are kept.
    fn shelf(pools: &Pools) -> &Shelf<Self>;

    /// Opens a connection for HTTP/1.
    fn open(endpoint: &Endpoint) -> impl Future<Output = Result<Self, Failure>>;

    /// The server's address, unless the connection is gone.
    fn peer(&self) -> Option<IpAddr>;

    /// Whether the server has neither closed the idle connection nor sent something unasked.
    fn is_open(&mut self, probe: Probe) -> bool;
}

/// How closely an idle connection is looked at before it is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// By what the event loop has noticed; costs nothing. For requests that can be sent again.
    Noticed,
    /// By asking the system; costs a call. For requests that must not be sent twice.
    Asked,
}

impl Probe {
    /// How closely to look before a request is sent.
    pub(super) fn before(request: &Request) -> Self {
        if is_replayable(request) { Self::Noticed } else { Self::Asked }
    }
}

impl Stream for TcpStream {
    fn shelf(pools: &Pools) -> &Shelf<Self> {
        &pools.plain
    }

    fn open(endpoint: &Endpoint) -> impl Future<Output = Result<Self, Failure>> {
        dial::tcp(endpoint)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer_addr().ok().map(|peer| peer.ip())
    }

    fn is_open(&mut self, probe: Probe) -> bool {
        let mut byte = [0u8; 1];
        let silent = would_block(self.try_read(&mut byte));
        silent && (probe == Probe::Noticed || is_silent(self))
    }
}

/// An encrypted connection; boxed, since TLS keeps a kilobyte of state beside the socket.
pub(super) type Encrypted = Box<TlsStream<TcpStream>>;

impl Stream for Encrypted {
    fn shelf(pools: &Pools) -> &Shelf<Self> {
        &pools.encrypted
    }

    fn open(endpoint: &Endpoint) -> impl Future<Output = Result<Self, Failure>> {
        dial::tls(endpoint, Offer::Http1)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.get_ref().0.peer()
    }

    /// Session tickets that came meanwhile are read and leave the connection open. Records that
    /// only the system knows of could be tickets or the end, so they count as the end.
    fn is_open(&mut self, probe: Probe) -> bool {
        let mut byte = [0u8; 1];
        let mut byte = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        let silent = tokio::io::AsyncRead::poll_read(Pin::new(self), &mut cx, &mut byte);
        silent.is_pending() && (probe == Probe::Noticed || is_silent(self.get_ref().0))
    }
}

/// Whether the system has nothing to read either.
fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [std::mem::MaybeUninit::uninit(); 1];
    would_block(socket2::SockRef::from(stream).peek(&mut byte))
}

fn would_block(read: io::Result<usize>) -> bool {
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

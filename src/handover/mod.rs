//! Listening sockets from whoever had them before: the process that this one replaces, or systemd.
//!
//! A process that has a socket for it hands its listening sockets to the one that asks there, and
//! goes on serving until that one says that it is ready. Nothing is closed meanwhile, so a client
//! that connects is served by one of the two. Must not know entrypoints, nor what is served.

mod activation;
mod heir;
mod predecessor;
mod wire;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

pub use activation::from_systemd;
pub use heir::{Estate, Heir};
pub use predecessor::{Predecessor, PredecessorError};

/// What a listening socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
    /// Datagrams of QUIC, beside a socket for connections.
    Quic,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Quic];

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Quic => "quic",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One listening socket.
#[derive(Debug)]
pub struct Held {
    /// The entrypoint's name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// The descriptor.
    pub socket: OwnedFd,
}

/// Sockets that somebody has opened before.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Held>,
    addresses: Addresses,
}

/// Who decides where is listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addresses {
    /// The configuration: a socket at another address is of no use.
    #[default]
    Configured,
    /// Whoever has opened the sockets, as with Traefik under systemd.
    Given,
}

impl Inherited {
    /// Those sockets.
    #[must_use]
    pub fn new(sockets: Vec<Held>, addresses: Addresses) -> Self {
        Self { sockets, addresses }
    }

    /// The socket for connections of that name, if its address is wanted.
    pub fn tcp(
        &mut self,
        name: &str,
        is_wanted: impl Fn(SocketAddr) -> bool,
    ) -> Option<TcpListener> {
        let found = self.take(name, Kind::Tcp)?;
        let listener = TcpListener::from(found);
        self.is_there(listener.local_addr(), is_wanted).then_some(listener)
    }

    /// The socket for datagrams of that name and kind, if its address is wanted.
    pub fn udp(
        &mut self,
        name: &str,
        kind: Kind,
        is_wanted: impl Fn(SocketAddr) -> bool,
    ) -> Option<UdpSocket> {
        let socket = UdpSocket::from(self.take(name, kind)?);
        self.is_there(socket.local_addr(), is_wanted).then_some(socket)
    }

    /// Names of sockets that nobody has taken.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().map(|held| held.name.as_str())
    }

    fn is_there(
        &self,
        address: std::io::Result<SocketAddr>,
        is_wanted: impl Fn(SocketAddr) -> bool,
    ) -> bool {
        self.addresses == Addresses::Given || address.is_ok_and(is_wanted)
    }

    fn take(&mut self, name: &str, kind: Kind) -> Option<OwnedFd> {
        let place = self.sockets.iter().position(|held| held.name == name && held.kind == kind)?;
        Some(self.sockets.swap_remove(place).socket)
    }
}

#[cfg(test)]
mod tests;

//! Listening sockets, and the one acceptor that hands connections to the least loaded worker.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::{Interest, Token};
use rustix::process::{Resource, Rlimit};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::sync::watch;

use super::Worker;
use crate::handover::{Inherited, Kind};

/// An open listening socket of an entrypoint.
#[derive(Debug)]
pub struct Listener {
    /// The entrypoint's place in snapshots.
    pub place: usize,
    /// The address it listens on.
    pub address: SocketAddr,
    socket: TcpListener,
}

/// An open socket of a UDP entrypoint.
#[derive(Debug)]
pub struct Datagrams {
    /// The entrypoint's place in snapshots.
    pub place: usize,
    /// The address it listens on.
    pub address: SocketAddr,
    pub(super) socket: UdpSocket,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The host of the address has no address.
    #[error("entrypoint {name:?}: {address:?} cannot be resolved: {cause}")]
    Resolve {
        /// The entrypoint.
        name: String,
        /// Its address as written.
        address: String,
        /// The system's error.
        cause: io::Error,
    },
    /// The system refuses the address; most often it is in use.
    #[error("entrypoint {name:?}: cannot bind {address}: {cause}")]
    Bind {
        /// The entrypoint.
        name: String,
        /// The address.
        address: SocketAddr,
        /// The system's error.
        cause: io::Error,
    },
}

/// Whether other processes may listen on the same address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// A second process is refused.
    Exclusive,
    /// `reusePort: true`.
    ReusePort,
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// Where an entrypoint listens.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The entrypoint's name.
    pub name: &'a str,
    /// Its place in snapshots.
    pub place: usize,
    /// The host, empty for all addresses.
    pub host: &'a str,
    /// The port; 0 for any.
    pub port: u16,
    /// Who else may listen there.
    pub sharing: Sharing,
}

impl Place<'_> {
    /// Opens a listening socket, or takes the one that was opened before.
    ///
    /// # Errors
    /// When the host cannot be resolved or the system refuses the address.
    pub fn tcp(&self, inherited: &mut Inherited) -> Result<Listener, ListenError> {
        let address = self.resolve()?;
        if let Some(socket) = inherited.tcp(self.name, |found| is_at(found, address)) {
            tune(&SockRef::from(&socket)).map_err(|cause| self.refused(address, cause))?;
            let address = self.adopt(&socket, socket.local_addr(), TcpListener::set_nonblocking)?;
            return Ok(Listener { place: self.place, address, socket });
        }
        let (address, socket) = self.opened(address, |address| {
            let socket = open(address, Type::STREAM, self.sharing)?;
            tune(&SockRef::from(&socket))?;
            socket.listen(BACKLOG)?;
            Ok(socket)
        })?;
        Ok(Listener { place: self.place, address, socket: socket.into() })
    }

    /// Opens a socket for datagrams, or takes the one that was opened before.
    ///
    /// # Errors
    /// When the host cannot be resolved or the system refuses the address.
    pub fn udp(&self, inherited: &mut Inherited) -> Result<Datagrams, ListenError> {
        let address = self.resolve()?;
        if let Some(socket) = inherited.udp(self.name, Kind::Udp, |found| is_at(found, address)) {
            let address = self.adopt(&socket, socket.local_addr(), UdpSocket::set_nonblocking)?;
            return Ok(Datagrams { place: self.place, address, socket });
        }
        let (address, socket) =
            self.opened(address, |address| open(address, Type::DGRAM, self.sharing))?;
        Ok(Datagrams { place: self.place, address, socket: socket.into() })
    }

    /// Opens the socket of HTTP/3 beside a listener of TCP, at the same address and port, or takes
    /// the one that was opened before.
    ///
    /// # Errors
    /// When the system refuses the address.
    pub fn quic(
        &self,
        listener: &Listener,
        inherited: &mut Inherited,
    ) -> Result<Datagrams, ListenError> {
        let (place, address) = (self.place, listener.address);
        if let Some(socket) = inherited.udp(self.name, Kind::Quic, |found| found == address) {
            self.adopt(&socket, Ok(address), UdpSocket::set_nonblocking)?;
            return Ok(Datagrams { place, address, socket });
        }
        let socket = open(address, Type::DGRAM, self.sharing);
        let socket = socket.map_err(|cause| self.refused(address, cause))?;
        Ok(Datagrams { place, address, socket: socket.into() })
    }

    /// The address of an inherited socket, which must not block from now on.
    fn adopt<S>(
        &self,
        socket: &S,
        address: io::Result<SocketAddr>,
        set_nonblocking: fn(&S, bool) -> io::Result<()>,
    ) -> Result<SocketAddr, ListenError> {
        let unknown = SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port));
        let address = address.map_err(|cause| self.refused(unknown, cause))?;
        set_nonblocking(socket, true).map_err(|cause| self.refused(address, cause))?;
        Ok(address)
    }

    fn refused(&self, address: SocketAddr, cause: io::Error) -> ListenError {
        ListenError::Bind { name: self.name.to_owned(), address, cause }
    }
}

/// Silence after which the system asks a client for a sign of life, and from then on; as in Go.
const SILENCE: Duration = Duration::from_secs(15);
/// Signs of life that may be missed.
const PROBES: u32 = 9;

/// What accepted sockets have from their listener: clients that are gone are noticed, and answers,
/// which are written in one piece, do not wait for more.
fn tune(socket: &SockRef<'_>) -> io::Result<()> {
    let keep_alive = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE);
    socket.set_tcp_keepalive(&keep_alive.with_retries(PROBES))?;
    socket.set_tcp_nodelay(true)
}

/// Whether a socket that is at `found` is where one is wanted. Without IPv6 all addresses are
/// those of IPv4.
fn is_at(found: SocketAddr, wanted: SocketAddr) -> bool {
    let is_any = found.ip().is_unspecified() && wanted.ip().is_unspecified();
    (wanted.port() == 0 || found.port() == wanted.port()) && (found.ip() == wanted.ip() || is_any)
}

impl Listener {
    /// A copy of the socket, for the process that will take over.
    ///
    /// # Errors
    /// When the system gives no descriptor.
    pub fn copy(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone().map(OwnedFd::from)
    }
}

impl Datagrams {
    /// A copy of the socket, for the process that will take over.
    ///
    /// # Errors
    /// When the system gives no descriptor.
    pub fn copy(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone().map(OwnedFd::from)
    }
}

impl Place<'_> {
    /// A socket at an address, and the address that it has got.
    fn opened(
        &self,
        address: SocketAddr,
        open: impl Fn(SocketAddr) -> io::Result<Socket>,
    ) -> Result<(SocketAddr, Socket), ListenError> {
        let bound = open(address).or_else(|error| match address.ip() {
            // Without IPv6 all addresses are those of IPv4.
            IpAddr::V6(ip) if ip.is_unspecified() && self.host.is_empty() => {
                open(SocketAddr::from(([0, 0, 0, 0], self.port))).map_err(|_| error)
            }
            _ => Err(error),
        });
        let local = |socket: &Socket| {
            socket
                .local_addr()?
                .as_socket()
                .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
        };
        let bound = bound.and_then(|socket| Ok((local(&socket)?, socket)));
        bound.map_err(|cause| self.refused(address, cause))
    }

    fn resolve(&self) -> Result<SocketAddr, ListenError> {
        if self.host.is_empty() {
            return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)));
        }
        let plain = self.host.trim_start_matches('[').trim_end_matches(']');
        let found = (plain, self.port).to_socket_addrs().and_then(|mut all| {
            all.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no address"))
        });
        found.map_err(|cause| ListenError::Resolve {
            name: self.name.to_owned(),
            address: self.host.to_owned(),
            cause,
        })
    }
}

fn open(address: SocketAddr, kind: Type, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        let all = address.ip().is_unspecified();
        socket.set_only_v6(!all)?;
    }
    if kind == Type::STREAM {
        // A restart need not wait for the old connections' last packets.
        socket.set_reuse_address(true)?;
    }
    if sharing == Sharing::ReusePort {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts on all listeners, on a thread of its own, so that work of the control plane delays no
/// client. It polls without a runtime: an accepted socket is registered once only, by the worker
/// that serves it.
#[derive(Debug)]
pub struct Acceptor {
    stop: Arc<AtomicBool>,
    waker: mio::Waker,
    closed: watch::Receiver<bool>,
}

/// The token of the word to stop; listeners have their places.
const STOP: Token = Token(usize::MAX);

impl Acceptor {
    /// Starts to accept.
    ///
    /// # Errors
    /// When the system gives no thread or no event queue.
    pub fn start(listeners: Vec<Listener>, workers: Arc<[Worker]>) -> io::Result<Self> {
        let clients_max = clients_max();
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), STOP)?;
        let mut sockets = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let mut socket = mio::net::TcpListener::from_std(listener.socket);
            poll.registry().register(&mut socket, Token(sockets.len()), Interest::READABLE)?;
            sockets.push((listener.place, socket));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (close, closed) = watch::channel(false);
        std::thread::Builder::new().name("acceptor".to_owned()).spawn(move || {
            accept_all(poll, &sockets, &workers, &stopped, clients_max);
            drop(sockets);
            // Nobody may be left to hear it.
            let _ = close.send(true);
        })?;
        Ok(Self { stop, waker, closed })
    }

    /// Has all listening sockets closed; new connections are refused from then on.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        // The thread may have ended already.
        let _ = self.waker.wake();
    }

    /// Resolves when the listening sockets are closed, and somebody else may have their addresses.
    pub async fn closed(&self) {
        // An error means that the thread has ended.
        let _ = self.closed.clone().wait_for(|closed| *closed).await;
    }
}

/// Descriptors that are kept for what is no connection: files, sockets of listeners, queues.
const OWN_DESCRIPTORS: usize = 64;
/// The share of the others that clients may have; the rest is for servers, without which clients
/// that are served already would be harmed by those that still come.
const CLIENTS_SHARE: (usize, usize) = (3, 4);

/// How many clients may be connected at once, which the process's limit of descriptors says; as
/// much of it as the system allows is asked for.
fn clients_max() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let (part, whole) = CLIENTS_SHARE;
    (limit.saturating_sub(OWN_DESCRIPTORS) / whole).saturating_mul(part).max(1)
}

/// How long the acceptor waits when the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);
/// Readiness events taken at once.
const EVENTS_MAX: usize = 64;

fn accept_all(
    mut poll: mio::Poll,
    sockets: &[(usize, mio::net::TcpListener)],
    workers: &[Worker],
    stopped: &AtomicBool,
    clients_max: usize,
) {
    let mut events = mio::Events::with_capacity(EVENTS_MAX);
    while !stopped.load(Ordering::Acquire) {
        if let Err(error) = poll.poll(&mut events, None)
            && error.kind() != io::ErrorKind::Interrupted
        {
            tracing::error!(%error, "entrypoints cannot be listened on any more");
            return;
        }
        for event in &events {
            if let Some((place, socket)) = sockets.get(event.token().0) {
                accept(*place, socket, workers, stopped, clients_max);
            }
        }
    }
}

/// Takes all connections that wait: readiness is told once only.
fn accept(
    place: usize,
    socket: &mio::net::TcpListener,
    workers: &[Worker],
    stopped: &AtomicBool,
    clients_max: usize,
) {
    let mut is_told = false;
    while !stopped.load(Ordering::Acquire) {
        if workers.iter().map(Worker::load).sum::<usize>() >= clients_max {
            if !is_told {
                tracing::error!(clients_max, "too many connections: new ones wait");
                is_told = true;
            }
            std::thread::sleep(PAUSE);
            continue;
        }
        match socket.accept() {
            Ok((stream, peer)) => hand_over(workers, stream.into(), peer, place),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "connections cannot be accepted");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

fn hand_over(workers: &[Worker], stream: std::net::TcpStream, peer: SocketAddr, place: usize) {
    if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
        worker.accept(stream, peer, place);
    }
}

/// Errors that concern one client, which has gone already.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

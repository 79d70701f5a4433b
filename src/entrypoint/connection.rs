//! One client connection: its first bytes, TLS, HTTP, its timers, its end.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use ::http::HeaderValue;
use bytes::{Bytes, BytesMut};
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::Entrypoint;
use super::activity::{Activity, REST_AFTER, Watched};
use super::demand;
use super::drain::Permit;
use super::handle::Connection;
use super::handshake::{self, Asked};
use super::http1::{self, Stop};
use super::http2;
use super::keepalive::KeepAlive;
use super::peek::{Arrival, Beginning, Postgres};
use super::streams::Streams;
use super::worker::Shared;
use crate::message::proxy::Ends;
use crate::message::{Client, TlsFacts};
use crate::tls;

/// What a fresh connection comes with.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) entrypoint: Arc<Entrypoint>,
    pub(super) place: usize,
    pub(super) permit: Permit,
}

/// The preface of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
const FIRST_READ_BYTES: usize = 4096;

/// Serves a connection until it ends.
pub(super) async fn serve(worker: Rc<Shared>, accepted: Accepted) {
    // What comes before HTTP is boxed, and gone before an idle connection is waited for.
    let Some((belongs, client, opened)) = Box::pin(open(worker, accepted)).await else { return };
    match opened {
        Opened::Plain(stream, ahead) => http(belongs, client, stream, ahead).await,
        Opened::Encrypted(stream, ahead) => http(belongs, client, stream, ahead).await,
    }
}

/// A connection that has brought its first bytes of HTTP.
enum Opened {
    Plain(TcpStream, BytesMut),
    /// Boxed, since it is large and handed on from future to future.
    Encrypted(Box<TlsStream<Watched<TcpStream>>>, BytesMut),
}

/// What comes before HTTP: the PROXY header, TCP routers, TLS. Nothing when the connection has
/// ended.
async fn open(worker: Rc<Shared>, accepted: Accepted) -> Option<(Belongs, Client, Opened)> {
    let Accepted { stream, peer, entrypoint, place, permit } = accepted;
    let local = stream.local_addr().ok()?;
    let limit = entrypoint.limits.read;
    let arrival = Arrival::new(stream, peer, local);
    let Arrival { mut stream, ahead, ends } = arrive(&worker, &entrypoint, place, arrival).await?;
    let (peer, local) = (ends.source, ends.destination);
    let ahead = match ahead.is_empty() {
        false => ahead,
        true => within(limit, read_first(&mut stream)).await?,
    };
    let mut client = Client {
        peer,
        local,
        ip: ip_text(peer),
        entrypoint: Arc::clone(&entrypoint.name),
        adds_address: entrypoint.adds_address(peer.ip()),
        tls: None,
        guard: Rc::new(permit),
    };
    if ahead.first() != Some(&TLS_HANDSHAKE) {
        let belongs = Belongs { worker, entrypoint, place };
        return Some((belongs, client, Opened::Plain(stream, ahead)));
    }
    let ahead = ahead.freeze();
    let stream = Watched::new(stream, ahead.clone(), Activity::new());
    let belongs = Belongs { worker, entrypoint, place };
    let encrypted = within(limit, encrypt(stream, ends, &belongs, &ahead)).await?;
    drop(ahead);
    let (stream, facts) = match encrypted {
        Ok(Some(encrypted)) => encrypted,
        Ok(None) => return None,
        Err(error) => {
            tracing::debug!(%error, client = %peer, "TLS handshake failed");
            return None;
        }
    };
    client.tls = Some(facts);
    let mut stream = Box::new(stream);
    let ahead = within(limit, read_first(&mut stream)).await?;
    Some((belongs, client, Opened::Encrypted(stream, ahead)))
}

/// The handshake, under the options of the server name that the client asks for. Nothing is left
/// where it was all that an authority came for, or where a script closes it.
async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    ends: Ends,
    belongs: &Belongs,
    ahead: &[u8],
) -> io::Result<Option<(TlsStream<S>, TlsFacts)>> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let hello = start.client_hello();
    let Belongs { worker, entrypoint, place } = belongs;
    if let Some(challenges) = &entrypoint.challenges
        && hello.alpn().is_some_and(|mut offered| offered.any(|name| name == tls::CHALLENGE))
        && let Some(name) = hello.server_name()
    {
        let proof = challenges.proof(name);
        if let Some(config) = proof.await {
            start.into_stream(config).await?.shutdown().await?;
            return Ok(None);
        }
    }
    let hello = start.client_hello();
    let name = hello.server_name();
    if let (Some(demands), Some(name)) = (&entrypoint.demands, name) {
        Box::pin(demand::certificate(worker, *place, &**demands, name)).await;
    }
    // Those of this moment: a certificate may have come meanwhile.
    let options = worker.tls_options(*place, name).ok_or_else(|| {
        let reason = "the TLS options of that server name cannot be used";
        io::Error::new(io::ErrorKind::Unsupported, reason)
    })?;
    let asked = Asked { entrypoint: &entrypoint.name, ends, server_name: name, ahead };
    let Some(config) = handshake::settings(worker, &options, asked).await else { return Ok(None) };
    let stream = start.into_stream(config).await?;
    let facts = tls::facts(stream.get_ref().1, options.name());
    Ok(Some((stream, facts)))
}

/// What comes before HTTP, where an entrypoint has it: the PROXY header, and TCP routers, which may
/// keep the connection.
async fn arrive(
    worker: &Rc<Shared>,
    entrypoint: &Entrypoint,
    place: usize,
    mut arrival: Arrival,
) -> Option<Arrival> {
    // Boxed, so that connections without any of it stay small.
    if let Some(senders) = &entrypoint.senders {
        arrival = Box::pin(arrival.proxy_header(senders, entrypoint.limits.read)).await?;
    }
    if let Some((tables, instances)) = worker.streams(place) {
        let streams = Streams { worker, entrypoint, tables, instances };
        arrival = Box::pin(streams.route(arrival)).await?;
    }
    if worker.judges_handshakes(place) {
        // Scripts see all of it; what it is, is found out later.
        let whole = async { arrival.beginning(Postgres::Ignored).await };
        Box::pin(within(entrypoint.limits.read, whole)).await?;
    }
    Some(arrival)
}

/// Where a connection belongs.
struct Belongs {
    worker: Rc<Shared>,
    entrypoint: Arc<Entrypoint>,
    place: usize,
}

/// Serves HTTP/1 or HTTP/2, told apart by the first bytes.
async fn http<S>(belongs: Belongs, client: Client, mut stream: S, mut ahead: BytesMut)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Belongs { worker, entrypoint, place } = belongs;
    let limit = entrypoint.limits.read;
    // A client may send its preface in pieces.
    while PREFACE.starts_with(&ahead) && ahead.len() < PREFACE.len() {
        match within(limit, stream.read_buf(&mut ahead)).await {
            Some(Ok(1..)) => {}
            _ => return,
        }
    }
    let activity = Activity::new();
    let timer = Timer::new(&worker, Arc::clone(&activity), entrypoint.limits);
    let client = Rc::new(client);
    let keepalive = KeepAlive::new(entrypoint.limits, std::time::Instant::now());
    let connection = Connection { worker, entrypoint, place, client, activity, keepalive };
    let connection = Rc::new(connection);
    let spoken = connection.client.tls.as_ref().and_then(|tls| tls.alpn);
    if spoken == Some("h2") && !ahead.starts_with(PREFACE) {
        return;
    }
    if ahead.starts_with(PREFACE) {
        return Box::pin(http2::serve(stream, ahead.freeze(), connection, timer)).await;
    }
    if is_foreign(&ahead) {
        return;
    }
    let stop = Rc::new(Cell::new(Stop::Never));
    let drain = Rc::clone(&connection.worker.drain);
    let serving = pin!(http1::serve(stream, ahead, connection, Rc::clone(&stop)));
    let shutdown = |_: std::pin::Pin<&mut _>| {
        stop.set(if drain.makes_way() { Stop::AfterNext } else { Stop::Now });
    };
    timer.drive(serving, || false, shutdown).await;
}

/// Whether the first line, as far as it is there, is of no HTTP at all: no path, no version. Most
/// often it is a broken preface of HTTP/2, and an answer in HTTP/1 would mean nothing to its
/// sender.
fn is_foreign(ahead: &[u8]) -> bool {
    let Some(end) = ahead.windows(2).position(|pair| pair == b"\r\n") else { return false };
    let words: Vec<&[u8]> = ahead.get(..end).unwrap_or_default().split(|b| *b == b' ').collect();
    let [_, target, version] = words.as_slice() else { return false };
    let is_target = target.iter().any(|b| b"/*:".contains(b));
    !is_target && !version.starts_with(b"HTTP/")
}

/// The first bytes a client sends.
async fn read_first(stream: &mut (impl AsyncRead + Unpin)) -> Option<BytesMut> {
    let mut first = BytesMut::with_capacity(FIRST_READ_BYTES);
    match stream.read_buf(&mut first).await {
        Ok(1..) => Some(first),
        _ => None,
    }
}

/// The future's result within the limit; `None` past it.
pub(super) async fn within<T: Flatten>(
    limit: Option<std::time::Duration>,
    future: impl Future<Output = T>,
) -> Option<T::Inner> {
    match limit {
        None => future.await.flatten(),
        Some(limit) => tokio::time::timeout(limit, future).await.ok()?.flatten(),
    }
}

/// Results that are `None` when the connection is of no use any more.
pub(super) trait Flatten {
    type Inner;
    fn flatten(self) -> Option<Self::Inner>;
}

impl Flatten for Option<BytesMut> {
    type Inner = BytesMut;
    fn flatten(self) -> Option<BytesMut> {
        self
    }
}

impl Flatten for Option<Beginning> {
    type Inner = Beginning;
    fn flatten(self) -> Option<Beginning> {
        self
    }
}

impl<T> Flatten for io::Result<T> {
    type Inner = io::Result<T>;
    fn flatten(self) -> Option<Self::Inner> {
        Some(self)
    }
}

pub(super) fn ip_text(peer: SocketAddr) -> HeaderValue {
    let text = peer.ip().to_canonical().to_string();
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// The timers of a connection, and the word to end it.
pub(super) struct Timer {
    worker: Rc<Shared>,
    activity: Arc<Activity>,
    limits: super::ConnectionLimits,
}

/// How long a connection that rests is left alone at most where it has no limit of its own.
const LONG: std::time::Duration = std::time::Duration::from_mins(5);
/// How long a connection may take to say goodbye.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(1);

impl Timer {
    pub(super) fn new(
        worker: &Rc<Shared>,
        activity: Arc<Activity>,
        limits: super::ConnectionLimits,
    ) -> Self {
        Self { worker: Rc::clone(worker), activity, limits }
    }

    /// Polls the connection until it ends, has brought its share, is idle for too long, or the
    /// worker drains.
    pub(super) async fn drive<C, E>(
        self,
        mut connection: std::pin::Pin<&mut C>,
        is_spent: impl Fn() -> bool,
        shutdown: impl Fn(std::pin::Pin<&mut C>),
    ) where
        C: Future<Output = Result<(), E>>,
    {
        let mut sleep = pin!(sleep_until(self.next(Instant::now())));
        let mut drain = pin!(self.worker.drain.begun());
        let mut ending = false;
        poll_fn(|cx| {
            loop {
                if connection.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                if !ending && (is_spent() || drain.as_mut().poll(cx).is_ready()) {
                    ending = true;
                    shutdown(connection.as_mut());
                    continue;
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if self.expired(&mut sleep, ending) {
                    if ending {
                        return Poll::Ready(());
                    }
                    ending = true;
                    shutdown(connection.as_mut());
                }
            }
        })
        .await;
    }

    /// Whether the connection has had its time; else sets the timer anew.
    fn expired(&self, sleep: &mut std::pin::Pin<&mut Sleep>, ending: bool) -> bool {
        let now = Instant::now();
        self.activity.look_for_rest();
        let deadline = self.activity.deadline(&self.limits);
        let expired = deadline.is_some_and(|deadline| deadline <= now);
        let next = if expired && !ending { now + GOODBYE } else { self.next(now) };
        sleep.as_mut().reset(next);
        expired
    }

    /// When to look again: a busy connection sets no timer of its own, so that a request costs
    /// none.
    fn next(&self, now: Instant) -> Instant {
        let limits = [self.limits.idle, self.limits.read].into_iter().flatten();
        let look_again = match self.activity.is_resting() {
            true => now + limits.fold(LONG, std::time::Duration::min),
            false => now + limits.fold(REST_AFTER, std::time::Duration::min),
        };
        self.activity.deadline(&self.limits).map_or(look_again, |d| d.clamp(now, look_again))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUTURE_BYTES_MAX: usize = 3072;

    fn two<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    fn four<A, B, C, D, F: Future>(_: impl Fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// Ten thousand idle connections must cost little: each is one future.
    #[test]
    fn connections_are_small() {
        let plain = four(http::<TcpStream>);
        let encrypted = four(http::<Box<TlsStream<Watched<TcpStream>>>>);
        let one = four(http1::serve::<TcpStream>);
        let other = four(http2::serve::<TcpStream>);
        let whole = two(serve);
        let all = [whole, plain, encrypted, one, other];
        assert!(whole <= FUTURE_BYTES_MAX, "{all:?}");
    }
}

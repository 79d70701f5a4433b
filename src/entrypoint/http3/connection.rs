//! One HTTP/3 connection on its worker: handshake, requests, timers, the end.

use std::cell::Cell;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::Code;
use h3::server::RequestResolver;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::super::Entrypoint;
use super::super::activity::Activity;
use super::super::connection::{Timer, ip_text};
use super::super::drain::Permit;
use super::super::handle::Connection;
use super::super::keepalive::KeepAlive;
use super::super::worker::Shared;
use super::Arrived;
use super::exchange::exchange;
use crate::message::{Client, TlsFacts};

pub(super) type Resolver = RequestResolver<h3_quinn::Connection, Bytes>;
type Http3 = h3::server::Connection<h3_quinn::Connection, Bytes>;

/// Serves a connection until it ends.
pub(in crate::entrypoint) async fn serve(
    worker: Rc<Shared>,
    arrived: Arrived,
    entrypoint: Arc<Entrypoint>,
    permit: Permit,
) {
    let Arrived { incoming, settings, waiting } = arrived;
    let place = settings.place;
    let peer = incoming.remote_address();
    let ip = incoming.local_ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let local = SocketAddr::new(ip, settings.port);
    let generation = worker.generation();
    let Some(tables) = generation.snapshot.entrypoints.get(place) else { return };
    let mut server = settings.server.clone();
    server.crypto = Arc::new(settings.tls.of(&tables.tls, ip));
    drop(generation);
    let handshake = async { incoming.accept_with(Arc::new(server))?.await };
    let quic = match limited(entrypoint.limits.read, handshake).await {
        Some(Ok(quic)) => quic,
        Some(Err(error)) => {
            tracing::debug!(%error, client = %peer, "QUIC handshake failed");
            return;
        }
        None => return,
    };
    drop(waiting);
    let facts = quic.handshake_data().and_then(|facts| facts.downcast::<TlsFacts>().ok());
    let client = Client {
        peer,
        local,
        ip: ip_text(peer),
        entrypoint: Arc::clone(&entrypoint.name),
        is_forwarded: entrypoint.adds_address(peer.ip()),
        tls: facts.map(|facts| *facts),
        guard: Rc::new(permit),
    };
    let activity = Activity::new();
    let timer = Timer::new(&worker, Arc::clone(&activity), entrypoint.limits);
    let keepalive = KeepAlive::new(entrypoint.limits, std::time::Instant::now());
    let client = Rc::new(client);
    let connection = Connection { worker, entrypoint, place, client, activity, keepalive };
    let connection = Rc::new(connection);
    let stop = Rc::new(Stop::default());
    let serving = pin!(requests(quic.clone(), Rc::clone(&connection), Rc::clone(&stop)));
    timer.drive(serving, || connection.keepalive.is_spent(), |_| stop.tell()).await;
    // Whatever is still open ends with it.
    quic.close(quinn::VarInt::from_u32(NO_ERROR), b"");
}

/// `H3_NO_ERROR` (RFC 9114, section 8.1).
const NO_ERROR: u32 = 0x100;

/// The word to end a connection after what it is doing.
#[derive(Debug, Default)]
struct Stop {
    told: Cell<bool>,
    notify: Notify,
}

impl Stop {
    fn tell(&self) {
        self.told.set(true);
        self.notify.notify_one();
    }

    /// Resolves at the word.
    async fn told(&self) {
        while !self.told.get() {
            self.notify.notified().await;
        }
    }
}

/// Takes requests until the client or the word to stop ends it.
async fn requests(
    quic: quinn::Connection,
    connection: Rc<Connection>,
    stop: Rc<Stop>,
) -> Result<(), h3::error::ConnectionError> {
    let head_bytes_max = connection.entrypoint.limits.head_bytes_max as u64;
    let mut builder = h3::server::builder();
    builder.max_field_section_size(head_bytes_max).send_grease(false);
    let mut http3: Http3 = builder.build(h3_quinn::Connection::new(quic)).await?;
    // They end with the connection.
    let mut running = JoinSet::new();
    let mut ending = false;
    loop {
        tokio::select! {
            accepted = http3.accept() => match accepted? {
                Some(resolver) => {
                    connection.activity.received();
                    running.spawn_local(request(Rc::clone(&connection), resolver));
                }
                None => break,
            },
            Some(_) = running.join_next() => {}
            () = stop.told(), if !ending => {
                ending = true;
                // Tells the client that whatever follows the last request was not looked at.
                http3.shutdown(1).await?;
            }
        }
        if ending && running.is_empty() {
            break;
        }
    }
    while running.join_next().await.is_some() {}
    // The last answers must reach the client before the connection is closed.
    flush(&mut http3).await;
    Ok(())
}

/// How long a client may take to acknowledge the end.
const GOODBYE: Duration = Duration::from_millis(500);

/// Waits until the client closes the connection, as it does when it has all its answers and was
/// told that no more are to be had; not for long.
async fn flush(http3: &mut Http3) {
    let closed = async { while let Ok(Some(_)) = http3.accept().await {} };
    // A client that waits for more is closed by us.
    let _ = tokio::time::timeout(GOODBYE, closed).await;
}

/// One request of the connection, from its head on.
async fn request(connection: Rc<Connection>, resolver: Resolver) {
    let limit = connection.entrypoint.limits.read;
    let resolved = limited(limit, resolver.resolve_request()).await;
    // A head that does not come in time, or is none, is answered by the end of its stream.
    let Some(Ok((request, mut stream))) = resolved else { return };
    if is_malformed(request.headers()) {
        stream.stop_sending(Code::H3_MESSAGE_ERROR);
        stream.stop_stream(Code::H3_MESSAGE_ERROR);
        return;
    }
    exchange(&connection, request, stream).await;
}

/// Headers of one connection have no meaning here (RFC 9114, section 4.2).
fn is_malformed(headers: &http::HeaderMap) -> bool {
    let forbidden =
        ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    forbidden.iter().any(|name| headers.contains_key(*name))
        || headers.get_all(http::header::TE).iter().any(|value| value != "trailers")
}

/// The future's result within the limit; `None` past it.
async fn limited<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(future.await),
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
    }
}

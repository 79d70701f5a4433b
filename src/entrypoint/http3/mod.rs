//! HTTP/3: QUIC endpoints beside entrypoints, and the connections they bring.
//!
//! Each entrypoint with HTTP/3 has one QUIC endpoint on the UDP port of its address. All endpoints
//! are on one thread of their own, which only reads datagrams and finds their connection; a
//! connection is handed whole, before its handshake, to the least loaded worker, which does all
//! cryptography and serves all its requests. Sockets per worker would lose a connection whose
//! client gets another port or address, since the kernel would give its datagrams to another
//! worker.

mod body;
mod connection;
mod exchange;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::HeaderValue;
use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime, TransportConfig, VarInt};
use tokio::sync::watch;

use super::{ConnectionLimits, Datagrams, Worker};
use crate::tls::{QuicError, QuicTls};

pub(super) use connection::serve;

/// Why HTTP/3 cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Http3Error {
    /// The system gives no thread, no event queue, or refuses a socket's settings.
    #[error("HTTP/3 could not be started: {0}")]
    Start(#[from] io::Error),
    /// Our cryptography lacks what it needs.
    #[error(transparent)]
    Tls(#[from] QuicError),
}

/// A QUIC endpoint to be.
#[derive(Debug)]
pub struct QuicPlan {
    /// Its socket.
    pub socket: Datagrams,
    /// Limits of its connections.
    pub limits: ConnectionLimits,
}

/// The QUIC endpoints.
#[derive(Debug)]
pub struct Quic {
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

/// A connection that has just come, for the worker that serves it.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) incoming: Incoming,
    pub(super) settings: Arc<Settings>,
    /// Counted while the handshake goes on.
    pub(super) waiting: Waiting,
}

/// What connections of one endpoint share.
#[derive(Debug)]
pub(super) struct Settings {
    /// The entrypoint's place.
    pub(super) place: usize,
    pub(super) tls: QuicTls,
    pub(super) server: quinn::ServerConfig,
    pub(super) port: u16,
}

/// A handshake that has not ended.
#[derive(Debug)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Handshakes under way from which on a client must show that it has the address it claims.
const UNPROVEN_MAX: usize = 128;
/// Handshakes under way at once; further clients are refused.
const HANDSHAKES_MAX: usize = 4096;
/// Bytes that are kept of a client before a worker takes it.
const EARLY_BYTES_MAX: u64 = 64 * 1024;
/// The same of all clients.
const EARLY_BYTES_MAX_ALL: u64 = 16 * 1024 * 1024;
/// Bytes of one request's body that a client may send ahead of us.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// The same of all requests of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// Bytes of answers that are kept until a client has acknowledged them.
const SEND_WINDOW_BYTES: u64 = 1024 * 1024;
/// Streams of a client that carry no requests: control and the compression of headers, with some
/// room for what they may ignore (RFC 9114, section 6.2).
const SIDE_STREAMS_MAX: u32 = 8;
/// How long a client is told that HTTP/3 is to be had, as Traefik tells it.
const ADVERTISED_SECONDS: u32 = 2_592_000;

/// The `Alt-Svc` header (RFC 7838) that tells clients of HTTP/3.
pub(super) fn alt_svc(port: u16) -> Option<HeaderValue> {
    let text = format!("h3=\":{port}\"; ma={ADVERTISED_SECONDS}");
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).ok()
}

impl Quic {
    /// Starts to take connections, once `before` has returned on the thread of the endpoints.
    ///
    /// # Errors
    /// When the system refuses what is needed.
    pub fn start(
        plans: Vec<QuicPlan>,
        workers: Arc<[Worker]>,
        before: impl FnOnce() + Send + 'static,
    ) -> Result<Self, Http3Error> {
        let tls = QuicTls::new()?;
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let mut endpoints = Vec::with_capacity(plans.len());
        for QuicPlan { socket, limits } in plans {
            let server = server_config(&tls, &limits);
            let port = socket.address.port();
            let (place, tls) = (socket.place, tls.clone());
            let endpoint = Endpoint::new(
                EndpointConfig::default(),
                Some(server.clone()),
                socket.socket,
                Arc::new(TokioRuntime),
            )?;
            endpoints.push((endpoint, Arc::new(Settings { place, tls, server, port })));
        }
        drop(entered);
        let (end, ended) = watch::channel(false);
        std::thread::Builder::new().name("quic".to_owned()).spawn(move || {
            // No datagram is read before the runtime runs.
            before();
            let all = tokio::task::LocalSet::new();
            for (endpoint, settings) in endpoints {
                let (workers, stopped) = (Arc::clone(&workers), stopped.clone());
                all.spawn_local(accept_all(endpoint, settings, workers, stopped));
            }
            runtime.block_on(all);
            // With it go the sockets.
            drop(runtime);
            let _ = end.send(true);
        })?;
        Ok(Self { stop, ended })
    }

    /// Takes no more connections; those that are open go on.
    pub fn stop(&self) {
        // The thread may have ended.
        let _ = self.stop.send(true);
    }

    /// Resolves when no connection is left and the sockets are closed.
    pub async fn ended(&self) {
        // An error means that the thread has ended.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

fn server_config(tls: &QuicTls, limits: &ConnectionLimits) -> quinn::ServerConfig {
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls.clone()));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(SIDE_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .datagram_receive_buffer_size(None)
        // Our own timers close idle connections; this one finds clients that are gone.
        .max_idle_timeout(Some(VarInt::from_u32(silence_ms(limits)).into()));
    server
        .transport_config(Arc::new(transport))
        .max_incoming(HANDSHAKES_MAX)
        .incoming_buffer_size(EARLY_BYTES_MAX)
        .incoming_buffer_size_total(EARLY_BYTES_MAX_ALL);
    server
}

/// Silence after which a client is gone where the entrypoint has no idle limit of its own.
const SILENCE_MAX: Duration = Duration::from_mins(3);

fn silence_ms(limits: &ConnectionLimits) -> u32 {
    let silence = limits.idle.unwrap_or(SILENCE_MAX);
    u32::try_from(silence.as_millis()).unwrap_or(u32::MAX)
}

async fn accept_all(
    endpoint: Endpoint,
    settings: Arc<Settings>,
    workers: Arc<[Worker]>,
    mut stopped: watch::Receiver<bool>,
) {
    let handshakes = Arc::<AtomicUsize>::default();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => hand_over(incoming, &settings, &workers, &handshakes),
                None => return,
            },
            // An error means that nobody is left to say it.
            _ = stopped.wait_for(|stop| *stop) => break,
        }
    }
    endpoint.set_server_config(None);
    endpoint.wait_idle().await;
}

fn hand_over(
    incoming: Incoming,
    settings: &Arc<Settings>,
    workers: &[Worker],
    handshakes: &Arc<AtomicUsize>,
) {
    let under_way = handshakes.load(Ordering::Acquire);
    if under_way >= HANDSHAKES_MAX {
        return incoming.refuse();
    }
    if under_way >= UNPROVEN_MAX && incoming.may_retry() {
        // Only clients that have proven their address cannot be asked to.
        let _ = incoming.retry();
        return;
    }
    handshakes.fetch_add(1, Ordering::AcqRel);
    let waiting = Waiting(Arc::clone(handshakes));
    let arrived = Arrived { incoming, settings: Arc::clone(settings), waiting };
    if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
        worker.accept_quic(arrived);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_the_port() {
        assert_eq!(alt_svc(8443).unwrap(), "h3=\":8443\"; ma=2592000");
    }
}

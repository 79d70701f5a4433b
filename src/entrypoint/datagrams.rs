//! UDP entrypoints: a socket, and a session for each client.
//!
//! One worker has the socket. A session begins with a client's first datagram, stays with one
//! server, and ends after a time of silence in both directions.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hashbrown::HashMap;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::worker::Shared;
use crate::service::UdpService;

/// Clients of one entrypoint at once; datagrams of further ones are dropped. Each takes a
/// descriptor.
const SESSIONS_MAX: usize = 16 * 1024;
/// Datagrams of one client that wait for its server; further ones are dropped.
const WAITING_MAX: usize = 64;
/// How long the socket is left alone after an error.
const PAUSE: Duration = Duration::from_millis(1);
/// The longest datagram of UDP.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Datagrams on their way from a client to its server.
type Sessions = Rc<RefCell<HashMap<SocketAddr, mpsc::Sender<Bytes>>>>;

/// Resolves when another process reads the socket.
async fn makes_way(worker: &Shared) {
    worker.drain.begun().await;
    if !worker.drain.makes_way() {
        std::future::pending::<()>().await;
    }
}

/// Serves an entrypoint until the worker ends.
pub(super) async fn serve(worker: Rc<Shared>, socket: UdpSocket, place: usize, timeout: Duration) {
    let socket = Rc::new(socket);
    let sessions = Sessions::default();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            // Sessions go on; what clients send from now on is for the other process.
            () = makes_way(&worker) => return,
        };
        // An error is of a datagram that was sent before and whose client is gone.
        let Ok((count, client)) = received else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let datagram = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
        let known = sessions.borrow().get(&client).cloned();
        let queue = match known {
            Some(queue) => queue,
            None => {
                let Some(service) = admit(&worker, place, &sessions) else { continue };
                let (queue, datagrams) = mpsc::channel(WAITING_MAX);
                sessions.borrow_mut().insert(client, queue.clone());
                let session = Session { socket: Rc::clone(&socket), client, timeout };
                let permit = worker.drain.admit();
                let sessions = Rc::clone(&sessions);
                tokio::task::spawn_local(async move {
                    if let Err(error) = session.run(&service, datagrams).await {
                        let service = &*service.name;
                        tracing::debug!(service, %client, %error, "a session ended early");
                    }
                    sessions.borrow_mut().remove(&client);
                    drop(permit);
                });
                queue
            }
        };
        // A full queue loses datagrams, as networks do.
        let _ = queue.try_send(datagram);
    }
}

/// The service for a new session; none when there is none or no room for it.
fn admit(worker: &Shared, place: usize, sessions: &Sessions) -> Option<Arc<UdpService>> {
    let generation = worker.generation();
    let service = generation.snapshot.datagrams.get(place)?.clone()?;
    if worker.drain.is_draining() || sessions.borrow().len() >= SESSIONS_MAX {
        tracing::debug!("a session is refused: there is no room for more");
        return None;
    }
    Some(service)
}

/// One client's.
struct Session {
    socket: Rc<UdpSocket>,
    client: SocketAddr,
    timeout: Duration,
}

impl Session {
    async fn run(
        &self,
        service: &UdpService,
        mut datagrams: mpsc::Receiver<Bytes>,
    ) -> io::Result<()> {
        let server = service
            .choose()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the service has no server"))?;
        let server = connect(server).await?;
        let mut answer = vec![0; DATAGRAM_BYTES_MAX];
        let mut until = Instant::now() + self.timeout;
        loop {
            tokio::select! {
                // The end comes last: what has arrived by then is sent on, and since nothing waits
                // between this and the removal of the session, no datagram falls between.
                biased;
                datagram = datagrams.recv() => {
                    let Some(datagram) = datagram else { return Ok(()) };
                    server.send(&datagram).await?;
                }
                count = server.recv(&mut answer) => {
                    let answer = answer.get(..count?).unwrap_or_default();
                    self.socket.send_to(answer, self.client).await?;
                }
                () = sleep_until(until) => return Ok(()),
            }
            until = Instant::now() + self.timeout;
        }
    }
}

/// A socket of its own for one server, whose name is resolved anew.
async fn connect(server: &str) -> io::Result<UdpSocket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in tokio::net::lookup_host(server).await? {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

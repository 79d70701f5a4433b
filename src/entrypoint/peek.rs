//! The first bytes of a connection, looked at only where somebody needs them: the PROXY header,
//! Postgres's wish for TLS, the `ClientHello`. Nothing is taken away but what is meant for us.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::Trust;
use crate::message::proxy::{Ends, ProxyHeader};
use crate::service::{POSTGRES_GRANT, POSTGRES_WISH};
use crate::tls::{HELLO_BYTES_MAX, Hello, Opening, opening};

/// A connection of which some bytes may have been read.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    /// What has been read and is not ours.
    pub(super) ahead: BytesMut,
    /// Both ends, as a PROXY header told them if it is believed.
    pub(super) ends: Ends,
}

/// What a client begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// A TLS handshake, of which all that is needed has been read.
    Tls(Hello),
    /// TLS after Postgres's wish for it, which has been granted.
    Postgres(Hello),
    /// A TLS handshake that is broken, which TLS knows how to tell.
    BrokenTls,
    /// Anything else.
    Other,
}

/// How long a PROXY header is waited for at most, where the read timeout is not shorter; a client
/// that has none may wait for the server to speak.
const PROXY_WAIT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 4096;
/// Records add to a `ClientHello` at most so much, unless somebody makes them needlessly small.
const RECORDS_BYTES_MAX: usize = 4096;

impl Arrival {
    pub(super) fn new(stream: TcpStream, source: SocketAddr, destination: SocketAddr) -> Self {
        Self { stream, ahead: BytesMut::new(), ends: Ends { source, destination } }
    }

    /// Reads the PROXY header, if there is one; nothing when the connection is of no use.
    pub(super) async fn proxy_header(
        mut self,
        senders: &Trust,
        limit: Option<Duration>,
    ) -> Option<Self> {
        let deadline = Instant::now() + limit.map_or(PROXY_WAIT, |limit| limit.min(PROXY_WAIT));
        loop {
            match ProxyHeader::read(&self.ahead) {
                ProxyHeader::Absent => return Some(self),
                ProxyHeader::Broken => {
                    tracing::debug!(client = %self.ends.source, "a PROXY header is broken");
                    return None;
                }
                ProxyHeader::Present { length, ends } => {
                    self.ahead.advance(length);
                    if let Some(ends) = ends.filter(|_| senders.trusts(self.ends.source.ip())) {
                        self.ends = ends;
                    }
                    return Some(self);
                }
                ProxyHeader::Partial => match timeout_at(deadline, self.more()).await {
                    // A client that says nothing has no header.
                    Err(_) if self.ahead.is_empty() => return Some(self),
                    Err(_) | Ok(None) => return None,
                    Ok(Some(())) => {}
                },
            }
        }
    }

    /// Reads as much as is needed to know where the connection is meant to go; nothing when it
    /// ends before.
    pub(super) async fn beginning(&mut self, postgres: Postgres) -> Option<Beginning> {
        let mut is_postgres = false;
        loop {
            let bytes = &*self.ahead;
            let is_wish = postgres == Postgres::Granted && !is_postgres && !bytes.is_empty();
            if is_wish && bytes.starts_with(&POSTGRES_WISH) {
                self.ahead.advance(POSTGRES_WISH.len());
                self.stream.write_all(POSTGRES_GRANT).await.ok()?;
                is_postgres = true;
                continue;
            }
            let found = match opening(bytes) {
                _ if is_wish && POSTGRES_WISH.starts_with(bytes) => None,
                Opening::Partial if bytes.len() < HELLO_BYTES_MAX + RECORDS_BYTES_MAX => None,
                Opening::Hello(hello) if is_postgres => Some(Beginning::Postgres(hello)),
                // What was granted is not taken.
                _ if is_postgres => return None,
                Opening::Hello(hello) => Some(Beginning::Tls(hello)),
                Opening::Broken | Opening::Partial => Some(Beginning::BrokenTls),
                Opening::Other => Some(Beginning::Other),
            };
            match found {
                Some(found) => return Some(found),
                None => self.more().await?,
            }
        }
    }

    async fn more(&mut self) -> Option<()> {
        self.ahead.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.ahead).await {
            Ok(1..) => Some(()),
            _ => None,
        }
    }
}

/// Whether Postgres's wish for TLS is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Postgres {
    /// It is, since there are TCP routers with TLS.
    Granted,
    /// It is nothing to us.
    Ignored,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;

    /// A connection over which those pieces came, one after the other, and the client's end.
    async fn arrival(pieces: &'static [&'static [u8]]) -> (Arrival, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = listener.local_addr().unwrap();
        #[allow(clippy::disallowed_methods, reason = "a test has one thread and no worker")]
        let client = tokio::spawn(async move {
            let mut client = TcpStream::connect(local).await.unwrap();
            client.set_nodelay(true).unwrap();
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                // Whether pieces arrive apart or together must not matter.
                tokio::task::yield_now().await;
            }
            let mut answer = [0; 1];
            let _ = tokio::time::timeout(Duration::from_secs(5), client.read(&mut answer)).await;
        });
        let (stream, peer) = listener.accept().await.unwrap();
        (Arrival::new(stream, peer, local), client)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn proxy_headers_are_believed_of_the_trusted() {
        const HEADER: &[&[u8]] = &[b"PRO", b"XY TCP4 10.1.2.3 10.0.0.1 5 80\r", b"\nGET"];
        run(async {
            let nobody = Trust::Networks(Vec::new());
            for (senders, expect) in [(&Trust::All, "10.1.2.3"), (&nobody, "127.0.0.1")] {
                let arrival = arrival(HEADER).await.0.proxy_header(senders, None).await.unwrap();
                assert_eq!(arrival.ends.source.ip().to_string(), expect);
                let mut arrival = arrival;
                while arrival.ahead.len() < 3 {
                    arrival.more().await.unwrap();
                }
                assert_eq!(&*arrival.ahead, b"GET");
            }
            let broken = arrival(&[b"PROXY GARBAGE\r\n"]).await.0;
            assert!(broken.proxy_header(&Trust::All, None).await.is_none());
            let other = arrival(&[b"GET / HTTP/1.1"]).await.0;
            let other = other.proxy_header(&Trust::All, None).await.unwrap();
            assert!(other.ahead.starts_with(b"GET"));
        });
    }

    #[test]
    fn beginnings_are_told_apart() {
        const WISH: &[&[u8]] = &[&[0, 0, 0, 8], &[4, 210, 22, 47]];
        run(async {
            for (pieces, postgres, expect) in [
                (
                    &[b"GET / HTTP/1.1" as &[u8]] as &[&[u8]],
                    Postgres::Granted,
                    Some(Beginning::Other),
                ),
                (&[b"\x16\x03\x01\xff\xff"], Postgres::Granted, Some(Beginning::BrokenTls)),
                (WISH, Postgres::Ignored, Some(Beginning::Other)),
                (&[b"\0\0\0\x07"], Postgres::Granted, Some(Beginning::Other)),
                // It wishes for TLS and does not begin it.
                (&[&[0, 0, 0, 8, 4, 210, 22, 47, b'x']], Postgres::Granted, None),
            ] {
                let mut arrival = arrival(pieces).await.0;
                assert_eq!(arrival.beginning(postgres).await, expect, "{pieces:?}");
            }
        });
    }
}

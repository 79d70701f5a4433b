//! Bytes both ways between a client and a server, until both have said all or nobody waits any
//! longer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::message::Io;

/// Buffers that a worker's connections share: a connection has one only while it has bytes in
/// hand, so that an idle one costs none.
#[derive(Debug, Default)]
pub struct Buffers(RefCell<Vec<Box<[u8]>>>);

const BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that are kept for later.
const KEPT_MAX: usize = 64;

impl Buffers {
    fn take(&self) -> Box<[u8]> {
        let kept = self.0.borrow_mut().pop();
        kept.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice())
    }

    fn give(&self, buffer: Box<[u8]>) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    }
}

/// Hands bytes on both ways. The end of one direction is told to the other side, which has `delay`
/// from then on to say the rest; none means any time. An error is the end, too: there is nobody to
/// tell it.
pub async fn relay(
    client: &mut impl Io,
    server: &mut impl Io,
    buffers: &Buffers,
    delay: Option<Duration>,
) {
    let (mut up, mut down) = (Pipe::default(), Pipe::default());
    let mut sleep = pin!(None::<Sleep>);
    poll_fn(|cx| {
        up.poll(cx, client, server, buffers);
        down.poll(cx, server, client, buffers);
        if up.is_done() && down.is_done() {
            return Poll::Ready(());
        }
        if let (true, Some(delay)) = (up.is_done() || down.is_done(), delay) {
            if sleep.is_none() {
                sleep.set(Some(sleep_until(Instant::now() + delay)));
            }
            if let Some(sleep) = sleep.as_mut().as_pin_mut() {
                return sleep.poll(cx);
            }
        }
        Poll::Pending
    })
    .await;
    up.free(buffers);
    down.free(buffers);
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    state: State,
    /// Bytes in hand: the buffer, where they begin and where they end.
    held: Option<(Box<[u8]>, usize, usize)>,
    /// Bytes were written that may not have left yet.
    is_dirty: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// All is read; the end must be told.
    Ending,
    Done,
}

impl Pipe {
    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn free(&mut self, buffers: &Buffers) {
        if let Some((buffer, ..)) = self.held.take() {
            buffers.give(buffer);
        }
    }

    /// Goes as far as it can.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Io,
        to: &mut impl Io,
        buffers: &Buffers,
    ) {
        while self.state == State::Open {
            match self.step(cx, from, to, buffers) {
                Poll::Pending => return,
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false) | Err(_)) => {
                    self.free(buffers);
                    self.state = State::Ending;
                }
            }
        }
        if self.state == State::Ending && Pin::new(to).poll_shutdown(cx).is_ready() {
            self.state = State::Done;
        }
    }

    /// Writes what is in hand, else reads; whether there may be more.
    fn step(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        buffers: &Buffers,
    ) -> Poll<io::Result<bool>> {
        if let Some((buffer, start, end)) = &mut self.held {
            let rest = buffer.get(*start..*end).unwrap_or_default();
            let count = ready!(Pin::new(to).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_dirty = true;
            *start += count;
            if start >= end {
                self.free(buffers);
            }
            return Poll::Ready(Ok(true));
        }
        let mut buffer = buffers.take();
        let mut into = ReadBuf::new(&mut buffer);
        let read = Pin::new(from).poll_read(cx, &mut into);
        let count = into.filled().len();
        match read {
            Poll::Ready(Ok(())) if count > 0 => {
                self.held = Some((buffer, 0, count));
                Poll::Ready(Ok(true))
            }
            other => {
                buffers.give(buffer);
                if other.is_pending() && self.is_dirty {
                    ready!(Pin::new(to).poll_flush(cx))?;
                    self.is_dirty = false;
                }
                other.map_ok(|()| false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test);
    }

    /// A client and a server with a relay between them.
    async fn with_relay<F: Future<Output = ()>>(
        delay: Option<Duration>,
        test: impl FnOnce(tokio::io::DuplexStream, tokio::io::DuplexStream) -> F,
    ) {
        let (client, mut inner_client) = duplex(100);
        let (server, mut inner_server) = duplex(100);
        let buffers = Buffers::default();
        let relay = async {
            relay(&mut inner_client, &mut inner_server, &buffers, delay).await;
            drop((inner_client, inner_server));
        };
        tokio::join!(relay, test(client, server));
        // No buffer is lost or made in vain.
        assert!((1..=2).contains(&buffers.0.borrow().len()));
    }

    #[test]
    fn bytes_go_both_ways() {
        run(with_relay(None, async |client, server| {
            let sent: Vec<u8> = (0..=255).cycle().take(200_000).collect();
            let (mut up, mut down) = (Vec::new(), Vec::new());
            let (mut from_client, mut to_server) = tokio::io::split(client);
            let (mut from_server, mut to_client) = tokio::io::split(server);
            let upload = async {
                to_server.write_all(&sent).await.unwrap();
                to_server.shutdown().await.unwrap();
            };
            let download = async {
                to_client.write_all(&sent).await.unwrap();
                to_client.shutdown().await.unwrap();
            };
            let ((), (), a, b) = tokio::join!(
                upload,
                download,
                from_server.read_to_end(&mut up),
                from_client.read_to_end(&mut down),
            );
            assert_eq!((a.unwrap(), b.unwrap()), (sent.len(), sent.len()));
            assert!(up == sent && down == sent);
        }));
    }

    #[test]
    fn the_rest_is_waited_for() {
        run(with_relay(Some(Duration::from_mins(1)), async |mut client, mut server| {
            client.write_all(b"last words").await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).await.unwrap();
            server.write_all(&heard).await.unwrap();
            drop(server);
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"last words");
        }));
    }

    #[test]
    fn but_not_for_ever() {
        run(with_relay(Some(Duration::from_millis(5)), async |mut client, mut server| {
            client.shutdown().await.unwrap();
            // The server never ends by itself, and the client sees the end all the same.
            assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
            assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
            assert!(server.write_all(b"late").await.is_err());
        }));
    }
}

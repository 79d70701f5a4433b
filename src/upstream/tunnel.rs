//! A connection after a 101 answer: bytes both ways until both sides have closed, or until neither
//! has said anything for as long as is allowed.

use std::rc::Rc;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional};

use crate::message::{Exchange, Io, Upgrade, in_force, silence};

/// Starts the tunnel in a task of its own. The exchange is held until its end, so that a graceful
/// stop waits for it.
pub(super) fn start<S: Io>(
    upgrade: Upgrade,
    mut server: S,
    early: BytesMut,
    exchange: Rc<Exchange>,
) {
    tokio::task::spawn_local(async move {
        let Ok(mut client) = upgrade.await else {
            return;
        };
        if !early.is_empty() && client.write_all(&early).await.is_err() {
            return;
        }
        // Either side may vanish without a word; there is nobody left to tell.
        let Some(idle) = in_force(exchange.timeouts.get().idle) else {
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return drop(exchange);
        };
        exchange.flowed.set(Instant::now());
        let mut client = Heard { inner: client, exchange: Rc::clone(&exchange) };
        let mut server = Heard { inner: server, exchange: Rc::clone(&exchange) };
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => {}
            () = silence(&exchange, idle) => {}
        }
    });
}

/// One side of a tunnel, whose bytes are noted.
struct Heard<S> {
    inner: S,
    exchange: Rc<Exchange>,
}

impl<S: Io> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        if read.is_ready() {
            self.exchange.flowed.set(Instant::now());
        }
        read
    }
}

impl<S: Io> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        if written.is_ready() {
            self.exchange.flowed.set(Instant::now());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

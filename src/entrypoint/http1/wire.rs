//! A client's socket with what was read ahead and what is still to be written.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Frame;
use std::future::Future;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::head::Framing;
use crate::message::BodyError;
use crate::message::chunked::{Decoder, Step};
use crate::upstream::{BLOCK_BYTES, Pools};

/// A wire that the connection's task and the request's body share, in turns and on one thread.
pub(super) type Shared<S> = Rc<RefCell<Wire<S>>>;

/// The socket and its buffers.
pub(super) struct Wire<S> {
    /// None once it has been handed over after an upgrade.
    stream: Option<S>,
    /// What was read and not taken yet.
    pub(super) buffer: BytesMut,
    /// Whether it is a block for bodies.
    is_block: bool,
    /// What goes out before anything else, such as 100 Continue.
    out: BytesMut,
    /// What is left of the request's body.
    pub(super) unread: Unread,
    /// The client waits for 100 Continue before it sends its body.
    expects: bool,
    pools: Rc<Pools>,
}

/// What is left of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    Nothing,
    Length(u64),
    Chunked(Decoder),
    /// Its framing is broken or the client has gone: nothing more can be read.
    Broken,
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn shared(stream: S, ahead: BytesMut, pools: Rc<Pools>) -> Shared<S> {
        Rc::new(RefCell::new(Self {
            stream: Some(stream),
            buffer: ahead,
            is_block: false,
            out: BytesMut::new(),
            unread: Unread::Nothing,
            expects: false,
            pools,
        }))
    }

    /// Whether a head may be complete, when so many bytes have been looked at in vain.
    pub(super) fn may_hold_head(&self, scanned: usize) -> bool {
        if self.buffer.is_empty() || self.buffer.len() == scanned {
            return false;
        }
        // A head that comes byte by byte must not be parsed at each of them.
        let start = scanned.saturating_sub(3);
        scanned == 0 || self.buffer[start..].windows(2).any(|two| two == b"\n\r" || two == b"\n\n")
    }

    /// Reads more into the buffer; an idle connection holds none.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        if self.buffer.capacity() == 0 {
            self.buffer = self.pools.buffer();
        } else if self.buffer.capacity() == self.buffer.len() {
            self.buffer.reserve(self.buffer.len().max(4096));
        }
        let polled = pin!(stream.read_buf(&mut self.buffer)).poll(cx);
        if polled.is_pending() {
            self.release();
        }
        polled
    }

    /// Whether the client has left while its request is being answered.
    pub(super) fn is_gone(&mut self, cx: &mut Context<'_>) -> bool {
        // A body that is being read notices it by itself, and a full buffer must wait.
        while self.unread == Unread::Nothing {
            let Some(stream) = &mut self.stream else { return false };
            if self.buffer.capacity() == 0 {
                self.buffer = self.pools.buffer();
            } else if self.buffer.capacity() == self.buffer.len() {
                return false;
            }
            match pin!(stream.read_buf(&mut self.buffer)).poll(cx) {
                Poll::Pending => {
                    self.release();
                    return false;
                }
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return true,
            }
        }
        false
    }

    /// A body follows.
    pub(super) fn expect(&mut self, framing: Framing, expects: bool) {
        self.expects = expects;
        self.unread = match framing {
            Framing::None | Framing::Length(0) => Unread::Nothing,
            Framing::Length(length) => Unread::Length(length),
            Framing::Chunked => Unread::Chunked(Decoder::default()),
        };
        self.release();
    }

    /// Whether what is left of a body is worth reading to keep the connection.
    pub(super) fn can_drain(&self, bytes_max: u64) -> bool {
        match self.unread {
            Unread::Nothing => true,
            // A client that still waits for 100 Continue may send its body or not.
            Unread::Length(left) => left <= bytes_max && !self.expects,
            Unread::Chunked(_) | Unread::Broken => false,
        }
    }

    /// The next frame of the body.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.expects {
            self.expects = false;
            if self.buffer.is_empty() {
                self.out.extend_from_slice(CONTINUE);
            }
        }
        if self.poll_flush_out(cx)?.is_pending() && self.buffer.is_empty() {
            return Poll::Pending;
        }
        loop {
            match self.take_frame() {
                Ok(Some(frame)) => {
                    if self.unread == Unread::Nothing {
                        self.release();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(None) if self.unread == Unread::Nothing => return Poll::Ready(None),
                Ok(None) => {}
                Err(error) => {
                    self.unread = Unread::Broken;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            let wanted = match self.unread {
                Unread::Length(left) => left.try_into().unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES),
                _ => BLOCK_BYTES / 4,
            };
            if self.buffer.is_empty() && self.buffer.capacity() < wanted {
                self.release();
                (self.buffer, self.is_block) = (self.pools.block(), true);
            }
            self.buffer.reserve(wanted);
            let Some(stream) = &mut self.stream else {
                return Poll::Ready(Some(Err(BodyError::Client)));
            };
            let read = pin!(stream.read_buf(&mut self.buffer)).poll(cx);
            if read.is_pending() {
                self.release();
            }
            match ready!(read) {
                Ok(1..) => {}
                Ok(_) | Err(_) => {
                    self.unread = Unread::Broken;
                    return Poll::Ready(Some(Err(BodyError::Client)));
                }
            }
        }
    }

    /// Takes a frame of the body out of the buffer, if there is one.
    fn take_frame(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        match &mut self.unread {
            Unread::Nothing => Ok(None),
            Unread::Broken => Err(BodyError::Client),
            Unread::Length(left) => {
                let take = self.buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                if take == 0 {
                    return Ok(None);
                }
                *left -= take as u64;
                if *left == 0 {
                    self.unread = Unread::Nothing;
                }
                Ok(Some(Frame::data(self.buffer.split_to(take).freeze())))
            }
            Unread::Chunked(decoder) => {
                match decoder.step(&mut self.buffer).map_err(|_| BodyError::ClientFraming)? {
                    Step::More => Ok(None),
                    Step::Data(data) => Ok(Some(Frame::data(data))),
                    Step::End(trailers) => {
                        self.unread = Unread::Nothing;
                        Ok(trailers.map(Frame::trailers))
                    }
                }
            }
        }
    }

    /// Says something before the answer.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes what goes out before anything else.
    pub(super) fn poll_flush_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        while self.out.has_remaining() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, &self.out)) {
                Ok(written @ 1..) => self.out.advance(written),
                Ok(_) | Err(_) => return Poll::Ready(Err(BodyError::Client)),
            }
        }
        let _ = Pin::new(stream).poll_flush(cx);
        Poll::Ready(Ok(()))
    }

    /// Writes some of the slices, in one call where the system can.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match slices {
            [one] => Pin::new(stream).poll_write(cx, one),
            many if stream.is_write_vectored() => Pin::new(stream).poll_write_vectored(cx, many),
            many => {
                let first = many.iter().find(|slice| !slice.is_empty());
                Pin::new(stream).poll_write(cx, first.map_or(&[], |slice| slice))
            }
        }
    }

    /// Hands what was written to the system; matters for TLS only.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closes our side.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Reads and drops.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
        let mut space = [0; 4096];
        let mut space = ReadBuf::new(&mut space);
        ready!(Pin::new(stream).poll_read(cx, &mut space))?;
        Poll::Ready(Ok(space.filled().len()))
    }

    /// Hands the socket over with what was read ahead.
    pub(super) fn take(&mut self) -> Option<Rewound<S>> {
        let ahead = std::mem::take(&mut self.buffer).freeze();
        self.stream.take().map(|stream| Rewound { ahead, stream })
    }
}

impl<S> Wire<S> {
    /// Gives the buffer back if it is empty, so that nobody keeps one while it waits.
    fn release(&mut self) {
        if !self.buffer.is_empty() {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        match std::mem::take(&mut self.is_block) {
            true => self.pools.give_back_block(buffer),
            false => self.pools.give_back(buffer),
        }
    }
}

impl<S> Drop for Wire<S> {
    fn drop(&mut self) {
        self.buffer.clear();
        self.release();
    }
}

/// A socket that first gives back what was read ahead.
pub(super) struct Rewound<S> {
    ahead: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.has_remaining() {
            let take = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(take));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

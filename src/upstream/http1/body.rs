//! The body of an answer, read from the server as the client takes it.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};

use super::pump::{Pump, PumpEnd};
use crate::message::BodyError;
use crate::message::chunked::{Decoder, Step};
use crate::upstream::stream::Stream;
use crate::upstream::{BLOCK_BYTES, Endpoint, Pools, copied_out};

/// How the end of an answer's body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After that many bytes.
    Length(u64),
    /// By the chunked coding.
    Chunked,
    /// When the server closes the connection.
    Close,
}

/// The body of an answer with the connection it comes over, which goes back to the pool at its
/// end.
pub(super) struct ServerBody<S> {
    pools: Rc<Pools>,
    endpoint: Arc<Endpoint>,
    stream: Option<S>,
    buffer: BytesMut,
    pump: Option<Pump>,
    state: State,
    keep_alive: bool,
}

enum State {
    Length(u64),
    Chunked(Decoder),
    Close,
    Done,
}

/// Bodies of up to so many bytes that have come together with their heads are copied.
const COPIED_BYTES_MAX: usize = 2 * 1024;

impl<S: Stream> ServerBody<S> {
    pub(super) fn new(
        pools: Rc<Pools>,
        endpoint: Arc<Endpoint>,
        stream: S,
        buffer: BytesMut,
        pump: Option<Pump>,
        framing: Framing,
        keep_alive: bool,
    ) -> Self {
        let state = match framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Decoder::default()),
            Framing::Close => State::Close,
        };
        Self { pools, endpoint, stream: Some(stream), buffer, pump, state, keep_alive }
    }

    /// The whole body when it came together with the head; the connection is free then.
    pub(super) fn at_hand(&mut self) -> Option<Bytes> {
        let State::Length(length) = self.state else {
            return None;
        };
        let length = usize::try_from(length).ok()?;
        if self.buffer.len() < length || self.pump.is_some() {
            return None;
        }
        let bytes = match length {
            // As with headers: a client that takes its time must not hold the whole block.
            0..=COPIED_BYTES_MAX => copied_out(&mut self.buffer, length),
            _ => self.buffer.split_to(length).freeze(),
        };
        self.finish();
        Some(bytes)
    }

    /// Gives the connection back when nothing more can come over it.
    fn finish(&mut self) {
        self.state = State::Done;
        let stream = self.stream.take();
        let buffer = std::mem::take(&mut self.buffer);
        if let Some(stream) = stream
            && self.keep_alive
            && buffer.is_empty()
            && self.pump.is_none()
        {
            S::shelf(&self.pools).keep(&self.endpoint, stream, self.pools.lately());
        }
        self.pools.give_back_block(buffer);
    }

    /// Takes a frame out of the buffer, if there is one.
    fn take(&mut self) -> Result<Option<Frame<Bytes>>, BodyError> {
        match &mut self.state {
            State::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let take = self.buffer.len().min(most);
                if take == 0 {
                    return Ok(None);
                }
                *left -= take as u64;
                Ok(Some(Frame::data(self.buffer.split_to(take).freeze())))
            }
            State::Close if !self.buffer.is_empty() => {
                Ok(Some(Frame::data(self.buffer.split().freeze())))
            }
            State::Close | State::Done => Ok(None),
            State::Chunked(decoder) => {
                match decoder.step(&mut self.buffer).map_err(|_| BodyError::ServerFraming)? {
                    Step::More => Ok(None),
                    Step::Data(data) => Ok(Some(Frame::data(data))),
                    Step::End(trailers) => {
                        self.finish();
                        Ok(trailers.map(Frame::trailers))
                    }
                }
            }
        }
    }

    /// Sends what is left of the request's body.
    fn send(&mut self, cx: &mut Context<'_>) {
        if let (Some(pump), Some(stream)) = (&mut self.pump, &mut self.stream) {
            match pump.poll(cx, stream) {
                Poll::Ready(PumpEnd::Sent) => self.pump = None,
                // The answer is on its way already, and the connection will not be used again.
                Poll::Ready(PumpEnd::ServerClosed | PumpEnd::ClientFailed(_)) | Poll::Pending => {}
            }
        }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.keep_alive = false;
        self.finish();
        Poll::Ready(Some(Err(error)))
    }
}

impl<S: Stream> http_body::Body for ServerBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        this.send(cx);
        loop {
            match this.take() {
                Err(error) => return this.fail(error),
                Ok(Some(frame)) => {
                    if matches!(this.state, State::Length(0)) {
                        this.finish();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Ok(None) => {}
            }
            match this.state {
                State::Done => return Poll::Ready(None),
                State::Length(0) => {
                    this.finish();
                    return Poll::Ready(None);
                }
                _ => {}
            }
            let Some(stream) = &mut this.stream else {
                return Poll::Ready(None);
            };
            let room = match this.state {
                State::Length(left) => left.try_into().unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES),
                _ => BLOCK_BYTES / 4,
            };
            match ready!(this.pools.poll_read(cx, stream, &mut this.buffer, room)) {
                Ok(1..) => {}
                Ok(0) if matches!(this.state, State::Close) => {
                    this.finish();
                    return Poll::Ready(None);
                }
                Ok(_) | Err(_) => return this.fail(BodyError::ServerClosed),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match self.state {
            State::Length(left) => SizeHint::with_exact(left),
            State::Done => SizeHint::with_exact(0),
            State::Chunked(_) | State::Close => SizeHint::default(),
        }
    }
}

//! A body that is compressed or decompressed as it streams.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame};

use crate::content::{Codec, CodecError, Coding};
use crate::message::{Body, BodyError};

/// Bytes that are gathered before they go on while more is at hand.
const FRAME_BYTES: usize = 16 * 1024;
/// A body at hand of up to this size is coded at once, so that its length can be told.
const AT_ONCE_BYTES_MAX: usize = 64 * 1024;

/// What is done with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Encode,
    Decode,
}

/// The coded form of another body.
pub(in crate::lua) struct Coded {
    inner: Body,
    codec: Codec,
    direction: Direction,
    /// What came and was not given to the codec yet.
    input: Bytes,
    /// Whether something went in that has not come out.
    unflushed: bool,
    #[expect(clippy::option_option, reason = "no end yet, an end, an end with trailers")]
    end: Option<Option<HeaderMap>>,
}

impl Coded {
    /// Compresses a body.
    ///
    /// # Errors
    /// When the level is none of the coding's.
    pub(in crate::lua) fn encode(
        body: Body,
        coding: Coding,
        level: Option<u32>,
    ) -> Result<Body, CodecError> {
        Self::new(body, Codec::encoder(coding, level)?, Direction::Encode)
    }

    /// Decompresses a body.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(in crate::lua) fn decode(body: Body, coding: Coding) -> Result<Body, CodecError> {
        Self::new(body, Codec::decoder(coding)?, Direction::Decode)
    }

    fn new(body: Body, mut codec: Codec, direction: Direction) -> Result<Body, CodecError> {
        match body {
            Body::Full(mut bytes)
                if direction == Direction::Encode && bytes.len() <= AT_ONCE_BYTES_MAX =>
            {
                while !bytes.is_empty() {
                    codec.write(&mut bytes)?;
                }
                codec.finish()?;
                Ok(codec.take().into())
            }
            inner => {
                let (input, unflushed, end) = (Bytes::new(), false, None);
                Ok(Body::stream(Self { inner, codec, direction, input, unflushed, end }))
            }
        }
    }

    /// Gives to the codec what is at hand, or what comes; `Pending` when nothing does.
    fn feed(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        if !self.input.is_empty() {
            self.unflushed = true;
            return Poll::Ready(self.codec.write(&mut self.input).map_err(|error| broken(&error)));
        }
        let end = match std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => None,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.input = data;
                    return Poll::Ready(Ok(()));
                }
                Err(frame) => frame.into_trailers().ok(),
            },
        };
        self.end = Some(end);
        self.unflushed = false;
        Poll::Ready(self.codec.finish().map_err(|error| broken(&error)))
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        (self.inner, self.end) = (Body::Empty, Some(None));
        self.codec.take();
        Poll::Ready(Some(Err(error)))
    }
}

/// Says in the log what is wrong with the body.
fn broken(error: &CodecError) -> BodyError {
    tracing::debug!(%error, "a body could not be coded");
    BodyError::Content
}

impl http_body::Body for Coded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            let ready = this.codec.ready_bytes();
            if ready >= FRAME_BYTES || (this.end.is_some() && ready > 0) {
                return Poll::Ready(Some(Ok(Frame::data(this.codec.take()))));
            }
            if let Some(trailers) = &mut this.end {
                return Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            match this.feed(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return this.fail(error),
                Poll::Pending => {
                    // What the other side has sent must not wait here for more of it.
                    if this.unflushed && this.direction == Direction::Encode {
                        this.unflushed = false;
                        if let Err(error) = this.codec.flush() {
                            return this.fail(broken(&error));
                        }
                    }
                    if this.codec.ready_bytes() > 0 {
                        return Poll::Ready(Some(Ok(Frame::data(this.codec.take()))));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        false
    }
}

//! A message body: nothing, bytes at hand, or a stream of frames.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

/// A stream of body frames that stays on its worker's thread.
pub type BodyStream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError>>>;

/// The body of a request or a response.
#[derive(Default)]
pub enum Body {
    /// No bytes and no trailers.
    #[default]
    Empty,
    /// All bytes are at hand, and no trailers follow.
    Full(Bytes),
    /// Frames that come one by one; nothing is read before it is asked for.
    Stream(BodyStream),
}

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client closed its connection or reset its stream.
    #[error("the client went away")]
    Client,
    /// The client broke the framing of its body.
    #[error("the client broke the framing of its body")]
    ClientFraming,
    /// The server closed its connection before the end of the body.
    #[error("the server closed the connection before the end of its answer")]
    ServerClosed,
    /// The server broke the framing of its body.
    #[error("the server broke the framing of its answer")]
    ServerFraming,
    /// A limit on the body's size was passed.
    #[error("the body is larger than its limit")]
    TooLarge,
    /// Nothing came for longer than a timeout allows.
    #[error("the body did not arrive in time")]
    Timeout,
    /// A script that works on the body failed; the log has its name and line.
    #[error("a script failed while it worked on the body")]
    Script,
    /// The body is not what its content coding says.
    #[error("the body is broken inside")]
    Content,
    /// What was kept of the body on our side is lost.
    #[error("the body that was kept is lost")]
    Lost,
}

impl Body {
    /// Boxes a stream of frames.
    pub fn stream(stream: impl http_body::Body<Data = Bytes, Error = BodyError> + 'static) -> Self {
        Self::Stream(Box::pin(stream))
    }

    /// Whether nothing at all will come.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        http_body::Body::is_end_stream(self)
    }

    /// Reads the whole body, at most `limit_bytes` of it; trailers are dropped.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past the limit, else what the stream met.
    pub async fn collect(mut self, limit_bytes: usize) -> Result<Bytes, BodyError> {
        if let Self::Full(bytes) = self {
            return if bytes.len() > limit_bytes { Err(BodyError::TooLarge) } else { Ok(bytes) };
        }
        let mut all = bytes::BytesMut::new();
        while let Some(frame) = self.frame().await {
            if let Ok(data) = frame?.into_data() {
                if all.len() + data.len() > limit_bytes {
                    return Err(BodyError::TooLarge);
                }
                all.extend_from_slice(&data);
            }
        }
        Ok(all.freeze())
    }

    /// The next frame, or `None` at the end.
    pub async fn frame(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut *self), cx)).await
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.has_remaining() { Self::Full(bytes) } else { Self::Empty }
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

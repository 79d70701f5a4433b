//! A request's body as it comes over HTTP/3.
//!
//! Its length must be what the head says, since it may go on to a server that believes it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::server::RequestStream;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::message::BodyError;

pub(super) type Incoming = RequestStream<h3_quinn::RecvStream, Bytes>;

/// The body, frame by frame.
pub(super) struct FromClient {
    stream: Incoming,
    /// What has been read already.
    ahead: VecDeque<Bytes>,
    /// What the head says must still come.
    left: Option<u64>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Data,
    Trailers,
    End,
}

impl FromClient {
    /// A body of that length, if it is known.
    pub(super) fn new(stream: Incoming, length: Option<u64>) -> Self {
        Self { stream, ahead: VecDeque::new(), left: length, stage: Stage::Data }
    }

    /// Whether there is no body at all; waits for its first byte or its end.
    pub(super) async fn is_absent(&mut self) -> bool {
        match std::future::poll_fn(|cx| self.data(cx)).await {
            Ok(Some(bytes)) => {
                self.ahead.push_back(bytes);
                false
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }

    fn data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyError>> {
        let read = match ready!(self.stream.poll_recv_data(cx)) {
            Ok(Some(mut data)) => data.copy_to_bytes(data.remaining()),
            Ok(None) => return Poll::Ready(Ok(None)),
            Err(_) => return Poll::Ready(Err(BodyError::Client)),
        };
        Poll::Ready(Ok(Some(read)))
    }

    /// Counts bytes; an error where there are more or fewer than the head says.
    fn count(&mut self, bytes: Option<usize>) -> Result<(), BodyError> {
        let Some(left) = &mut self.left else { return Ok(()) };
        match bytes {
            Some(bytes) => *left = left.checked_sub(bytes as u64).ok_or(BodyError::Client)?,
            None if *left > 0 => return Err(BodyError::Client),
            None => {}
        }
        Ok(())
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.stage = Stage::End;
        self.stream.stop_sending(Code::H3_MESSAGE_ERROR);
        Poll::Ready(Some(Err(error)))
    }
}

impl HttpBody for FromClient {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            match this.stage {
                Stage::Data => {
                    let read = match this.ahead.pop_front() {
                        Some(bytes) => Ok(Some(bytes)),
                        None => ready!(this.data(cx)),
                    };
                    let counted = read
                        .and_then(|read| this.count(read.as_ref().map(Bytes::len)).map(|()| read));
                    match counted {
                        Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                        Ok(None) => this.stage = Stage::Trailers,
                        Err(error) => return this.fail(error),
                    }
                }
                Stage::Trailers => match ready!(this.stream.poll_recv_trailers(cx)) {
                    Ok(trailers) => {
                        this.stage = Stage::End;
                        return Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))));
                    }
                    Err(_) => return this.fail(BodyError::Client),
                },
                Stage::End => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stage == Stage::End
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

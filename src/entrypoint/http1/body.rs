//! A request's body as it is read from the wire.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::activity::Reading;
use super::wire::{Shared, Unread};
use crate::message::BodyError;

/// The body of the request that is being answered.
pub(super) struct ClientBody<S> {
    wire: Shared<S>,
    /// The client owes us the body while this lives.
    reading: Option<Reading>,
}

impl<S> ClientBody<S> {
    pub(super) fn new(wire: Shared<S>, reading: Option<Reading>) -> Self {
        Self { wire, reading }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> http_body::Body for ClientBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.wire.borrow_mut().poll_body(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.is_end_stream() {
            self.reading = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.wire.borrow().unread == Unread::Nothing
    }

    fn size_hint(&self) -> SizeHint {
        match self.wire.borrow().unread {
            Unread::Nothing => SizeHint::with_exact(0),
            Unread::Length(left) => SizeHint::with_exact(left),
            Unread::Chunked(_) | Unread::Broken => SizeHint::default(),
        }
    }
}

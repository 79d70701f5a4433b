//! Bodies on the border to hyper: what comes from clients, and what goes to them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::handle::Finish;
use crate::message::{Body, BodyError};

/// A request's body as hyper reads it.
pub(super) struct FromClient(pub(super) Incoming);

impl HttpBody for FromClient {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|_| BodyError::Client)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// An answer's body on its way to the client; counts its bytes, and its end is the end of the
/// request.
pub(super) struct ToClient {
    body: Body,
    finish: Finish,
}

impl ToClient {
    pub(super) fn new(body: Body, finish: Finish) -> Self {
        Self { body, finish }
    }
}

impl HttpBody for ToClient {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.finish.sent(data.len());
                }
            }
            Poll::Ready(Some(Err(error))) => this.finish.cut(*error),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

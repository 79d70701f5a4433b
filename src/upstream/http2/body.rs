//! Bodies on the border to hyper: what goes to servers, and what comes from them.

use std::cell::Cell;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::Lease;
use crate::message::{Body, BodyError};

/// How far a request's body has come.
#[derive(Debug, Default)]
pub(super) struct Upload {
    ended: Cell<bool>,
    failure: Cell<Option<BodyError>>,
}

impl Upload {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self::default())
    }

    /// Whether all of it was handed over.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// What the client did wrong.
    pub(super) fn failure(&self) -> Option<BodyError> {
        self.failure.get()
    }
}

/// A request's body on its way to a server.
pub(super) struct ToServer {
    body: Body,
    upload: Rc<Upload>,
}

impl ToServer {
    pub(super) fn new(body: Body, upload: &Rc<Upload>) -> Self {
        upload.ended.set(body.is_empty());
        Self { body, upload: Rc::clone(upload) }
    }

    /// The body, when nothing of it was taken.
    pub(super) fn into_inner(self) -> Body {
        self.body
    }
}

impl HttpBody for ToServer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Err(error))) => this.upload.failure.set(Some(*error)),
            Poll::Ready(None) => this.upload.ended.set(true),
            Poll::Ready(Some(Ok(_))) if this.body.is_empty() => this.upload.ended.set(true),
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

/// An answer's body as hyper reads it; its end frees the stream.
pub(super) struct FromServer {
    incoming: Incoming,
    lease: Option<Lease>,
}

impl FromServer {
    pub(super) fn new(incoming: Incoming, lease: Lease) -> Self {
        Self { incoming, lease: Some(lease) }
    }
}

impl HttpBody for FromServer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.incoming).poll_frame(cx).map_err(|error| blame(&error));
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.lease = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

fn blame(error: &hyper::Error) -> BodyError {
    match error.source() {
        Some(cause) if !cause.is::<io::Error>() => BodyError::ServerFraming,
        _ => BodyError::ServerClosed,
    }
}

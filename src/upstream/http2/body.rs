//! Bodies on the border to hyper: what goes to servers, and what comes from them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
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

/// A request's body, which can be taken back while little of it has been sent.
pub(super) struct Source {
    body: RefCell<Body>,
    /// What was sent of it; none when it was too much.
    sent: RefCell<Option<Vec<Bytes>>>,
    sent_bytes: Cell<usize>,
}

/// Bytes that are remembered, for a server that refuses a request after it has begun to come.
const REMEMBERED_BYTES_MAX: usize = 64 * 1024;

impl Source {
    pub(super) fn new(body: Body) -> Rc<Self> {
        let (body, sent) = (RefCell::new(body), RefCell::new(Some(Vec::new())));
        Rc::new(Self { body, sent, sent_bytes: Cell::new(0) })
    }

    /// The body as it was, unless too much of it has been sent.
    pub(super) fn take_back(&self) -> Option<Body> {
        let sent = self.sent.take()?;
        let rest = self.body.take();
        if sent.is_empty() {
            return Some(rest);
        }
        Some(match rest {
            Body::Stream(_) => Body::stream(Again { sent: sent.into(), rest }),
            // All at hand comes in one piece, so that piece is all.
            _ => Body::from(Bytes::from(sent.concat())),
        })
    }

    fn note(&self, frame: &Frame<Bytes>) {
        let mut sent = self.sent.borrow_mut();
        let Some(pieces) = &mut *sent else { return };
        match frame.data_ref() {
            Some(data) => {
                self.sent_bytes.set(self.sent_bytes.get() + data.len());
                pieces.push(data.clone());
            }
            // Trailers are the end, which a server that refuses does not wait for.
            None => self.sent_bytes.set(usize::MAX),
        }
        if self.sent_bytes.get() > REMEMBERED_BYTES_MAX {
            *sent = None;
        }
    }
}

/// What was sent already, and then the rest.
struct Again {
    sent: VecDeque<Bytes>,
    rest: Body,
}

impl HttpBody for Again {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.sent.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sent.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let sent = self.sent.iter().map(|data| data.len() as u64).sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + sent);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + sent);
        }
        hint
    }
}

/// A request's body on its way to a server.
pub(super) struct ToServer {
    source: Rc<Source>,
    upload: Rc<Upload>,
}

impl ToServer {
    pub(super) fn new(source: &Rc<Source>, upload: &Rc<Upload>) -> Self {
        upload.ended.set(source.body.borrow().is_empty());
        Self { source: Rc::clone(source), upload: Rc::clone(upload) }
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
        let mut body = this.source.body.borrow_mut();
        let polled = Pin::new(&mut *body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Err(error))) => this.upload.failure.set(Some(*error)),
            Poll::Ready(None) => this.upload.ended.set(true),
            Poll::Ready(Some(Ok(frame))) => {
                this.source.note(frame);
                if body.is_empty() {
                    this.upload.ended.set(true);
                }
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.source.body.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.body.borrow().size_hint()
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

//! Bodies whose bytes are counted: those of clients, and those of servers where scripts may change
//! what clients get of them.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::message::{Body, BodyError, BodyStream, Exchange, Response};

/// Counts the bytes of a client's body.
pub(super) fn received(body: Body, count: &Rc<Cell<u64>>) -> Body {
    match body {
        Body::Stream(inner) => {
            let count = Rc::clone(count);
            Body::stream(Measured { inner, note: move |bytes| count.set(count.get() + bytes) })
        }
        Body::Full(bytes) => {
            count.set(bytes.len() as u64);
            Body::Full(bytes)
        }
        Body::Empty => Body::Empty,
    }
}

/// Counts the bytes of a server's answer, and notes when they end.
pub(super) fn origin(exchange: Rc<Exchange>, mut response: Response) -> Response {
    let note = move |bytes: u64| {
        let mut record = exchange.record.borrow_mut();
        let (size, _) = record.origin_body.unwrap_or((0, exchange.started));
        record.origin_body = Some((size + bytes, Instant::now()));
    };
    response.body = match response.body {
        Body::Empty => {
            note(0);
            Body::Empty
        }
        Body::Full(bytes) => {
            note(bytes.len() as u64);
            Body::Full(bytes)
        }
        Body::Stream(inner) => {
            note(0);
            Body::stream(Measured { inner, note })
        }
    };
    response
}

/// A body whose bytes are noted.
struct Measured<N> {
    inner: BodyStream,
    note: N,
}

impl<N: FnMut(u64) + Unpin> http_body::Body for Measured<N> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = this.inner.as_mut().poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    (this.note)(data.len() as u64);
                }
            }
            Poll::Ready(None) => (this.note)(0),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

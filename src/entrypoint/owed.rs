//! Bodies that clients owe us on connections of many requests: each must come within the read
//! timeout, and only its own request fails when it does not.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::message::BodyError;

/// A body that must come in time.
pub(super) struct Owed<B> {
    body: B,
    limit: Option<Duration>,
    /// Runs from the first time that the client is waited for.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<B> Owed<B> {
    /// A body that must be there within the limit.
    pub(super) fn new(body: B, limit: Option<Duration>) -> Self {
        Self { body, limit, sleep: None }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for Owed<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let Some(limit) = this.limit else { return polled };
        if polled.is_ready() {
            return polled;
        }
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep(limit)));
        sleep.as_mut().poll(cx).map(|()| Some(Err(BodyError::Client)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! Limits of waiting that a router or a service sets: for an answer, for a server, for the next
//! bytes.
//!
//! The first two end with the head of the answer. Bodies that flow put them off, since a long
//! upload is no late answer; what flows is under the third alone.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep_until, timeout_at};

use super::{Body, BodyError, Exchange};

/// Limits of waiting. `None` leaves it to what stands around, zero means that there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the head of the request to the head of the answer.
    pub request: Option<Duration>,
    /// From the sending of the request to the head of the server's answer, for each try.
    pub backend_request: Option<Duration>,
    /// Silence of a body or of a tunnel, both directions together.
    pub idle: Option<Duration>,
}

impl Timeouts {
    /// These, and those of what stands around where these say nothing.
    #[must_use]
    pub fn or(self, around: Self) -> Self {
        Self {
            request: self.request.or(around.request),
            backend_request: self.backend_request.or(around.backend_request),
            idle: self.idle.or(around.idle),
        }
    }

    /// Whether anything is said.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.request.is_some() || self.backend_request.is_some() || self.idle.is_some()
    }
}

/// A limit in force: none for zero.
#[must_use]
pub fn in_force(limit: Option<Duration>) -> Option<Duration> {
    limit.filter(|limit| !limit.is_zero())
}

/// The future's result, if it comes within the limit from `from` on, or from the last bytes of a
/// body that flowed meanwhile.
pub async fn in_time<T>(
    exchange: &Exchange,
    from: Instant,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    loop {
        let since = from.max(exchange.flowed.get());
        let Some(deadline) = since.checked_add(limit) else { return Some(future.await) };
        match timeout_at(deadline.into(), future.as_mut()).await {
            Ok(result) => return Some(result),
            // Bytes have flowed since.
            Err(_) if exchange.flowed.get() > since => {}
            Err(_) => return None,
        }
    }
}

/// The body, whose bytes are noted as they flow; with a limit, its silence ends it.
#[must_use]
pub fn paced(body: Body, exchange: &Rc<Exchange>, idle: Option<Duration>) -> Body {
    match body {
        Body::Stream(_) => {
            let exchange = Rc::clone(exchange);
            Body::stream(Paced { inner: body, exchange, idle, sleep: None })
        }
        at_hand => at_hand,
    }
}

/// Resolves when nothing has flowed for that long.
pub async fn silence(exchange: &Exchange, idle: Duration) {
    loop {
        let Some(deadline) = exchange.flowed.get().checked_add(idle) else {
            return std::future::pending().await;
        };
        if deadline <= Instant::now() {
            return;
        }
        sleep_until(deadline.into()).await;
    }
}

struct Paced {
    inner: Body,
    exchange: Rc<Exchange>,
    idle: Option<Duration>,
    /// Set while the next frame is waited for.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    /// Whether the silence has lasted for too long; asked while the next frame is waited for.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(idle) = self.idle else { return Poll::Pending };
        if self.sleep.is_none() {
            // Time in which nobody asked for the next frame is no silence of this body.
            self.exchange.flowed.set(Instant::now());
        }
        loop {
            let Some(deadline) = self.exchange.flowed.get().checked_add(idle) else {
                return Poll::Pending;
            };
            let deadline = tokio::time::Instant::from_std(deadline);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if sleep.deadline() < deadline && sleep.is_elapsed() {
                sleep.as_mut().reset(deadline);
            }
            std::task::ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if frame.is_pending() {
            return self.poll_silence(cx).map(|()| Some(Err(BodyError::Timeout)));
        }
        self.sleep = None;
        self.exchange.flowed.set(Instant::now());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_says_it_first() {
        let secs = |secs| Some(Duration::from_secs(secs));
        let router = Timeouts { request: secs(1), idle: secs(0), ..Timeouts::default() };
        let around = Timeouts { request: secs(2), backend_request: secs(3), idle: secs(4) };
        let both = Timeouts { request: secs(1), backend_request: secs(3), idle: secs(0) };
        assert_eq!(router.or(around), both);
        assert_eq!((in_force(both.idle), in_force(both.request)), (None, secs(1)));
        assert!(router.is_set() && !Timeouts::default().is_set());
    }
}

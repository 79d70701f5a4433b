//! What a connection is doing, as seen from its bytes: the base of its own timers.
//!
//! hyper's timers close idle connections and slow heads with one limit, and never a client that
//! connects and says nothing; ours tell them apart.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::ConnectionLimits;

/// What a connection is doing. Shared by its bytes and its task, which are on one thread; atomics
/// only because hyper wants the bytes to be `Send`.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Requests that are being answered.
    in_flight: AtomicU32,
    /// Milliseconds from `opened` to the last end of a request.
    idle_since_ms: AtomicU64,
    /// Milliseconds from `opened` to the first byte after that, plus one; 0 before it.
    head_since_ms: AtomicU64,
    /// Bodies that clients still owe us.
    reading: AtomicU32,
    /// Whether the connection has been idle for long enough to be kept small.
    resting: AtomicBool,
}

/// How long a connection is idle before it is kept small.
pub(super) const REST_AFTER: Duration = Duration::from_secs(1);

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            in_flight: AtomicU32::new(0),
            idle_since_ms: AtomicU64::new(0),
            // A client that connects owes us a head at once.
            head_since_ms: AtomicU64::new(1),
            reading: AtomicU32::new(0),
            resting: AtomicBool::new(false),
        })
    }

    /// A request's head has arrived.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// The client owes us a body; noted while the value lives.
    pub(super) fn reading(self: &Arc<Self>, owes: bool) -> Option<Reading> {
        owes.then(|| {
            self.reading.fetch_add(1, Ordering::Relaxed);
            Reading(Arc::clone(self))
        })
    }

    /// Bytes have arrived.
    pub(super) fn received(&self) {
        self.resting.store(false, Ordering::Relaxed);
        if self.in_flight.load(Ordering::Relaxed) == 0
            && self.head_since_ms.load(Ordering::Relaxed) == 0
        {
            self.head_since_ms.store(self.now_ms() + 1, Ordering::Relaxed);
        }
    }

    /// Lets the connection rest if it has been idle for long enough; looked at now and then.
    pub(super) fn look_for_rest(&self) {
        let is_idle = self.in_flight.load(Ordering::Relaxed) == 0
            && self.head_since_ms.load(Ordering::Relaxed) == 0;
        let idle_ms = self.now_ms().saturating_sub(self.idle_since_ms.load(Ordering::Relaxed));
        if is_idle && u128::from(idle_ms) >= REST_AFTER.as_millis() {
            self.resting.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the connection rests until bytes arrive.
    pub(super) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    /// When the connection is to be closed if nothing happens; `None` while it is busy or has no
    /// limit.
    pub(super) fn deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        let is_busy = self.in_flight.load(Ordering::Relaxed) > 0;
        if is_busy && self.reading.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let (since_ms, limit) = match self.head_since_ms.load(Ordering::Relaxed) {
            0 => (self.idle_since_ms.load(Ordering::Relaxed), limits.idle?),
            since => (since - 1, limits.read?),
        };
        Some(self.opened + Duration::from_millis(since_ms) + limit)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

/// One request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let activity = &self.0;
        if activity.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            activity.idle_since_ms.store(activity.now_ms(), Ordering::Relaxed);
            activity.head_since_ms.store(0, Ordering::Relaxed);
        }
    }
}

/// A body that the client still owes us: the read timeout holds for it as for the head.
#[derive(Debug)]
pub(super) struct Reading(Arc<Activity>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.reading.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that first gives back what was read ahead, and notes what arrives.
#[derive(Debug)]
pub(super) struct Watched<S> {
    ahead: Bytes,
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, ahead: Bytes, activity: Arc<Activity>) -> Self {
        Self { ahead, stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ahead.has_remaining() {
            let take = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead.split_to(take));
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if result.is_ready() {
            this.activity.received();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

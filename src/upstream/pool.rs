//! A worker's idle connections, and the buffers its exchanges read into.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use hashbrown::HashMap;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use super::Endpoint;
use super::endpoint::Core;
use super::http2::Connections;
use super::stream::{Encrypted, Probe, Stream};

/// One worker's connections to all servers.
#[derive(Debug)]
pub struct Pools {
    /// When the clock was last read, at the latest by the sweep.
    lately: Cell<Instant>,
    pub(super) plain: Shelf<TcpStream>,
    pub(super) encrypted: Shelf<Encrypted>,
    pub(super) http2: Connections,
    /// Buffers that heads of requests are read into, and blocks for bodies and answers. Heads are
    /// copied out and bodies are written on at once, so that the buffer used last is free again,
    /// and still near the processor.
    buffers: RefCell<Vec<BytesMut>>,
    blocks: RefCell<Vec<BytesMut>>,
    scratch: RefCell<Vec<Vec<u8>>>,
}

/// Idle connections of one kind, by endpoint.
#[derive(Debug)]
pub(super) struct Shelf<S>(RefCell<HashMap<u64, Vec<Idle<S>>>>);

impl<S> Default for Shelf<S> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

/// A connection that waits for its next use.
#[derive(Debug)]
struct Idle<S> {
    stream: S,
    since: Instant,
    /// The server's address, where its name may lead elsewhere another time.
    peer: Option<IpAddr>,
    counted: Counted,
}

/// One idle connection in its endpoint's count.
#[derive(Debug)]
struct Counted(Arc<Core>);

impl Counted {
    /// `None` when the endpoint has enough idle connections.
    fn new(endpoint: &Arc<Endpoint>) -> Option<Self> {
        let counted = Self(Arc::clone(endpoint.core()));
        let before = endpoint.idle.fetch_add(1, Ordering::Relaxed);
        (before < endpoint.transport.idle_max).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.idle.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a connection came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Used before, so the server may have closed it meanwhile.
    Reused,
    /// Just opened.
    Fresh,
}

const HEAD_BUFFER_BYTES: usize = 8 * 1024;
const BUFFERS_MAX: usize = 128;
/// One read of a body or of an answer asks for at most this much.
pub const BLOCK_BYTES: usize = 64 * 1024;
/// Blocks that are kept for later.
const BLOCKS_MAX: usize = 32;
/// Most heads fit, with a small body behind them.
const SCRATCH_BYTES: usize = 2 * 1024;
const SCRATCH_BYTES_MAX: usize = 16 * 1024;
const SCRATCHES_MAX: usize = 128;

impl Pools {
    /// Empty pools.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            lately: Cell::new(Instant::now()),
            plain: Shelf::default(),
            encrypted: Shelf::default(),
            http2: Connections::default(),
            buffers: RefCell::default(),
            blocks: RefCell::default(),
            scratch: RefCell::default(),
        })
    }

    /// Closes connections that are idle for too long, those to servers that no configuration names
    /// any more, and those to addresses that a server's name no longer leads to; called now and
    /// then by the worker, within its runtime.
    pub fn sweep(&self) {
        let now = self.now();
        self.plain.sweep(now);
        self.encrypted.sweep(now);
        self.http2.sweep(now);
    }

    /// Reads the clock.
    pub(super) fn now(&self) -> Instant {
        let now = Instant::now();
        self.lately.set(now);
        now
    }

    /// When the clock was last read: near enough for the age of idle connections.
    pub(super) fn lately(&self) -> Instant {
        self.lately.get()
    }

    /// A buffer to read a head into.
    #[must_use]
    pub fn buffer(&self) -> BytesMut {
        taken(&self.buffers, HEAD_BUFFER_BYTES)
    }

    /// Gives a buffer back; what it holds is dropped.
    pub fn give_back(&self, buffer: BytesMut) {
        give(&self.buffers, buffer, BUFFERS_MAX);
    }

    /// A block to read an answer or a body into; nobody keeps one while it waits.
    #[must_use]
    pub fn block(&self) -> BytesMut {
        taken(&self.blocks, BLOCK_BYTES)
    }

    /// Gives a block back; what it holds is dropped.
    pub fn give_back_block(&self, block: BytesMut) {
        give(&self.blocks, block, BLOCKS_MAX);
    }

    /// Reads more of an answer. The buffer is a block while there is something in it, with room for
    /// so many bytes more where it had one already, and nothing while the server is waited for.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        if buffer.capacity() == 0 {
            *buffer = self.block();
        }
        buffer.reserve(room);
        let read = pin!(stream.read_buf(buffer)).poll(cx);
        if read.is_pending() && buffer.is_empty() {
            self.give_back_block(std::mem::take(buffer));
        }
        read
    }

    /// A buffer to write a head into; the one used last, which the processor has at hand.
    #[must_use]
    pub fn scratch(&self) -> Vec<u8> {
        let spare = self.scratch.borrow_mut().pop();
        spare.unwrap_or_else(|| Vec::with_capacity(SCRATCH_BYTES))
    }

    /// Gives the buffer back.
    pub fn give_back_scratch(&self, mut scratch: Vec<u8>) {
        let mut spare = self.scratch.borrow_mut();
        if scratch.capacity() <= SCRATCH_BYTES_MAX && spare.len() < SCRATCHES_MAX {
            scratch.clear();
            spare.push(scratch);
        }
    }
}

/// The buffer that was used last, or a new one.
fn taken(spare: &RefCell<Vec<BytesMut>>, bytes: usize) -> BytesMut {
    let mut buffer = spare.borrow_mut().pop().unwrap_or_default();
    buffer.reserve(bytes);
    buffer
}

/// Takes bytes off the front of a buffer into an allocation of their own: what may live on for long
/// must not hold the buffer that it was read into.
#[must_use]
pub fn copied_out(buffer: &mut BytesMut, count: usize) -> Bytes {
    let bytes = Bytes::copy_from_slice(&buffer[..count]);
    buffer.advance(count);
    bytes
}

/// Keeps a buffer for later, if there are not too many.
fn give(spare: &RefCell<Vec<BytesMut>>, mut buffer: BytesMut, most: usize) {
    let mut spare = spare.borrow_mut();
    if buffer.capacity() > 0 && spare.len() < most {
        buffer.clear();
        spare.push(buffer);
    }
}

impl<S: Stream> Shelf<S> {
    /// The last used idle connection that is still open.
    pub(super) fn reuse(&self, endpoint: &Endpoint, probe: Probe, now: Instant) -> Option<S> {
        let mut idle = self.0.borrow_mut();
        let stack = idle.get_mut(&endpoint.id)?;
        endpoint.name.refresh();
        while let Some(mut entry) = stack.pop() {
            let limit = endpoint.transport.idle_timeout;
            if limit.is_some_and(|limit| now.saturating_duration_since(entry.since) > limit) {
                stack.clear();
                return None;
            }
            if endpoint.name.leads_to(entry.peer) && entry.stream.is_open(probe) {
                return Some(entry.stream);
            }
        }
        None
    }

    /// Keeps a connection for its next use, unless there are enough.
    pub(super) fn keep(&self, endpoint: &Arc<Endpoint>, stream: S, now: Instant) {
        if let Some(counted) = Counted::new(endpoint) {
            let peer = if endpoint.name.may_move() { stream.peer() } else { None };
            if !endpoint.name.leads_to(peer) {
                return;
            }
            let entry = Idle { stream, since: now, peer, counted };
            self.0.borrow_mut().entry(endpoint.id).or_default().push(entry);
        }
    }

    /// How many idle connections an endpoint has here.
    #[cfg(test)]
    pub(super) fn idle(&self, endpoint: &Endpoint) -> usize {
        self.0.borrow().get(&endpoint.id).map_or(0, Vec::len)
    }

    fn sweep(&self, now: Instant) {
        self.0.borrow_mut().retain(|_, stack| {
            stack.retain_mut(|entry| {
                let age = now.saturating_duration_since(entry.since);
                let limit = entry.counted.0.transport.idle_timeout.unwrap_or(Duration::MAX);
                let is_kept = age <= limit && entry.counted.0.keeps(entry.peer);
                is_kept && entry.stream.is_open(Probe::Noticed)
            });
            if let Some(entry) = stack.first() {
                entry.counted.0.name.refresh();
            }
            !stack.is_empty()
        });
    }
}

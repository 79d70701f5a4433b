//! A worker's idle connections, and the buffers its exchanges read into.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use hashbrown::HashMap;
use tokio::net::TcpStream;

use super::Endpoint;
use crate::message::Failure;

/// One worker's connections to all servers.
#[derive(Debug, Default)]
pub struct Pools {
    idle: RefCell<HashMap<u64, Vec<Idle>>>,
    /// Buffers for heads. Their frozen slices live on in headers and bodies for a short while, so
    /// the oldest is taken first: by then it can be used again without an allocation.
    buffers: RefCell<VecDeque<BytesMut>>,
    scratch: RefCell<Vec<u8>>,
}

/// A connection that waits for its next use.
#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    since: Instant,
    counted: Counted,
}

/// One idle connection in its endpoint's count.
#[derive(Debug)]
struct Counted(Arc<Endpoint>);

impl Counted {
    /// `None` when the endpoint has enough idle connections.
    fn new(endpoint: &Arc<Endpoint>) -> Option<Self> {
        let counted = Self(Arc::clone(endpoint));
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

/// How closely an idle connection is looked at before it is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// By what the event loop has noticed; costs nothing. For requests that can be sent again.
    Noticed,
    /// By asking the system; costs a call. For requests that must not be sent twice.
    Asked,
}

const HEAD_BUFFER_BYTES: usize = 8 * 1024;
const BUFFERS_MAX: usize = 128;
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

impl Pools {
    /// Empty pools.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self::default())
    }

    /// The last used idle connection that is still open.
    pub(super) fn reuse(&self, endpoint: &Endpoint, probe: Probe) -> Option<TcpStream> {
        let mut idle = self.idle.borrow_mut();
        let stack = idle.get_mut(&endpoint.id)?;
        while let Some(entry) = stack.pop() {
            let limit = endpoint.transport.idle_timeout;
            if limit.is_some_and(|limit| entry.since.elapsed() > limit) {
                stack.clear();
                return None;
            }
            if is_open(&entry.stream, probe) {
                return Some(entry.stream);
            }
        }
        None
    }

    /// Keeps a connection for its next use, unless there are enough.
    pub(super) fn keep(&self, endpoint: &Arc<Endpoint>, stream: TcpStream) {
        if let Some(counted) = Counted::new(endpoint) {
            let entry = Idle { stream, since: Instant::now(), counted };
            self.idle.borrow_mut().entry(endpoint.id).or_default().push(entry);
        }
    }

    /// Closes connections that are idle for too long; called now and then by the worker.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain(|_, stack| {
            stack.retain(|entry| {
                let age = now.saturating_duration_since(entry.since);
                let limit = entry.counted.0.transport.idle_timeout.unwrap_or(Duration::MAX);
                age <= limit && is_open(&entry.stream, Probe::Noticed)
            });
            !stack.is_empty()
        });
    }

    /// A buffer to read a head into.
    #[must_use]
    pub fn buffer(&self) -> BytesMut {
        let mut buffers = self.buffers.borrow_mut();
        let reused = if buffers.len() > 8 { buffers.pop_front() } else { None };
        drop(buffers);
        let mut buffer = reused.unwrap_or_default();
        buffer.reserve(HEAD_BUFFER_BYTES);
        buffer
    }

    /// Gives a buffer back; what it holds is dropped.
    pub fn give_back(&self, mut buffer: BytesMut) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < BUFFERS_MAX {
            buffer.clear();
            buffers.push_back(buffer);
        }
    }

    /// The worker's buffer to write heads into.
    #[must_use]
    pub fn scratch(&self) -> Vec<u8> {
        let mut scratch = self.scratch.take();
        scratch.clear();
        scratch
    }

    /// Gives the buffer back.
    pub fn give_back_scratch(&self, scratch: Vec<u8>) {
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            self.scratch.replace(scratch);
        }
    }
}

/// Whether the server has neither closed the connection nor sent something unasked.
fn is_open(stream: &TcpStream, probe: Probe) -> bool {
    let mut byte = [0u8; 1];
    let noticed = match stream.try_read(&mut byte) {
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        Ok(_) => false,
    };
    if !noticed || probe == Probe::Noticed {
        return noticed;
    }
    let mut byte = [std::mem::MaybeUninit::uninit(); 1];
    let asked = socket2::SockRef::from(stream).peek(&mut byte);
    asked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Opens a connection, resolving the name anew.
pub(super) async fn connect(endpoint: &Endpoint) -> Result<TcpStream, Failure> {
    let dial = TcpStream::connect(&*endpoint.authority);
    let result = match endpoint.transport.dial_timeout {
        None => dial.await,
        Some(limit) => tokio::time::timeout(limit, dial).await.map_err(|_| {
            let after_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            Failure::ConnectTimeout { server: endpoint.authority.to_string(), after_ms }
        })?,
    };
    let stream = result.map_err(|error| Failure::Connect {
        server: endpoint.authority.to_string(),
        cause: error.to_string(),
    })?;
    // A head is written in one piece and must not wait for more.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

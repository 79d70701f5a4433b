//! One connection to Redis.
//!
//! Must not know how it was opened.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout};

use super::resp::{self, ANSWER_BYTES_MAX, Reply};
use super::{RedisError, Timeouts};
use crate::message::Io;

/// A connection that answers one command at a time.
pub(super) struct Connection {
    stream: Box<dyn Io>,
    read: BytesMut,
    pub(super) address: Rc<str>,
    /// When it was used last.
    pub(super) used: Instant,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Io>, address: Rc<str>) -> Self {
        Self { stream, read: BytesMut::new(), address, used: Instant::now() }
    }

    /// Sends commands and returns the answer to the last of them.
    ///
    /// # Errors
    /// When the connection breaks or takes too long; it cannot be used again then.
    pub(super) async fn ask(
        &mut self,
        commands: &[&[Bytes]],
        timeouts: Timeouts,
    ) -> Result<Reply, RedisError> {
        let text = commands.iter().flat_map(|command| resp::encode(command)).collect::<Vec<_>>();
        let written = within(timeouts.write, self.stream.write_all(&text)).await;
        self.checked(timeouts.write, written)?;
        let mut last = Reply::Nil;
        for _ in commands {
            let answer = timeout(timeouts.read, self.answer()).await;
            last = answer.map_err(|_| self.late(timeouts.read))??;
        }
        self.used = Instant::now();
        Ok(last)
    }

    /// Whether the server has neither closed it nor sent something unasked.
    pub(super) fn is_open(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut cx = Context::from_waker(Waker::noop());
        let stream = Pin::new(&mut self.stream);
        self.read.is_empty() && stream.poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    async fn answer(&mut self) -> Result<Reply, RedisError> {
        loop {
            let parsed = resp::parse(&self.read);
            let parsed = parsed.map_err(|_| RedisError::Protocol { address: self.address() })?;
            if let Some((reply, length)) = parsed {
                self.read.advance(length);
                return Ok(reply);
            }
            if self.read.len() > ANSWER_BYTES_MAX {
                return Err(RedisError::Protocol { address: self.address() });
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(1..) => {}
                Ok(0) => return Err(self.broken(std::io::ErrorKind::UnexpectedEof.into())),
                Err(cause) => return Err(self.broken(cause)),
            }
        }
    }

    fn checked(
        &self,
        limit: Duration,
        done: Result<std::io::Result<()>, tokio::time::error::Elapsed>,
    ) -> Result<(), RedisError> {
        done.map_err(|_| self.late(limit))?.map_err(|cause| self.broken(cause))
    }

    fn broken(&self, cause: std::io::Error) -> RedisError {
        RedisError::Broken { address: self.address(), cause }
    }

    fn late(&self, limit: Duration) -> RedisError {
        RedisError::Late { address: self.address(), limit }
    }

    fn address(&self) -> String {
        self.address.to_string()
    }
}

async fn within<T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, tokio::time::error::Elapsed> {
    timeout(limit, future).await
}

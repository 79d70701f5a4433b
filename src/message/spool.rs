//! A file without a name that holds what is too much for memory.
//!
//! Reads and writes go to the page cache and do not wait for the disk as a rule, so the worker
//! does them itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::{Body, BodyError};

/// Bytes of the frames that a file is read in.
const FRAME_BYTES: usize = 64 * 1024;

/// Tells files of one process apart; a name is used for a moment only.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The bytes in a file, which is gone when nothing holds it any more.
#[derive(Debug, Clone)]
pub struct Spool {
    file: Arc<File>,
    length: u64,
}

impl Spool {
    /// An empty file in the system's folder for temporary files.
    pub(super) fn new() -> io::Result<Self> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".moongate-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        Ok(Self { file: Arc::new(file), length: 0 })
    }

    /// Writes at the end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The bytes as a body.
    pub(super) fn body(&self, trailers: HeaderMap) -> Body {
        let trailers = (!trailers.is_empty()).then_some(trailers);
        Body::stream(Reader { spool: self.clone(), at: 0, trailers })
    }
}

struct Reader {
    spool: Spool,
    at: u64,
    trailers: Option<HeaderMap>,
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let left = usize::try_from(self.spool.length - self.at).unwrap_or(usize::MAX);
        if left == 0 {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let mut piece = BytesMut::zeroed(left.min(FRAME_BYTES));
        if let Err(error) = self.spool.file.read_exact_at(&mut piece, self.at) {
            tracing::error!(%error, "a temporary file could not be read");
            return Poll::Ready(Some(Err(BodyError::Lost)));
        }
        self.at += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.spool.length && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.spool.length - self.at;
        if self.trailers.is_none() {
            return SizeHint::with_exact(left);
        }
        let mut hint = SizeHint::new();
        hint.set_lower(left);
        hint
    }
}

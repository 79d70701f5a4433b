//! A part of a file as a body, read ahead of the connection by one piece.

use std::fs::File;
use std::future::Future as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::message::{Body, BodyError};

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 128 * 1024;

/// A part of a file.
pub(in crate::lua) struct FileBody {
    file: Arc<File>,
    at: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    /// The bytes from one place to before another.
    pub(in crate::lua) fn part(file: Arc<File>, at: u64, end: u64) -> Body {
        if at >= end {
            return Body::Empty;
        }
        Body::stream(Self { file, at, end, reading: None })
    }
}

/// Reads so much of a file; less means that it has become shorter.
fn read(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut piece, at)?;
    Ok(piece.into())
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.at >= this.end {
            return Poll::Ready(None);
        }
        let length = (this.end - this.at).min(PIECE_BYTES);
        let (file, at) = (&this.file, this.at);
        let reading = this.reading.get_or_insert_with(|| {
            let file = Arc::clone(file);
            tokio::task::spawn_blocking(move || read(&file, at, length))
        });
        let read = ready!(Pin::new(reading).poll(cx));
        this.reading = None;
        match read {
            Ok(Ok(piece)) => {
                this.at += length;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            _ => {
                this.at = this.end;
                Poll::Ready(Some(Err(BodyError::Lost)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}

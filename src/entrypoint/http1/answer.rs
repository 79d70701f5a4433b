//! An answer on its way to the client: the head as bytes, the body as its frames come.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{StatusCode, Version};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::finish::Finish;
use super::super::worker;
use super::wire::Shared;
use crate::headers::Headers;
use crate::message::{Body, Response};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Close,
}

/// How the end of an answer's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// There is no body, whatever the headers say of its length.
    Bodiless,
    Length(u64),
    Chunked,
    /// By closing the connection.
    Close,
}

/// A body up to this size is copied behind its head: one plain write, or one TLS record, costs less
/// than two pieces.
const COPIED_BYTES_MAX: usize = 8 * 1024;

/// Sends one answer.
pub(super) struct Sender<'a, S> {
    wire: &'a Shared<S>,
    worker: &'a worker::Shared,
    after: After,
    version: Version,
    is_head: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Sender<'a, S> {
    pub(super) fn new(wire: &'a Shared<S>, worker: &'a worker::Shared, after: After) -> Self {
        Self { wire, worker, after, version: Version::HTTP_11, is_head: false }
    }

    /// To a request of that version.
    pub(super) fn to(self, version: Version, is_head: bool) -> Self {
        Self { version, is_head, ..self }
    }

    /// Sends it all; what becomes of the connection then.
    pub(super) async fn send(
        mut self,
        response: Response,
        mut finish: Option<Finish>,
    ) -> io::Result<After> {
        let Response { status, headers, mut body, .. } = response;
        let framing = self.framing(status, &body);
        if framing == Framing::Close {
            self.after = After::Close;
        }
        let mut head = self.worker.pools.scratch();
        self.head(&mut head, status, &headers, framing);
        let sent = match (framing, &mut body) {
            (Framing::Bodiless | Framing::Length(0), _) => self.write(&[&head]).await,
            (_, Body::Full(bytes)) => {
                let bytes = std::mem::take(bytes);
                note(&mut finish, bytes.len());
                if bytes.len() <= COPIED_BYTES_MAX {
                    head.extend_from_slice(&bytes);
                    self.write(&[&head]).await
                } else {
                    self.write(&[&head, &bytes]).await
                }
            }
            _ => self.stream(&mut head, body, framing, &mut finish).await,
        };
        self.worker.pools.give_back_scratch(head);
        sent?;
        Ok(self.after)
    }

    fn framing(&self, status: StatusCode, body: &Body) -> Framing {
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if self.is_head || bodiless {
            return Framing::Bodiless;
        }
        match body.size_hint().exact() {
            Some(length) => Framing::Length(length),
            None if self.version == Version::HTTP_11 => Framing::Chunked,
            None => Framing::Close,
        }
    }

    fn head(&self, out: &mut Vec<u8>, status: StatusCode, headers: &Headers, framing: Framing) {
        let version = if self.version == Version::HTTP_10 { "HTTP/1.0 " } else { "HTTP/1.1 " };
        out.extend_from_slice(version.as_bytes());
        out.extend_from_slice(status.as_str().as_bytes());
        out.push(b' ');
        match status.canonical_reason() {
            Some(reason) => out.extend_from_slice(reason.as_bytes()),
            None => {
                // As Go names statuses that it does not know.
                out.extend_from_slice(b"status code ");
                out.extend_from_slice(status.as_str().as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
        let switches = status == StatusCode::SWITCHING_PROTOCOLS;
        let mut is_dated = false;
        headers.each(|name, value| {
            let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
            let rewritten = match name.len() {
                14 if is("content-length") => {
                    framing != Framing::Bodiless || is_without_length(status)
                }
                10 if is("connection") => !switches,
                17 if is("transfer-encoding") => !switches,
                4 => {
                    is_dated |= is("date");
                    false
                }
                _ => false,
            };
            if !rewritten {
                field(out, name, value);
            }
        });
        match framing {
            Framing::Bodiless | Framing::Close => {}
            Framing::Length(length) => {
                out.extend_from_slice(b"Content-Length: ");
                write_number(out, length);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        }
        match (self.after, self.version) {
            _ if switches => {}
            (After::Close, Version::HTTP_11) => out.extend_from_slice(b"Connection: close\r\n"),
            (After::Keep, Version::HTTP_10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            _ => {}
        }
        if !switches && !is_dated {
            self.worker.date.write(out);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Sends the body's frames as they come, the first one together with the head.
    async fn stream(
        &mut self,
        head: &mut Vec<u8>,
        mut body: Body,
        framing: Framing,
        finish: &mut Option<Finish>,
    ) -> io::Result<()> {
        loop {
            let Some(frame) = self.frame(&mut body, head).await? else { break };
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    if let Some(finish) = finish {
                        finish.cut(error);
                    }
                    // The end that the framing promises must not come.
                    self.write(&[&*head]).await?;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    note(finish, data.len());
                    self.data(head, &data, framing).await?;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    if let Some(finish) = finish {
                        finish.trailers(&trailers);
                    }
                    return self.end(head, framing, &trailers).await;
                }
            }
        }
        self.end(head, framing, &HeaderMap::new()).await
    }

    /// The next frame. The head does not wait for it: when the server is slow it goes out alone.
    async fn frame(
        &self,
        body: &mut Body,
        head: &mut Vec<u8>,
    ) -> io::Result<Option<Result<http_body::Frame<Bytes>, crate::message::BodyError>>> {
        let mut written = 0;
        let frame = poll_fn(|cx| {
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Poll::Ready(Ok(frame));
            }
            let mut wire = self.wire.borrow_mut();
            while written < head.len() {
                match wire.poll_write(cx, &[IoSlice::new(&head[written..])]) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(count @ 1..)) => written += count,
                    Poll::Ready(Ok(_)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                }
            }
            let _ = wire.poll_flush(cx);
            if wire.is_gone(cx) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            Poll::Pending
        })
        .await;
        head.drain(..written);
        frame
    }

    async fn data(&self, head: &mut Vec<u8>, data: &Bytes, framing: Framing) -> io::Result<()> {
        if framing == Framing::Chunked {
            let mut size = SizeLine::default();
            // A size has at most sixteen digits, for which there is room.
            let _ = write!(size, "{:x}\r\n", data.len());
            head.extend_from_slice(size.bytes());
            self.write(&[&*head, data, b"\r\n"]).await?;
        } else {
            self.write(&[&*head, data]).await?;
        }
        head.clear();
        Ok(())
    }

    async fn end(
        &self,
        head: &mut Vec<u8>,
        framing: Framing,
        trailers: &HeaderMap,
    ) -> io::Result<()> {
        if framing == Framing::Chunked {
            head.extend_from_slice(b"0\r\n");
            for (name, value) in trailers {
                field(head, name.as_str().as_bytes(), value.as_bytes());
            }
            head.extend_from_slice(b"\r\n");
        }
        self.write(&[&*head]).await?;
        head.clear();
        Ok(())
    }

    /// Writes all pieces.
    async fn write<const N: usize>(&self, pieces: &[&[u8]; N]) -> io::Result<()> {
        let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut done = 0;
        poll_fn(|cx| {
            let mut wire = self.wire.borrow_mut();
            if wire.poll_flush_out(cx).map_err(io::Error::other)?.is_pending() {
                return Poll::Pending;
            }
            while left > 0 {
                let mut skip = done;
                let slices = pieces.map(|piece| {
                    let taken = skip.min(piece.len());
                    skip -= taken;
                    IoSlice::new(&piece[taken..])
                });
                let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(0);
                match std::task::ready!(wire.poll_write(cx, &slices[first..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => {
                        done += count;
                        left -= count;
                    }
                }
            }
            wire.poll_flush(cx)
        })
        .await
    }
}

/// The head of an answer before the answer.
pub(super) fn interim(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    let framing = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    for (name, value) in headers.iter().filter(|(name, _)| !framing.contains(name)) {
        field(&mut out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Notes bytes of the body.
fn note(finish: &mut Option<Finish>, bytes: usize) {
    if let Some(finish) = finish {
        finish.sent(bytes);
    }
}

/// Statuses that must not have a `Content-Length` (RFC 9110, section 8.6); a 304 may.
fn is_without_length(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut line = SizeLine::default();
    // A number has at most twenty digits, for which there is room.
    let _ = write!(line, "{number}");
    out.extend_from_slice(line.bytes());
}

/// A short text on the stack.
#[derive(Default)]
struct SizeLine {
    bytes: [u8; 24],
    len: usize,
}

impl SizeLine {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::fmt::Write for SizeLine {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

//! The request's body on its way to the server, frame by frame as the server takes it.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::Body as _;
use tokio::io::AsyncWrite;

use super::head::BodyFraming;
use crate::message::{Body, Failure};

/// A body that is being sent.
pub(super) struct Pump {
    body: Body,
    framing: BodyFraming,
    pieces: VecDeque<Bytes>,
    unflushed: bool,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Sending,
    /// The body has ended; the last pieces are being written.
    Ending,
    /// Nothing can be sent any more.
    Broken,
}

/// How sending ended.
pub(super) enum PumpEnd {
    /// All is sent.
    Sent,
    /// The server takes no more.
    ServerClosed,
    /// The client did not send all it promised.
    ClientFailed(Failure),
}

impl Pump {
    pub(super) fn new(body: Body, framing: BodyFraming) -> Self {
        Self { body, framing, pieces: VecDeque::new(), unflushed: false, state: State::Sending }
    }

    /// Sends as much as the client has given and the server takes.
    pub(super) fn poll<S>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<PumpEnd>
    where
        S: AsyncWrite + Unpin,
    {
        loop {
            if self.state == State::Broken {
                return Poll::Ready(PumpEnd::ServerClosed);
            }
            if !self.pieces.is_empty() {
                if ready!(self.write(cx, stream)).is_err() {
                    self.state = State::Broken;
                }
                continue;
            }
            // An encrypted stream may hold back what it has taken.
            if self.unflushed && ready!(Pin::new(&mut *stream).poll_flush(cx)).is_err() {
                self.state = State::Broken;
                continue;
            }
            self.unflushed = false;
            if self.state == State::Ending {
                return Poll::Ready(PumpEnd::Sent);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.end(None),
                Some(Err(error)) => {
                    self.state = State::Broken;
                    return Poll::Ready(PumpEnd::ClientFailed(Failure::of_request_body(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.push(data),
                    Err(frame) => {
                        let trailers = frame.into_trailers().ok();
                        self.end(trailers);
                    }
                },
            }
        }
    }

    fn push(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if self.framing == BodyFraming::Length {
            self.pieces.push_back(data);
            return;
        }
        self.pieces.push_back(format!("{:x}\r\n", data.len()).into());
        self.pieces.push_back(data);
        self.pieces.push_back(Bytes::from_static(b"\r\n"));
    }

    fn end(&mut self, trailers: Option<HeaderMap>) {
        if self.state == State::Ending {
            return;
        }
        self.state = State::Ending;
        if self.framing == BodyFraming::Chunked {
            let mut last = String::from("0\r\n");
            for (name, value) in &trailers.unwrap_or_default() {
                if let Ok(value) = value.to_str() {
                    // Writing to a string cannot fail.
                    let _ = write!(last, "{name}: {value}\r\n");
                }
            }
            last.push_str("\r\n");
            self.pieces.push_back(last.into());
        }
    }

    fn write<S>(&mut self, cx: &mut Context<'_>, stream: &mut S) -> Poll<Result<(), std::io::Error>>
    where
        S: AsyncWrite + Unpin,
    {
        let mut slices = [IoSlice::new(&[]); 8];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let mut written = ready!(Pin::new(stream).poll_write_vectored(cx, &slices[..count]))?;
        self.unflushed = true;
        while let Some(first) = self.pieces.front_mut() {
            let take = written.min(first.len());
            first.advance(take);
            written -= take;
            if first.has_remaining() {
                break;
            }
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

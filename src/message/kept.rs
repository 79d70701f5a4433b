//! Bodies that are read ahead, and bodies that can be sent more than once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::spool::Spool;
use super::{Body, BodyError};

/// How much of a body may be read ahead.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes in all; none is no limit.
    pub limit_bytes: Option<u64>,
    /// Bytes in memory; what is more goes to a file without a name.
    pub memory_bytes: usize,
}

/// What reading a body ahead came to.
#[derive(Debug)]
pub enum ReadAhead {
    /// All of it is there.
    All(Kept),
    /// It is larger than the limit; nothing of it is lost.
    Over(Body),
}

/// Why a body could not be read ahead.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// What the stream met.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The file that takes what is too much for memory failed.
    #[error("writing the body to a temporary file: {0}")]
    File(#[from] io::Error),
}

/// A body that can be handed out more than once.
#[derive(Debug, Clone)]
pub enum Kept {
    /// In memory.
    Bytes(Bytes),
    /// In memory, with trailers.
    Trailed(Bytes, Box<HeaderMap>),
    /// In a file, with trailers.
    Spool(Spool, Box<HeaderMap>),
    /// A stream, which can be handed out again as long as nothing of it has been read.
    Stream(Rc<Lent>),
}

impl Kept {
    /// Keeps a body without reading it.
    #[must_use]
    pub fn of(body: Body) -> Self {
        match body {
            Body::Empty => Self::Bytes(Bytes::new()),
            Body::Full(bytes) => Self::Bytes(bytes),
            Body::Stream(_) => {
                Self::Stream(Rc::new(Lent { body: RefCell::new(body), is_read: Cell::new(false) }))
            }
        }
    }

    /// The body once more; none when it was a stream of which something has been read.
    #[must_use]
    pub fn body(&self) -> Option<Body> {
        match self {
            Self::Bytes(bytes) => Some(bytes.clone().into()),
            Self::Trailed(bytes, trailers) => {
                let rest = Body::stream(End(Some(HeaderMap::clone(trailers))));
                Some(Body::stream(Resumed { front: VecDeque::from([bytes.clone()]), rest }))
            }
            Self::Spool(spool, trailers) => Some(spool.body(HeaderMap::clone(trailers))),
            Self::Stream(lent) if lent.is_read.get() => None,
            Self::Stream(lent) => Some(Body::stream(Borrowed(Rc::clone(lent)))),
        }
    }
}

/// A stream that is handed out.
#[derive(Debug)]
pub struct Lent {
    body: RefCell<Body>,
    is_read: Cell<bool>,
}

/// Reads a body as far as there is room for it.
///
/// # Errors
/// What the stream or the file met.
pub async fn read_ahead(mut body: Body, room: Room) -> Result<ReadAhead, KeepError> {
    let limit = room.limit_bytes.unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Ok(ReadAhead::Over(body));
    }
    if let Body::Full(bytes) = body {
        return Ok(ReadAhead::All(Kept::Bytes(bytes)));
    }
    let (mut memory, mut spool, mut total) = (BytesMut::new(), None::<Spool>, 0);
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        let data = match frame?.into_data() {
            Ok(data) => data,
            Err(frame) => {
                trailers.extend(frame.into_trailers().unwrap_or_default());
                continue;
            }
        };
        total += data.len() as u64;
        if total > limit {
            let read = spool.map(|spool| spool.body(HeaderMap::new())).unwrap_or_default();
            let front = VecDeque::from([memory.freeze(), data]);
            return Ok(ReadAhead::Over(Body::stream(Joined {
                first: read,
                then: Body::stream(Resumed { front, rest: body }),
            })));
        }
        memory.extend_from_slice(&data);
        if memory.len() > room.memory_bytes {
            let spool = match &mut spool {
                Some(spool) => spool,
                None => spool.insert(Spool::new()?),
            };
            spool.append(&memory)?;
            memory.clear();
        }
    }
    let trailers = Box::new(trailers);
    Ok(ReadAhead::All(match spool {
        Some(mut spool) => {
            spool.append(&memory)?;
            Kept::Spool(spool, trailers)
        }
        None if trailers.is_empty() => Kept::Bytes(memory.freeze()),
        None => Kept::Trailed(memory.freeze(), trailers),
    }))
}

/// Reads the first bytes of a body and puts them back. The first ones are waited for; of what
/// follows, up to `want_bytes`, only what is there. Says as well whether that is the whole body.
///
/// # Errors
/// What the stream met.
pub async fn peek(mut body: Body, want_bytes: usize) -> Result<(Bytes, bool, Body), BodyError> {
    if let Body::Full(bytes) = &body {
        let seen = bytes.slice(..bytes.len().min(want_bytes));
        let all = seen.len() == bytes.len();
        return Ok((seen, all, body));
    }
    let (mut front, mut length) = (VecDeque::new(), 0);
    let mut end = None;
    while length < want_bytes && end.is_none() {
        let frame = std::future::poll_fn(|cx| match Pin::new(&mut body).poll_frame(cx) {
            Poll::Pending if length > 0 => Poll::Ready(None),
            polled => polled.map(Some),
        });
        match frame.await {
            None => break,
            Some(None) => end = Some(None),
            Some(Some(frame)) => match frame?.into_data() {
                Ok(data) => {
                    length += data.len();
                    front.push_back(data);
                }
                Err(frame) => end = Some(frame.into_trailers().ok()),
            },
        }
    }
    let mut seen: BytesMut = front.iter().flat_map(|piece| piece.iter().copied()).collect();
    let all = length <= want_bytes && (end.is_some() || body.is_end_stream());
    seen.truncate(want_bytes);
    let rest = match end {
        None => body,
        Some(trailers) => Body::stream(End(trailers)),
    };
    Ok((seen.freeze(), all, Body::stream(Resumed { front, rest })))
}

/// Pieces that were read, and what follows them.
struct Resumed {
    front: VecDeque<Bytes>,
    rest: Body,
}

/// One body after another.
struct Joined {
    first: Body,
    then: Body,
}

/// A stream that is lent.
struct Borrowed(Rc<Lent>);

/// The end of a stream, with or without trailers.
struct End(Option<HeaderMap>);

type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

impl http_body::Body for Resumed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        while let Some(piece) = self.front.pop_front() {
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.front.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let front = SizeHint::with_exact(self.front.iter().map(|piece| piece.len() as u64).sum());
        sum(&front, &self.rest.size_hint())
    }
}

impl http_body::Body for Joined {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match std::task::ready!(Pin::new(&mut self.first).poll_frame(cx)) {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.then).poll_frame(cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        sum(&self.first.size_hint(), &self.then.size_hint())
    }
}

impl http_body::Body for Borrowed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut *self.0.body.borrow_mut()).poll_frame(cx);
        if polled.is_ready() {
            self.0.is_read.set(true);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().size_hint()
    }
}

impl http_body::Body for End {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        Poll::Ready(self.0.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // An exact size would promise that nothing follows, not even trailers.
        if self.0.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

fn sum(left: &SizeHint, right: &SizeHint) -> SizeHint {
    let mut sum = SizeHint::new();
    sum.set_lower(left.lower().saturating_add(right.lower()));
    if let (Some(left), Some(right)) = (left.upper(), right.upper()) {
        sum.set_upper(left.saturating_add(right));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames that come one by one, each after a pause.
    struct Slow(VecDeque<&'static str>, bool);

    impl http_body::Body for Slow {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let frame = self.0.pop_front();
            Poll::Ready(frame.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
        }
    }

    fn slow(pieces: &[&'static str]) -> Body {
        Body::stream(Slow(pieces.iter().copied().collect(), false))
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn text(body: Body) -> String {
        let bytes = block_on(body.collect(1 << 20)).unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn reads_ahead_within_its_room() {
        let check = |limit_bytes, memory_bytes, expect: &str| {
            let room = Room { limit_bytes, memory_bytes };
            let got = match block_on(read_ahead(slow(&["ab", "cd", "ef"]), room)).unwrap() {
                ReadAhead::Over(body) => format!("over {}", text(body)),
                ReadAhead::All(kept) => {
                    let place = if matches!(kept, Kept::Spool(..)) { "file" } else { "memory" };
                    let (first, again) = (kept.body().unwrap(), kept.body().unwrap());
                    assert_eq!(first.size_hint().exact(), Some(6));
                    assert_eq!(text(first), text(again));
                    format!("{place} {}", text(kept.body().unwrap()))
                }
            };
            assert_eq!(got, expect, "{limit_bytes:?} {memory_bytes}");
        };
        check(None, 100, "memory abcdef");
        check(Some(6), 100, "memory abcdef");
        check(Some(5), 100, "over abcdef");
        check(Some(5), 1, "over abcdef");
        check(Some(1), 0, "over abcdef");
        check(None, 3, "file abcdef");
        check(None, 5, "file abcdef");
        check(None, 0, "file abcdef");
    }

    #[test]
    fn a_stream_is_handed_out_until_it_is_read() {
        let kept = Kept::of(slow(&["ab", "cd"]));
        drop(kept.body().unwrap());
        let mut body = kept.body().unwrap();
        block_on(body.frame()).unwrap().unwrap();
        assert!(kept.body().is_none());
        assert_eq!(text(body), "cd");
    }

    #[test]
    fn peeking_takes_nothing_away() {
        let check = |body: Body, want, expect: (&str, bool), whole: &str| {
            let (seen, all, body) = block_on(peek(body, want)).unwrap();
            assert_eq!((&*String::from_utf8_lossy(&seen), all), expect);
            assert_eq!(text(body), whole);
        };
        check(slow(&["abc", "def"]), 2, ("ab", false), "abcdef");
        check(slow(&["abc", "def"]), 10, ("abc", false), "abcdef");
        check(slow(&[]), 10, ("", true), "");
        check(Body::from("abc"), 10, ("abc", true), "abc");
        check(Body::from("abc"), 3, ("abc", true), "abc");
        check(Body::from("abc"), 2, ("ab", false), "abc");
        check(Body::Empty, 2, ("", true), "");
    }
}

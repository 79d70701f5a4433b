//! A body that is handed on and remembered up to a limit, so that it can be sent again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use crate::message::{Body, BodyError};

/// The most that is remembered of one body, whatever the configuration allows.
const TAPE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The limit that a configured number of bytes means: less than 0 is the most there is.
pub(super) fn limit_bytes(configured: i64) -> usize {
    usize::try_from(configured).map_or(TAPE_BYTES_MAX, |limit| limit.min(TAPE_BYTES_MAX))
}

/// What is remembered of a body.
pub(super) struct Tape(RefCell<State>);

struct State {
    inner: Body,
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    /// Bytes that may still be remembered; none when there were too many, or the body broke.
    left: Option<usize>,
    is_whole: bool,
    waiting: Option<Box<dyn FnOnce(Bytes)>>,
}

impl Tape {
    /// Remembers what is read of the returned body.
    pub(super) fn record(body: Body, limit_bytes: usize) -> (Rc<Self>, Body) {
        let is_whole = body.is_end_stream();
        let tape = Rc::new(Self(RefCell::new(State {
            inner: body,
            chunks: VecDeque::new(),
            trailers: None,
            left: Some(limit_bytes),
            is_whole,
            waiting: None,
        })));
        let body = Body::stream(Recorded(Rc::clone(&tape)));
        (tape, body)
    }

    /// Calls back with the whole body once it is known; never when it is too large or breaks.
    pub(super) fn when_whole(&self, f: impl FnOnce(Bytes) + 'static) {
        let mut state = self.0.borrow_mut();
        if state.left.is_none() {
            return;
        }
        if state.is_whole {
            let whole = state.joined();
            drop(state);
            f(whole);
        } else {
            state.waiting = Some(Box::new(f));
        }
    }

    /// The body from its beginning; `None` when too much of it is gone.
    pub(super) fn rewind(&self) -> Option<Body> {
        let mut state = self.0.borrow_mut();
        state.left.take()?;
        let chunks = std::mem::take(&mut state.chunks);
        let (trailers, rest) = (state.trailers.take(), std::mem::take(&mut state.inner));
        let rest = if state.is_whole { Body::Empty } else { rest };
        if chunks.is_empty() && trailers.is_none() {
            return Some(rest);
        }
        Some(Body::stream(Rewound { chunks, trailers, rest }))
    }
}

impl State {
    fn joined(&mut self) -> Bytes {
        if self.chunks.len() == 1 {
            return self.chunks.pop_front().unwrap_or_default();
        }
        let mut all = BytesMut::with_capacity(self.chunks.iter().map(Bytes::len).sum());
        self.chunks.drain(..).for_each(|chunk| all.extend_from_slice(&chunk));
        all.freeze()
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        let Some(left) = self.left else { return };
        if let Some(data) = frame.data_ref() {
            match left.checked_sub(data.len()) {
                Some(less) => {
                    self.left = Some(less);
                    self.chunks.push_back(data.clone());
                }
                None => self.give_up(),
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
    }

    fn give_up(&mut self) {
        self.left = None;
        self.chunks.clear();
        self.waiting = None;
    }
}

/// The body as it is handed on.
struct Recorded(Rc<Tape>);

impl http_body::Body for Recorded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.0.0.borrow_mut();
        let Poll::Ready(polled) = Pin::new(&mut state.inner).poll_frame(cx) else {
            return Poll::Pending;
        };
        match &polled {
            Some(Ok(frame)) => state.note(frame),
            Some(Err(_)) => state.give_up(),
            None => {}
        }
        if polled.is_none() || state.inner.is_end_stream() {
            state.is_whole = true;
            if let Some(waiting) = state.waiting.take() {
                let whole = state.joined();
                drop(state);
                waiting(whole);
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.0.0.borrow().inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.0.borrow().inner.size_hint()
    }
}

/// A remembered beginning with the rest that nobody has read yet.
struct Rewound {
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    rest: Body,
}

impl http_body::Body for Rewound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if let Some(trailers) = self.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty() && self.trailers.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let begun: u64 = self.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(begun + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(begun + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::tests::{block_on, chunks};
    use super::*;

    /// Reads `reads` frames of `abc`, `def` and then asks for all.
    fn check(limit: usize, reads: usize, expect: Option<&str>) {
        block_on(async move {
            let (tape, mut body) = Tape::record(chunks(&["abc", "def"]), limit);
            for _ in 0..reads {
                body.frame().await;
            }
            drop(body);
            let again = match tape.rewind() {
                Some(body) => Some(body.collect(99).await.unwrap()),
                None => None,
            };
            assert_eq!(again.as_deref(), expect.map(str::as_bytes), "{limit} {reads}");
        });
    }

    #[test]
    fn goes_back_to_the_beginning() {
        for reads in 0..4 {
            check(6, reads, Some("abcdef"));
        }
        check(5, 1, Some("abcdef"));
        check(5, 2, None);
        check(0, 0, Some("abcdef"));
    }

    #[test]
    fn tells_when_it_is_whole() {
        for (limit, expect) in [(6, Some("abcdef")), (5, None)] {
            let told = Rc::new(Cell::new(None));
            let (tape, body) = Tape::record(chunks(&["abc", "def"]), limit);
            let note = Rc::clone(&told);
            tape.when_whole(move |whole| note.set(Some(whole)));
            let all = block_on(body.collect(99)).unwrap();
            assert_eq!(&all[..], b"abcdef");
            assert_eq!(told.take().as_deref(), expect.map(str::as_bytes), "{limit}");
        }
    }
}

//! A body that a function of a script works on, chunk by chunk.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::lua::load::Loaded;
use crate::lua::{self, Instance};
use crate::message::{Body, BodyError, LocalFuture};

/// What a function has made of a chunk, or of the end with its trailers.
#[derive(Debug, Default)]
pub(in crate::lua) struct Passed {
    pub(in crate::lua) data: Bytes,
    pub(in crate::lua) trailers: Option<HeaderMap>,
}

/// A function with all it needs to be called.
#[derive(Clone)]
pub(in crate::lua) struct Filter {
    pub(in crate::lua) instance: Rc<Instance>,
    pub(in crate::lua) loaded: Rc<Loaded>,
    pub(in crate::lua) cx: Rc<lua::Context>,
    pub(in crate::lua) function: mlua::Function,
    /// What errors are told under, such as `response_body`.
    pub(in crate::lua) hook: &'static str,
}

impl Filter {
    /// The body as the function makes it.
    pub(in crate::lua) fn apply(self, inner: Body) -> Body {
        let (filter, state) = (Rc::new(self), State::Reading);
        Body::stream(Filtered { filter, inner, state })
    }
}

struct Filtered {
    filter: Rc<Filter>,
    inner: Body,
    state: State,
}

enum State {
    Reading,
    /// The function runs; the flag says that nothing follows.
    Running(LocalFuture<'static, Result<Passed, BodyError>>, bool),
    /// What is left are trailers.
    Ending(Option<HeaderMap>),
}

impl Filtered {
    fn run(&mut self, chunk: Option<Bytes>, trailers: Option<HeaderMap>) {
        let (filter, last) = (Rc::clone(&self.filter), chunk.is_none());
        let call = async move {
            let instance = Rc::clone(&filter.instance);
            instance.pass(&filter, chunk, trailers).await
        };
        self.state = State::Running(Box::pin(call), last);
    }
}

impl http_body::Body for Filtered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Reading => {
                    match ready!(http_body::Body::poll_frame(Pin::new(&mut this.inner), cx)) {
                        None => this.run(None, None),
                        Some(Err(error)) => {
                            this.state = State::Ending(None);
                            return Poll::Ready(Some(Err(error)));
                        }
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(data) if data.is_empty() => {}
                            Ok(data) => this.run(Some(data), None),
                            Err(frame) => this.run(None, frame.into_trailers().ok()),
                        },
                    }
                }
                State::Running(call, last) => {
                    let passed = ready!(call.as_mut().poll(cx));
                    let last = *last;
                    let Passed { data, trailers } = match passed {
                        Ok(passed) => passed,
                        Err(error) => {
                            this.state = State::Ending(None);
                            return Poll::Ready(Some(Err(error)));
                        }
                    };
                    this.state = if last { State::Ending(trailers) } else { State::Reading };
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                State::Ending(trailers) => {
                    let trailers = trailers.take();
                    return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
                }
            }
        }
    }
}

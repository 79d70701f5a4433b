//! One request of a script's own, from its making to its answer.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::Version;
use http::header::AUTHORIZATION;
use http_body::Frame;
use mlua::{LuaString, Table};
use tokio::task::JoinHandle;

use super::super::ResponseObject;
use super::options::{Given, Options};
use super::url::{To, Url};
use crate::lua::run::{RequestSlot, ResponseSlot};
use crate::lua::tools::Tools;
use crate::lua::{FetchError, HttpClient};
use crate::message::{Body, BodyError, Exchange, LocalFuture, Parts, Request, Response};

/// An answer's body is read at once up to here, so that its connection can be used again when
/// nobody reads it; what follows comes as it is read.
const AT_ONCE_BYTES: usize = 64 * 1024;

/// What a script gets: a response; or nothing, what happened, and its kind.
pub(super) type Returned = (Option<ResponseObject>, Option<String>, Option<&'static str>);

/// A call that is ready to be sent.
pub(super) struct Call {
    tools: Rc<Tools>,
    client: Rc<HttpClient>,
    host: Rc<dyn crate::lua::Host>,
    to: To,
    request: Request,
    body: Given,
    request_max: usize,
    response_max: Option<usize>,
    timeout: std::time::Duration,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
enum Miss {
    #[error("{0}")]
    Failed(String),
    #[error("there was no answer within {0:?}")]
    Timeout(std::time::Duration),
    #[error("the request's body is longer than {0} bytes")]
    RequestTooLarge(usize),
    #[error("the answer's body is longer than {0} bytes")]
    ResponseTooLarge(usize),
}

impl Miss {
    fn kind(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Timeout(_) => "timeout",
            Self::RequestTooLarge(_) => "request_too_large",
            Self::ResponseTooLarge(_) => "response_too_large",
        }
    }
}

impl Call {
    /// Checks what the script says and counts the request.
    ///
    /// # Errors
    /// For wrong options and URLs, beyond the limit, and where no request is served.
    pub(super) fn new(
        tools: &Rc<Tools>,
        client: &Rc<HttpClient>,
        url: &LuaString,
        options: Option<&Table>,
    ) -> mlua::Result<Self> {
        let run = tools.current.borrow().clone();
        let run = run.ok_or_else(|| mlua::Error::runtime("no request runs"))?;
        let cx = run.begin_fetch()?;
        let options = Options::read(options, tools)?;
        let url = Url::parse(&url.to_string_lossy()).map_err(mlua::Error::external)?;
        let (to, host) = match url.to {
            To::Origin(origin, host) => (To::Origin(origin, host.clone()), host),
            To::Service(name) => (To::Service(qualified(name, &run.name)), Bytes::new()),
        };
        let host = match options.host {
            Some(host) => Bytes::copy_from_slice(host.as_bytes()),
            None => host,
        };
        let mut headers = options.headers;
        if let (Some(credentials), false) = (url.credentials, headers.contains_key(AUTHORIZATION)) {
            headers.insert(AUTHORIZATION, credentials);
        }
        let request = Request::from(Parts {
            method: options.method,
            target: url.target,
            version: Version::HTTP_11,
            host,
            headers: headers.into(),
            body: Body::Empty,
            upgrade: None,
            // Its own notes: the access log tells of the client's request.
            exchange: Rc::new(Exchange::new(Rc::clone(&cx.exchange.client))),
        });
        Ok(Self {
            tools: Rc::clone(tools),
            client: Rc::clone(client),
            host: Rc::clone(&cx.host),
            to,
            request,
            body: options.body,
            request_max: options.request_max.unwrap_or(run.limits.body_bytes),
            response_max: options.response_max,
            timeout: options.timeout,
        })
    }

    /// Whether it takes the body of the client's request.
    pub(super) fn takes_body(&self) -> bool {
        matches!(self.body, Given::OfRequest(_))
    }

    /// Sends it and waits for the answer.
    ///
    /// # Errors
    /// When no request can be sent that way at all.
    pub(super) async fn answer(self) -> mlua::Result<Returned> {
        let tools = Rc::clone(&self.tools);
        match self.send().await? {
            Ok(response) => {
                Ok((Some(ResponseObject(ResponseSlot::new(response, tools))), None, None))
            }
            Err(miss) => Ok((None, Some(miss.to_string()), Some(miss.kind()))),
        }
    }

    async fn send(self) -> mlua::Result<Result<Response, Miss>> {
        let mut request = self.request;
        request.body = match &self.body {
            Given::Bytes(bytes) => bytes.clone().into(),
            Given::OfRequest(slot) => match shared_body(slot, self.request_max).await? {
                Ok(bytes) => bytes.into(),
                Err(miss) => return Ok(Err(miss)),
            },
        };
        let sent: LocalFuture<'static, Response> = match &self.to {
            To::Origin(origin, _) => {
                self.host.fetch(&self.client, origin, request).map_err(mlua::Error::external)?
            }
            To::Service(name) => match self.host.service(name, request) {
                Some(sent) => sent,
                None => {
                    let reason = format!("there is no service {name:?}");
                    return Err(mlua::Error::external(FetchError::Url { reason }));
                }
            },
        };
        // A task of its own: what it computes is not the script's computing time.
        let response_max = self.response_max;
        let task =
            Task(tokio::task::spawn_local(async move { received(sent.await, response_max).await }));
        Ok(match tokio::time::timeout(self.timeout, task).await {
            Ok(answer) => answer,
            Err(_) => Err(Miss::Timeout(self.timeout)),
        })
    }
}

/// The name of a service with its provider, which is the middleware's own if there is none.
fn qualified(name: String, middleware: &str) -> String {
    match middleware.rsplit_once('@') {
        Some((_, provider)) if !name.contains('@') => format!("{name}@{provider}"),
        _ => name,
    }
}

/// Reads the client's body, and leaves it to the server as well.
async fn shared_body(
    slot: &Rc<RequestSlot>,
    bytes_max: usize,
) -> mlua::Result<Result<Bytes, Miss>> {
    let body = slot.with_mut(|request| Ok(std::mem::take(&mut request.body)))?;
    let bytes = match body.collect(bytes_max).await {
        Ok(bytes) => bytes,
        Err(BodyError::TooLarge) => return Ok(Err(Miss::RequestTooLarge(bytes_max))),
        Err(error) => return Ok(Err(Miss::Failed(error.to_string()))),
    };
    slot.with_mut(|request| {
        request.body = bytes.clone().into();
        Ok(())
    })?;
    Ok(Ok(bytes))
}

/// Reads as much of an answer's body as is read at once.
async fn received(mut response: Response, bytes_max: Option<usize>) -> Result<Response, Miss> {
    if let Some(failure) = response.failure {
        return Err(Miss::Failed(failure.to_string()));
    }
    let mut rest = std::mem::take(&mut response.body);
    let mut read = BytesMut::new();
    let limit = bytes_max.unwrap_or(AT_ONCE_BYTES);
    while let Some(frame) = rest.frame().await {
        let frame = frame.map_err(|error| Miss::Failed(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > limit {
            if let Some(limit) = bytes_max {
                return Err(Miss::ResponseTooLarge(limit));
            }
            response.body = Body::stream(Begun { read: Some(read.freeze()), rest });
            return Ok(response);
        }
    }
    response.body = read.freeze().into();
    Ok(response)
}

/// A body whose beginning has been read.
struct Begun {
    read: Option<Bytes>,
    rest: Body,
}

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.read.take() {
            Some(read) => Poll::Ready(Some(Ok(Frame::data(read)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_none() && self.rest.is_end_stream()
    }
}

/// A task that ends with whom it works for.
struct Task(JoinHandle<Result<Response, Miss>>);

impl Future for Task {
    type Output = Result<Response, Miss>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = std::task::ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(ended.unwrap_or_else(|error| Err(Miss::Failed(error.to_string()))))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

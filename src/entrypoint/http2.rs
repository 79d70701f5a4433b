//! HTTP/2 connections, served by hyper: the only file that knows it.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::HOST;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};

use super::activity::Watched;
use super::admit::{Head, Rest};
use super::connection::Timer;
use super::finish::Finish;
use super::handle::{Connection, handle};
use super::owed::Owed;
use crate::message::{Body, BodyError};

/// Serves a connection whose preface is still to be read.
pub(super) async fn serve<S>(stream: S, ahead: Bytes, connection: Rc<Connection>, timer: Timer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = connection.entrypoint.limits;
    let io = TokioIo::new(Watched::new(stream, ahead, Arc::clone(&connection.activity)));
    let shared = Rc::clone(&connection);
    let service = service_fn(move |request| {
        let connection = Rc::clone(&shared);
        async move { answer(&connection, request).await }
    });
    let mut builder = http2::Builder::new(Local);
    builder.timer(TokioTimer::new());
    builder.max_concurrent_streams(limits.streams_max);
    builder.header_table_size(limits.table_bytes_max);
    builder.max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX));
    let serving = pin!(builder.serve_connection(io, service));
    let is_spent = || connection.keepalive.is_spent();
    timer.drive(serving, is_spent, http2::Connection::graceful_shutdown).await;
}

async fn answer(
    connection: &Rc<Connection>,
    request: hyper::Request<Incoming>,
) -> io::Result<hyper::Response<ToClient>> {
    let (parts, incoming) = request.into_parts();
    let limit = connection.entrypoint.limits.read;
    let body = if incoming.is_end_stream() {
        Body::Empty
    } else {
        Body::stream(Owed::new(FromClient(incoming), limit))
    };
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let target = match target {
        "" => Bytes::from_static(b"/"),
        text if text.starts_with('?') => Bytes::from(format!("/{text}")),
        text => Bytes::copy_from_slice(text.as_bytes()),
    };
    let authority = parts.uri.authority();
    let mut headers = parts.headers;
    let host = headers.remove(HOST).map(|host| Bytes::copy_from_slice(host.as_bytes()));
    let head = Head {
        method: parts.method,
        version: parts.version,
        target,
        authority: authority.map(|name| Bytes::copy_from_slice(name.as_str().as_bytes())),
        host,
        headers: headers.into(),
    };
    let handled = handle(connection, head, Rest { body, upgrade: None, interim: None });
    let mut late = connection.entrypoint.limits.write.map(|limit| Box::pin(sleep(limit)));
    let (response, finish) = match &mut late {
        None => handled.await,
        // As in Go, who is too late gets nothing more: the stream is reset.
        Some(late) => tokio::select! {
            handled = handled => handled,
            () = late => return Err(io::ErrorKind::TimedOut.into()),
        },
    };
    let mut answer = hyper::Response::new(ToClient { body: response.body, finish, late });
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers.into();
    Ok(answer)
}

/// A request's body as hyper reads it.
struct FromClient(Incoming);

impl HttpBody for FromClient {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|_| BodyError::Client)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// An answer's body on its way to the client; counts its bytes, and its end is the end of the
/// request.
struct ToClient {
    body: Body,
    finish: Finish,
    /// When it is too late for more.
    late: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for ToClient {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let is_late = this.late.as_mut().is_some_and(|late| late.as_mut().poll(cx).is_ready());
        let polled = match is_late {
            true => Poll::Ready(Some(Err(BodyError::Timeout))),
            false => Pin::new(&mut this.body).poll_frame(cx),
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.finish.sent(data.len());
                }
                if let Some(trailers) = frame.trailers_ref() {
                    this.finish.trailers(trailers);
                }
            }
            Poll::Ready(Some(Err(error))) => this.finish.cut(*error),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Runs streams on the worker's thread.
#[derive(Clone, Copy)]
struct Local;

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

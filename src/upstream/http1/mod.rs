//! One HTTP/1.1 request to a server and its answer, driven in the request's own task.

mod body;
mod head;
mod parse;
mod pump;

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use self::body::{Framing, ServerBody};
use self::parse::{Head, HeadError};
use self::pump::{Pump, PumpEnd};
use super::pool::{Origin, Pools, Probe, connect};
use super::{Endpoint, tunnel};
use crate::message::{Body, Failure, Request, Response, rescue};

pub use self::head::{Forwarding, HostHeader, PathPrefix};

/// An answer's head may be this long at most; Go's limit is 10 MiB, nginx's 4 to 8 KiB.
const HEAD_BYTES_MAX: usize = 1024 * 1024;
/// How often a request that no server has acted on is sent again over another connection.
const STALE_RETRIES_MAX: u32 = 3;

/// Sends a request to a server and answers with the server's answer, or with ours to a failure.
pub async fn send(
    pools: &Rc<Pools>,
    endpoint: &Arc<Endpoint>,
    forwarding: Forwarding,
    request: Request,
) -> Response {
    let started = Instant::now();
    let exchange = Rc::clone(&request.exchange);
    exchange.record.borrow_mut().server = Some(Arc::clone(endpoint.url()));
    let response = Call { pools, endpoint }.run(forwarding, request).await.unwrap_or_else(rescue);
    let mut record = exchange.record.borrow_mut();
    record.origin_duration = Some(started.elapsed());
    record.origin_status = Some(response.status.as_u16());
    drop(record);
    response
}

struct Call<'a> {
    pools: &'a Rc<Pools>,
    endpoint: &'a Arc<Endpoint>,
}

/// An answer's head with the connection it came over.
struct Answer {
    head: Head,
    stream: TcpStream,
    /// Bytes after the head.
    rest: BytesMut,
    /// The request's body, when it is not sent yet.
    pump: Option<Pump>,
}

/// Why an exchange ended without an answer.
enum Trouble {
    /// A reused connection was closed before a byte of the answer came.
    Stale,
    /// Anything else.
    Failed(Failure),
}

impl Call<'_> {
    async fn run(&self, forwarding: Forwarding, mut request: Request) -> Result<Response, Failure> {
        let mut scratch = self.pools.scratch();
        let framing = head::write(&mut scratch, &request, self.endpoint, forwarding);
        let replayable = is_replayable(&request);
        let probe = if replayable { Probe::Noticed } else { Probe::Asked };
        let mut body = std::mem::take(&mut request.body);
        if let (Body::Full(bytes), head::BodyFraming::Length) = (&body, framing) {
            scratch.extend_from_slice(bytes);
            body = Body::Empty;
        }
        let mut pump = (!body.is_empty()).then(|| Pump::new(body, framing));
        let streams = pump.is_some();
        let mut tries = 0;
        let answer = loop {
            let (stream, origin) = match self.pools.reuse(self.endpoint, probe) {
                Some(stream) => (stream, Origin::Reused),
                None => (connect(self.endpoint).await?, Origin::Fresh),
            };
            match self.exchange(stream, origin, &scratch, &mut pump).await {
                Ok(answer) => break answer,
                Err(Trouble::Stale) if replayable && !streams && tries < STALE_RETRIES_MAX => {
                    tries += 1;
                }
                Err(Trouble::Stale) => return Err(self.closed()),
                Err(Trouble::Failed(failure)) => return Err(failure),
            }
        };
        self.pools.give_back_scratch(scratch);
        self.respond(request, answer)
    }

    /// Writes the request and reads the answer's head, passing over 1xx answers.
    async fn exchange(
        &self,
        mut stream: TcpStream,
        origin: Origin,
        head: &[u8],
        pump: &mut Option<Pump>,
    ) -> Result<Answer, Trouble> {
        if stream.write_all(head).await.is_err() {
            return Err(match origin {
                Origin::Reused => Trouble::Stale,
                Origin::Fresh => Trouble::Failed(self.closed()),
            });
        }
        let mut buffer = self.pools.buffer();
        let limit = self.endpoint.transport().response_header_timeout;
        let head = loop {
            let read = self.read_head(&mut stream, &mut buffer, pump, origin);
            let head = match limit {
                None => read.await?,
                Some(limit) => tokio::time::timeout(limit, read)
                    .await
                    .map_err(|_| Trouble::Failed(self.too_late(limit)))??,
            };
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                break head;
            }
        };
        Ok(Answer { head, stream, rest: buffer, pump: pump.take() })
    }

    /// Reads until a head is complete, while the request's body is still being sent.
    async fn read_head(
        &self,
        stream: &mut TcpStream,
        buffer: &mut BytesMut,
        pump: &mut Option<Pump>,
        origin: Origin,
    ) -> Result<Head, Trouble> {
        loop {
            if !buffer.is_empty() {
                match parse::head(buffer) {
                    Ok(Some(head)) => return Ok(head),
                    Ok(None) if buffer.len() < HEAD_BYTES_MAX => buffer.reserve(4096),
                    Ok(None) => return Err(self.bad(HeadError::TooLong)),
                    Err(error) => return Err(self.bad(error)),
                }
            }
            let read = self.read_some(stream, buffer, pump).await?;
            if read == Some(0) || read.is_none() {
                return Err(match origin {
                    Origin::Reused if buffer.is_empty() => Trouble::Stale,
                    _ => Trouble::Failed(self.closed()),
                });
            }
        }
    }

    /// Reads once and sends of the request's body what can be sent; `None` is a broken connection.
    async fn read_some(
        &self,
        stream: &mut TcpStream,
        buffer: &mut BytesMut,
        pump: &mut Option<Pump>,
    ) -> Result<Option<usize>, Trouble> {
        poll_fn(|cx| {
            if let Some(sending) = pump {
                match sending.poll(cx, stream) {
                    Poll::Ready(PumpEnd::Sent) => *pump = None,
                    // The server may have answered before it closed, so its answer is still read.
                    Poll::Pending | Poll::Ready(PumpEnd::ServerClosed) => {}
                    Poll::Ready(PumpEnd::ClientFailed(failure)) => {
                        return Poll::Ready(Err(Trouble::Failed(failure)));
                    }
                }
            }
            pin!(stream.read_buf(buffer)).poll(cx).map(|result| Ok(result.ok()))
        })
        .await
    }

    fn respond(&self, request: Request, answer: Answer) -> Result<Response, Failure> {
        let Answer { head, stream, rest, pump } = answer;
        let mut response = Response::new(head.status);
        response.headers = head.headers;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let Some(upgrade) = request.upgrade else {
                return Err(self.bad_answer("it switched protocols unasked"));
            };
            tunnel::start(upgrade, stream, rest, request.exchange);
            return Ok(response);
        }
        let bodiless = request.method == Method::HEAD
            || head.status == StatusCode::NO_CONTENT
            || head.status == StatusCode::NOT_MODIFIED;
        let framing = if bodiless { Framing::Length(0) } else { head.framing };
        let mut body = ServerBody::new(
            Rc::clone(self.pools),
            Arc::clone(self.endpoint),
            stream,
            rest,
            pump,
            framing,
            head.keep_alive,
        );
        response.body = match body.at_hand() {
            Some(bytes) => Body::from(bytes),
            None => Body::stream(body),
        };
        Ok(response)
    }

    fn closed(&self) -> Failure {
        Failure::ServerClosed { server: self.endpoint.authority.to_string() }
    }

    fn too_late(&self, limit: Duration) -> Failure {
        let after_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Failure::AnswerTimeout { server: self.endpoint.authority.to_string(), after_ms }
    }

    fn bad(&self, error: HeadError) -> Trouble {
        Trouble::Failed(self.bad_answer(&error.to_string()))
    }

    fn bad_answer(&self, cause: &str) -> Failure {
        let server = self.endpoint.authority.to_string();
        Failure::BadAnswer { server, cause: cause.to_owned() }
    }
}

/// Whether sending the request twice does no more than sending it once (RFC 9110, section 9.2.2),
/// or the client says so.
fn is_replayable(request: &Request) -> bool {
    request.method.is_idempotent() || request.headers.contains_key("idempotency-key")
}

//! One HTTP/1.1 request to a server and its answer, driven in the request's own task.

mod body;
mod head;
mod parse;
mod pump;

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::AsyncWriteExt;

use self::body::{Framing, ServerBody};
use self::parse::{Head, HeadError};
use self::pump::{Pump, PumpEnd};
use super::forwarding::{Forwarding, has_no_body, is_replayable};
use super::pool::{Origin, Pools};
use super::stream::{Probe, Stream};
use super::{Endpoint, STALE_RETRIES_MAX, failures, tunnel};
use crate::message::{Body, Failure, Interim, Request, Response};

/// How many bytes at the front are an answer's head, as a server's connection is read: none while
/// they are the beginning of one; an error when they are none.
///
/// # Errors
/// What is wrong with them.
pub fn read_answer_head(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut buffer = BytesMut::from(bytes);
    match parse::head(&mut buffer) {
        Ok(head) => Ok(head.map(|_| bytes.len() - buffer.len())),
        Err(error) => Err(error.to_string()),
    }
}

/// An answer's head may be this long at most; Go's limit is 10 MiB, nginx's 4 to 8 KiB.
const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Sends a request over an idle or a fresh connection, or over the one at hand.
///
/// 1xx answers other than 100 and 101 are handed to the client's side of the exchange; a client
/// that waits for 100 is told by us, when its body is asked for.
pub(super) async fn send<S: Stream>(
    pools: &Rc<Pools>,
    endpoint: &Arc<Endpoint>,
    forwarding: Forwarding,
    request: Request,
    at_hand: Option<(S, Origin)>,
) -> Result<Response, Failure> {
    Call { pools, endpoint }.run(forwarding, request, at_hand).await
}

struct Call<'a> {
    pools: &'a Rc<Pools>,
    endpoint: &'a Arc<Endpoint>,
}

/// An answer's head with the connection it came over.
struct Answer<S> {
    head: Head,
    stream: S,
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
    async fn run<S: Stream>(
        &self,
        forwarding: Forwarding,
        mut request: Request,
        mut at_hand: Option<(S, Origin)>,
    ) -> Result<Response, Failure> {
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
        let interim = request.exchange.interim.clone();
        let interim = interim.as_deref();
        let mut tries = 0;
        let answer = loop {
            let idle = at_hand.take().or_else(|| {
                let stream =
                    S::shelf(self.pools).reuse(self.endpoint, probe, self.pools.lately())?;
                Some((stream, Origin::Reused))
            });
            let (stream, origin) = match idle {
                Some(idle) => idle,
                None => (S::open(self.endpoint).await?, Origin::Fresh),
            };
            match self.exchange(stream, origin, &scratch, &mut pump, interim).await {
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

    /// Writes the request and reads the answer's head, handing on 1xx answers.
    async fn exchange<S: Stream>(
        &self,
        mut stream: S,
        origin: Origin,
        head: &[u8],
        pump: &mut Option<Pump>,
        interim: Option<&Interim>,
    ) -> Result<Answer<S>, Trouble> {
        if stream.write_all(head).await.is_err() || stream.flush().await.is_err() {
            return Err(match origin {
                Origin::Reused => Trouble::Stale,
                Origin::Fresh => Trouble::Failed(self.closed()),
            });
        }
        let mut buffer = BytesMut::new();
        let limit = self.endpoint.transport().response_header_timeout;
        let head = loop {
            let read = self.read_head(&mut stream, &mut buffer, pump, origin);
            let head = match limit {
                None => read.await?,
                Some(limit) => match tokio::time::timeout(limit, read).await {
                    Ok(head) => head?,
                    // The limit begins at the end of the request.
                    Err(_) if pump.is_some() => continue,
                    Err(_) => {
                        return Err(Trouble::Failed(failures::too_late(self.endpoint, limit)));
                    }
                },
            };
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                break head;
            }
            if let Some(interim) = interim
                && head.status != StatusCode::CONTINUE
            {
                interim.push(head.status, head.headers.into());
            }
        };
        Ok(Answer { head, stream, rest: buffer, pump: pump.take() })
    }

    /// Reads until a head is complete, while the request's body is still being sent.
    async fn read_head<S: Stream>(
        &self,
        stream: &mut S,
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
    async fn read_some<S: Stream>(
        &self,
        stream: &mut S,
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
            self.pools.poll_read(cx, stream, buffer, 0).map(|result| Ok(result.ok()))
        })
        .await
    }

    fn respond<S: Stream>(
        &self,
        mut request: Request,
        answer: Answer<S>,
    ) -> Result<Response, Failure> {
        let Answer { head, stream, rest, pump } = answer;
        let mut response = Response::new(head.status);
        response.headers = head.headers;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let Some(upgrade) = request.upgrade.take() else {
                let cause = "it switched protocols unasked".to_owned();
                return Err(failures::bad_answer(self.endpoint, cause));
            };
            // A tunnel may be open for long.
            let ahead = BytesMut::from(&*rest);
            self.pools.give_back_block(rest);
            tunnel::start(upgrade, stream, ahead, Rc::clone(&request.exchange));
            return Ok(response);
        }
        let bodiless = has_no_body(&request.method, head.status);
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
        failures::closed(self.endpoint)
    }

    fn bad(&self, error: HeadError) -> Trouble {
        Trouble::Failed(failures::bad_answer(self.endpoint, error.to_string()))
    }
}

//! One HTTP/2 request to a server and its answer, over a connection that many share.
//!
//! hyper speaks the protocol. 1xx answers are passed over, as over HTTP/1.

mod body;
mod connection;
mod head;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use self::body::{FromServer, Source, ToServer, Upload};
use self::connection::Slot;
use super::dial::{self, Offer};
use super::endpoint::Scheme;
use super::forwarding::{has_no_body, is_replayable};
use super::stream::Encrypted;
use super::{Endpoint, Forwarding, Pools, failures, tls};
use crate::message::{Body, Failure, Request, Response};

pub(super) use self::connection::{Connections, Lease};

/// What came of asking for a connection.
pub(super) enum Acquired {
    /// A stream of one that speaks HTTP/2.
    Http2(Lease),
    /// A fresh one, and the server chose HTTP/1.
    Http1(Encrypted),
}

/// Why there is no answer.
pub(super) enum Setback {
    /// The request may be sent again; it is whole again.
    Untouched(Failure),
    /// It must not be.
    Failed(Failure),
}

/// A stream of an open connection that has one left, else of a new connection. Requests that come
/// meanwhile wait for the new connection, and share its failure.
pub(super) async fn acquire(
    pools: &Rc<Pools>,
    endpoint: &Arc<Endpoint>,
) -> Result<Acquired, Failure> {
    let slot = pools.http2.slot(endpoint);
    if let Some(lease) = slot.lease() {
        return Ok(Acquired::Http2(lease));
    }
    if endpoint.speaks_http1() {
        return open(&slot, endpoint).await;
    }
    let dials = slot.dials();
    let alone = slot.alone().await;
    if let Some(lease) = slot.lease() {
        return Ok(Acquired::Http2(lease));
    }
    if slot.dials() != dials
        && let Some(failure) = slot.last_failure()
    {
        return Err(failure);
    }
    if endpoint.speaks_http1() {
        // Connections that nobody can share are opened side by side.
        drop(alone);
        return open(&slot, endpoint).await;
    }
    let opened = open(&slot, endpoint).await;
    slot.note_dial(opened.as_ref().err());
    opened
}

async fn open(slot: &Rc<Slot>, endpoint: &Arc<Endpoint>) -> Result<Acquired, Failure> {
    if endpoint.scheme == Scheme::H2c {
        let stream = dial::tcp(endpoint).await?;
        return slot.start(stream).await.map(Acquired::Http2);
    }
    let stream = dial::tls(endpoint, Offer::Http2).await?;
    let chosen = stream.get_ref().1.alpn_protocol();
    endpoint.note_http1(chosen != Some(tls::HTTP2));
    if endpoint.speaks_http1() {
        return Ok(Acquired::Http1(stream));
    }
    slot.start(stream).await.map(Acquired::Http2)
}

/// Sends a request and waits for the head of its answer. The request keeps its head, and gets its
/// body back where it may be sent again.
pub(super) async fn send(
    lease: Lease,
    endpoint: &Endpoint,
    forwarding: Forwarding,
    request: &mut Request,
) -> Result<Response, Setback> {
    let head = head::build(endpoint, forwarding, request).map_err(Setback::Failed)?;
    let source = Source::new(std::mem::take(&mut request.body));
    let upload = Upload::new();
    let message = head.map(|()| ToServer::new(&source, &upload));
    let limit = endpoint.transport().response_header_timeout;
    let sent = lease.sender().try_send_request(message);
    match within(limit, &upload, sent).await {
        Ok(Ok(answer)) => Ok(respond(answer, lease, request)),
        Ok(Err(error)) => Err(setback(error, &lease, endpoint, &upload, &source, request)),
        Err(limit) => Err(Setback::Failed(failures::too_late(endpoint, limit))),
    }
}

/// The future's result; the limit if it passes from the end of the request on.
async fn within<T>(
    limit: Option<Duration>,
    upload: &Upload,
    future: impl Future<Output = T>,
) -> Result<T, Duration> {
    let Some(limit) = limit else {
        return Ok(future.await);
    };
    let mut future = std::pin::pin!(future);
    loop {
        let had_ended = upload.has_ended();
        match tokio::time::timeout(limit, future.as_mut()).await {
            Ok(result) => return Ok(result),
            Err(_) if !had_ended => {}
            Err(_) => return Err(limit),
        }
    }
}

fn respond(answer: hyper::Response<Incoming>, lease: Lease, request: &Request) -> Response {
    lease.note_served();
    let (head, incoming) = answer.into_parts();
    let mut response = Response::new(head.status);
    response.headers = head.headers.into();
    let bodiless = has_no_body(&request.method, response.status);
    if !bodiless && !hyper::body::Body::is_end_stream(&incoming) {
        response.body = Body::stream(FromServer::new(incoming, lease));
    }
    response
}

/// What to make of an error before the answer.
fn setback(
    mut error: TrySendError<hyper::Request<ToServer>>,
    lease: &Lease,
    endpoint: &Endpoint,
    upload: &Upload,
    source: &Source,
    request: &mut Request,
) -> Setback {
    if error.take_message().is_some()
        && let Some(body) = source.take_back()
    {
        lease.retire();
        request.body = body;
        return Setback::Untouched(failures::closed(endpoint));
    }
    let error = error.into_error();
    if let Some(error) = upload.failure() {
        return Setback::Failed(Failure::of_request_body(error));
    }
    let (lost, refused) = (is_lost(&error), is_refused(&error));
    if lost || (refused && words(&error).starts_with(GOODBYE)) {
        lease.retire();
    }
    let failure = if lost {
        failures::closed(endpoint)
    } else {
        failures::bad_answer(endpoint, words(&error))
    };
    let stale = lost && lease.has_served() && is_replayable(request);
    match source.take_back() {
        Some(body) if stale || refused => {
            request.body = body;
            Setback::Untouched(failure)
        }
        _ => Setback::Failed(failure),
    }
}

/// Whether the connection is gone, rather than the server's answer wrong.
fn is_lost(error: &hyper::Error) -> bool {
    let by_system = error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>);
    by_system || error.is_closed() || error.is_canceled() || error.is_timeout()
}

/// Whether the server says that it has not acted on the request (RFC 9113, sections 6.8 and 8.7):
/// it refused the stream, or said goodbye before it. hyper tells the reason in words alone.
fn is_refused(error: &hyper::Error) -> bool {
    let words = words(error);
    words.contains(REFUSED) || words.starts_with(GOODBYE)
}

const REFUSED: &str = "refused stream";
const GOODBYE: &str = "connection error received";

fn words(error: &hyper::Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

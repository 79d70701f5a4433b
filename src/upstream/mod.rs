//! Connections to servers, and the exchanges over them: HTTP/1, plain and encrypted, and HTTP/2.
//!
//! Pools are per worker; what holds over all workers (the idle limit) is an atomic beside the
//! endpoint. Must not know services, routers or scripts.

mod dial;
mod endpoint;
mod failures;
mod forwarding;
mod http1;
mod http2;
mod names;
mod origins;
mod pool;
mod reach;
mod relay;
mod stream;
mod tcp;
mod tls;
mod traced;
mod transport;
mod tunnel;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use self::endpoint::Scheme;
use self::http2::{Acquired, Setback};
use self::pool::Origin;
use self::stream::{Encrypted, Probe, Stream};
use crate::message::{Exchange, Failure, Request, Response, in_time, rescue};

pub use endpoint::{Endpoint, EndpointError};
pub use forwarding::{Forwarding, Hop, HostHeader, PathPrefix};
pub use http1::read_answer_head;
pub use origins::{OriginError, Origins, TransportId};
pub use pool::{BLOCK_BYTES, Pools, copied_out};
pub use reach::Reach;
pub use relay::{Buffers, relay};
pub use tcp::{
    ConnectError, Encryption, ServerStream, TcpEndpoint, TcpEndpointError, TcpTransport, is_address,
};
pub use tls::TlsError;
pub use transport::{SystemRoots, Transport, TransportError};

/// How often a request that no server has acted on is sent again over another connection.
const STALE_RETRIES_MAX: u32 = 3;

/// Sends a request to a server and answers with the server's answer, or with ours to a failure.
pub async fn send(
    pools: &Rc<Pools>,
    endpoint: &Arc<Endpoint>,
    forwarding: Forwarding,
    mut request: Request,
) -> Response {
    let started = pools.now();
    let exchange = Rc::clone(&request.exchange);
    let span = traced::begin(endpoint, &mut request);
    {
        let mut record = exchange.record.borrow_mut();
        record.server = Some(Arc::clone(endpoint.url()));
        if record.request_headers.is_some() {
            record.request_headers = Some(request.headers.clone());
        }
    }
    let answered = match endpoint.scheme {
        Scheme::Http => http1::send::<TcpStream>(pools, endpoint, forwarding, request, None).await,
        // Boxed, so that the plain exchange's future stays small.
        Scheme::Https | Scheme::H2c => {
            Box::pin(negotiated(pools, endpoint, forwarding, request)).await
        }
    };
    let response = note(pools, &exchange, started, answered);
    traced::end(&exchange, span, &response);
    response
}

/// As [`send`], where the head of the answer must come within a limit. The request's body puts it
/// off as it flows, if its flow is noted.
pub async fn send_within(
    pools: &Rc<Pools>,
    endpoint: &Arc<Endpoint>,
    forwarding: Forwarding,
    request: Request,
    limit: Duration,
) -> Response {
    let started = pools.now();
    let exchange = Rc::clone(&request.exchange);
    let sending = send(pools, endpoint, forwarding, request);
    match in_time(&exchange, started, limit, sending).await {
        Some(response) => response,
        None => {
            let late = Err(failures::too_late(endpoint, limit));
            let response = note(pools, &exchange, started, late);
            let span = exchange.trace.get().and_then(|trace| trace.client());
            traced::end(&exchange, span, &response);
            response
        }
    }
}

/// Notes what came of a server; a failure becomes an answer.
fn note(
    pools: &Pools,
    exchange: &Exchange,
    started: Instant,
    answered: Result<Response, Failure>,
) -> Response {
    let response = answered.unwrap_or_else(rescue);
    let mut record = exchange.record.borrow_mut();
    record.origin_duration = Some(pools.now() - started);
    record.origin_status = Some(response.status.as_u16());
    if record.request_headers.is_some() {
        record.origin_headers = Some(response.headers.clone());
    }
    drop(record);
    response
}

/// Sends a request over what the server speaks: HTTP/2 over a shared connection, else HTTP/1 over
/// an encrypted one of its own.
async fn negotiated(
    pools: &Rc<Pools>,
    endpoint: &Arc<Endpoint>,
    forwarding: Forwarding,
    mut request: Request,
) -> Result<Response, Failure> {
    let encrypted = http1::send::<Encrypted>;
    // An upgrade is HTTP/1's, so it is asked for on a connection that offers nothing else.
    let upgrades = request.upgrade.is_some() && endpoint.scheme == Scheme::Https;
    if upgrades || !endpoint.may_speak_http2() {
        return encrypted(pools, endpoint, forwarding, request, None).await;
    }
    let mut tries = 0;
    loop {
        if endpoint.speaks_http1() {
            let probe = Probe::before(&request);
            if let Some(idle) = Encrypted::shelf(pools).reuse(endpoint, probe, pools.lately()) {
                let at_hand = Some((idle, Origin::Reused));
                return encrypted(pools, endpoint, forwarding, request, at_hand).await;
            }
        }
        let lease = match http2::acquire(pools, endpoint).await? {
            Acquired::Http2(lease) => lease,
            Acquired::Http1(stream) => {
                let at_hand = Some((stream, Origin::Fresh));
                return encrypted(pools, endpoint, forwarding, request, at_hand).await;
            }
        };
        match http2::send(lease, endpoint, forwarding, &mut request).await {
            Ok(response) => return Ok(response),
            Err(Setback::Untouched(_)) if tries < STALE_RETRIES_MAX => tries += 1,
            Err(Setback::Untouched(failure) | Setback::Failed(failure)) => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests;

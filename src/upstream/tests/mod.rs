//! Exchanges over real sockets, with servers of all kinds.

mod dial;
mod encrypted;
pub(super) mod servers;
mod trust;

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderValue, Method, Version};
use bytes::Bytes;

use super::{Endpoint, Forwarding, HostHeader, PathPrefix, Pools, Transport, send};
use crate::headers::Headers;
use crate::message::{Body, Client, Exchange, Parts, Request, Response, Target};
use crate::model::ServersTransport;

/// Runs a test on a worker's kind of runtime, within a limit.
pub(super) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(Duration::from_secs(20), test).await };
    tokio::task::LocalSet::new().block_on(&runtime, limited).expect("the test took too long")
}

/// Trusts anybody.
pub(super) fn lenient() -> ServersTransport {
    ServersTransport { insecure_skip_verify: true, ..Default::default() }
}

pub(super) fn endpoint(
    scheme: &str,
    address: SocketAddr,
    options: &ServersTransport,
) -> Arc<Endpoint> {
    let transport = Arc::new(Transport::build(options).unwrap());
    Arc::new(Endpoint::parse(&format!("{scheme}://{address}"), transport).unwrap())
}

pub(super) fn request(method: Method, body: Body) -> Request {
    let local = SocketAddr::from(([127, 0, 0, 1], 1));
    let client = Client {
        peer: local,
        local,
        ip: HeaderValue::from_static("127.0.0.1"),
        entrypoint: "web".into(),
        is_forwarded: false,
        tls: None,
        guard: Rc::new(()),
    };
    Request::from(Parts {
        method,
        target: Target::parse(Bytes::from_static(b"/x?y=1")).unwrap(),
        version: Version::HTTP_11,
        host: Bytes::from_static(b"client.test"),
        headers: Headers::new(),
        body,
        upgrade: None,
        exchange: Rc::new(Exchange::new(Rc::new(client))),
    })
}

pub(super) const FORWARDING: Forwarding =
    Forwarding { host: HostHeader::Client, path: PathPrefix::Ignored };

pub(super) async fn get(pools: &Rc<Pools>, endpoint: &Arc<Endpoint>) -> Response {
    send(pools, endpoint, FORWARDING, request(Method::GET, Body::Empty)).await
}

pub(super) async fn post(
    pools: &Rc<Pools>,
    endpoint: &Arc<Endpoint>,
    body: impl Into<Body>,
) -> Response {
    send(pools, endpoint, FORWARDING, request(Method::POST, body.into())).await
}

/// The status and the body.
pub(super) async fn read(response: Response) -> (u16, String) {
    let status = response.status.as_u16();
    let body = response.body.collect(1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Waits until something holds, for at most the test's limit.
pub(super) async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// What a request costs on the plain path includes the size of its future: no kind of server other
/// than the plain one may grow it.
#[test]
fn the_plain_exchange_stays_small() {
    let (pools, endpoint) = (Pools::new(), Endpoint::parse("http://a.test", Arc::default()));
    let endpoint = Arc::new(endpoint.unwrap());
    let sending = send(&pools, &endpoint, FORWARDING, request(Method::GET, Body::Empty));
    let bytes = std::mem::size_of_val(&sending);
    assert!(bytes <= 2304, "{bytes} bytes");
}

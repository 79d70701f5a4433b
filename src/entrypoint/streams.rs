//! Where a connection goes: to a TCP router, with TLS ended here or at the server, or to HTTP.
//!
//! Only entrypoints with TCP routers come here. The order is Traefik's: where all routers are TCP
//! ones without TLS, the first that matches has the connection before the client says anything.

use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::activity::{Activity, Watched};
use super::connection::within;
use super::peek::{Arrival, Beginning, Postgres};
use super::worker::Shared;
use crate::router::TcpEntry;
use crate::rule::tcp::Facts;
use crate::service::Greeting;
use crate::snapshot::{StreamRoute, StreamTables, TlsEnd};
use crate::tls::Hello;

type Limit = Option<std::time::Duration>;

/// Serves a connection that a TCP router wants; others come back, for HTTP.
pub(super) async fn route(
    worker: &Rc<Shared>,
    tables: &StreamTables,
    mut arrival: Arrival,
    limit: Limit,
) -> Option<Arrival> {
    let nothing = Hello::default();
    if tables.encrypted.is_empty()
        && tables.https.is_none()
        && let Some(entry) = tables.plain.find(&facts(&nothing, &arrival))
    {
        serve(worker, &entry.target, arrival, Greeting::None, limit).await;
        return None;
    }
    let postgres = match tables.encrypted.is_empty() {
        true => Postgres::Ignored,
        false => Postgres::Granted,
    };
    let beginning = within(limit, arrival.beginning(postgres)).await?;
    let (entry, greeting) = match &beginning {
        Beginning::BrokenTls => (None, Greeting::None),
        Beginning::Other => (tables.plain.find(&facts(&nothing, &arrival)), Greeting::None),
        Beginning::Tls(hello) => (encrypted(tables, hello, &arrival), Greeting::None),
        Beginning::Postgres(hello) => {
            let Some(entry) = tables.encrypted.find(&facts(hello, &arrival)) else { return None };
            (Some(entry), Greeting::Postgres)
        }
    };
    let Some(entry) = entry else { return Some(arrival) };
    serve(worker, &entry.target, arrival, greeting, limit).await;
    None
}

fn facts<'a>(hello: &'a Hello, arrival: &Arrival) -> Facts<'a> {
    Facts {
        sni: hello.server_name.as_deref().unwrap_or_default(),
        protocols: &hello.protocols,
        client_ip: arrival.ends.source.ip(),
    }
}

/// The TCP router that has a TLS connection: an HTTPS router that names its server goes before all,
/// and any HTTPS router before a TCP router that takes whatever comes.
fn encrypted<'a>(
    tables: &'a StreamTables,
    hello: &Hello,
    arrival: &Arrival,
) -> Option<&'a TcpEntry<Arc<StreamRoute>>> {
    let facts = facts(hello, arrival);
    let https = tables.https.as_ref();
    if https.is_some_and(|https| https.has(facts.sni)) {
        return None;
    }
    let entry = tables.encrypted.find(&facts)?;
    let yields = entry.matcher.is_catch_all() && https.is_some_and(|https| https.has_any());
    (!yields).then_some(entry)
}

/// Hands a connection to a route's service.
async fn serve(
    worker: &Rc<Shared>,
    route: &StreamRoute,
    arrival: Arrival,
    greeting: Greeting,
    limit: Limit,
) {
    let Arrival { stream, ahead, ends } = arrival;
    let (service, buffers) = (&route.service, &worker.buffers);
    tracing::debug!(router = &*route.name, client = %ends.source, "a connection is handed on");
    if route.tls == TlsEnd::Server && ahead.is_empty() {
        return service.serve(stream, ends, greeting, buffers).await;
    }
    let stream: Watched<TcpStream> = Watched::new(stream, ahead.freeze(), Activity::new());
    if route.tls == TlsEnd::Server {
        return service.serve(stream, ends, greeting, buffers).await;
    }
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&worker.tls));
    let handshake = async { acceptor.accept(stream).await };
    match within(limit, handshake).await {
        Some(Ok(stream)) => service.serve(stream, ends, Greeting::None, buffers).await,
        Some(Err(error)) => {
            tracing::debug!(%error, client = %ends.source, "TLS handshake failed");
        }
        None => {}
    }
}

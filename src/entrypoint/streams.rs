//! Where a connection goes: to a TCP router, with TLS ended here or at the server, or to HTTP.
//!
//! Only entrypoints with TCP routers come here. The order is Traefik's: where all routers are TCP
//! ones without TLS, the first that matches has the connection before the client says anything.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::activity::{Activity, Watched};
use super::connection::within;
use super::handshake::{self, Asked};
use super::peek::{Arrival, Beginning, Postgres};
use super::worker::Shared;
use super::{Entrypoint, ProofOrder};
use crate::lua::Admittance;
use crate::middleware::{Instances, admit};
use crate::router::{HostNames, TcpEntry};
use crate::rule::tcp::Facts;
use crate::service::Greeting;
use crate::snapshot::{StreamRoute, StreamTables, TlsEnd};
use crate::tls::{CHALLENGE, Hello};

/// The TCP routers of an entrypoint, and what serves their connections.
pub(super) struct Streams<'a> {
    pub(super) worker: &'a Rc<Shared>,
    pub(super) entrypoint: &'a Entrypoint,
    pub(super) tables: Arc<StreamTables>,
    pub(super) instances: Rc<Instances>,
}

impl Streams<'_> {
    /// Serves a connection that a TCP router wants; others come back, for HTTP.
    pub(super) async fn route(&self, mut arrival: Arrival) -> Option<Arrival> {
        let tables = &*self.tables;
        let nothing = Hello::default();
        if tables.encrypted.is_empty()
            && tables.https.is_none()
            && let Some(entry) = tables.plain.find(&facts(&nothing, &arrival))
        {
            self.serve(&entry.target, arrival, &nothing, Greeting::None).await;
            return None;
        }
        let postgres = match tables.encrypted.is_empty() {
            true => Postgres::Ignored,
            false => Postgres::Granted,
        };
        let limit = self.entrypoint.limits.read;
        let (hello, entry, greeting) = match within(limit, arrival.beginning(postgres)).await? {
            Beginning::BrokenTls => return Some(arrival),
            Beginning::Other => {
                let entry = tables.plain.find(&facts(&nothing, &arrival));
                (nothing, entry, Greeting::None)
            }
            // Who proves that a name is ours goes before all routers.
            Beginning::Tls(hello)
                if self.entrypoint.proofs == ProofOrder::BeforeRouters
                    && hello.protocols.iter().any(|name| name == CHALLENGE) =>
            {
                return Some(arrival);
            }
            Beginning::Tls(hello) => {
                let entry = encrypted(tables, &hello, &arrival);
                (hello, entry, Greeting::None)
            }
            Beginning::Postgres(hello) => {
                // Nobody else begins TLS in that way.
                let entry = tables.encrypted.find(&facts(&hello, &arrival))?;
                (hello, Some(entry), Greeting::Postgres)
            }
        };
        let Some(entry) = entry else { return Some(arrival) };
        self.serve(&entry.target, arrival, &hello, greeting).await;
        None
    }

    /// Hands a connection to a route's service, if its scripts let it. They are asked before TLS
    /// begins, while Traefik asks them after it: who is refused costs no handshake.
    async fn serve(
        &self,
        route: &StreamRoute,
        arrival: Arrival,
        hello: &Hello,
        greeting: Greeting,
    ) {
        let Arrival { stream, ahead, ends } = arrival;
        let ahead = ahead.freeze();
        let asked = Asked {
            entrypoint: &self.entrypoint.name,
            ends,
            server_name: hello.server_name.as_deref(),
            ahead: &ahead,
        };
        let exchange = (!route.steps.is_empty()).then(|| asked.exchange());
        if let Some(exchange) = &exchange
            && admit(&self.instances, &route.steps, exchange).await == Admittance::Closed
        {
            tracing::debug!(router = &*route.name, client = %ends.source, "a script closes");
            return;
        }
        let (service, buffers) = (&route.service, &self.worker.buffers);
        let options = match &route.tls {
            TlsEnd::Server if ahead.is_empty() => {
                return service.serve(stream, ends, greeting, buffers).await;
            }
            TlsEnd::Server => None,
            TlsEnd::Here(options) => Some(options),
        };
        let stream: Watched<TcpStream> = Watched::new(stream, ahead.clone(), Activity::new());
        let Some(options) = options else {
            return service.serve(stream, ends, greeting, buffers).await;
        };
        let handshake = async {
            match handshake::settings(self.worker, options, asked).await {
                Some(config) => tokio_rustls::TlsAcceptor::from(config).accept(stream).await,
                None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        };
        match within(self.entrypoint.limits.read, handshake).await {
            Some(Ok(stream)) => service.serve(stream, ends, Greeting::None, buffers).await,
            Some(Err(error)) => {
                tracing::debug!(%error, client = %ends.source, "TLS handshake failed");
            }
            None => {}
        }
    }
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
    let yields = entry.matcher.is_catch_all() && https.is_some_and(HostNames::has_any);
    (!yields).then_some(entry)
}

//! What a worker records of requests: lines of the access log, metrics, traces.
//!
//! Must not know how a request was served; it is told what was noted of it.

use std::sync::Arc;

use ::http::header::{ACCEPT, CONTENT_TYPE};
use ::http::{HeaderName, HeaderValue};
use hashbrown::HashSet;

use super::WorkerSettings;
use super::forwarded::Speech;
use crate::headers::Headers;
use crate::message::{Exchange, Protocol, Record};
use crate::observe::metrics::{Counted, Kind, Ledger, Level, Metrics, Open, Owner, OwnerRef};
use crate::observe::{AccessLog, Tracer};
use crate::service::Copied;
use crate::snapshot::Snapshot;

/// What a worker records.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) access_log: Option<Arc<AccessLog>>,
    pub(super) tracer: Option<Arc<Tracer>>,
    ledger: Option<Ledger>,
}

/// A request that is over, as it is counted.
pub(super) struct Over<'a> {
    pub(super) method: &'a str,
    pub(super) status: u16,
    /// What the answer says of gRPC.
    pub(super) grpc_status: Option<u16>,
    pub(super) counted: Counted<'a>,
    /// The host that the client asked for.
    pub(super) host: &'a str,
    /// The version of HTTP and the scheme, such as `1.1 https`.
    pub(super) spoken: &'static str,
    /// Bytes of the server's answer.
    pub(super) origin_size: u64,
}

impl Over<'_> {
    /// Without what OpenTelemetry's conventions do not tell.
    fn plain(&self) -> Counted<'static> {
        let Counted { duration, received, sent, .. } = self.counted;
        Counted { duration, received, sent, tls: None, labels: &[] }
    }
}

/// What gRPC's status is where there is none: `UNKNOWN`.
const GRPC_UNKNOWN: u16 = 2;

impl Recorder {
    pub(super) fn new(settings: &WorkerSettings) -> Self {
        let (access_log, tracer) = (settings.access_log.clone(), settings.tracer.clone());
        Self { access_log, tracer, ledger: settings.metrics.as_ref().map(Metrics::ledger) }
    }

    /// Whether anything is recorded.
    pub(super) fn is_on(&self) -> bool {
        self.access_log.is_some() || self.ledger.is_some() || self.tracer.is_some()
    }

    /// Whether headers are kept until the end of a request.
    pub(super) fn wants_headers(&self) -> bool {
        self.access_log.as_ref().is_some_and(|log| log.wants_headers())
    }

    /// The headers of requests whose values are labels.
    pub(super) fn labels(&self) -> &[HeaderName] {
        self.ledger.as_ref().map_or(&[], |ledger| &ledger.metrics().plan().headers)
    }

    /// One more connection of the entrypoint at a place.
    pub(super) fn open(&self, place: usize) -> Option<Open> {
        Some(self.ledger.as_ref()?.gauge(place)?.open())
    }

    /// Forgets what is no longer configured.
    pub(super) fn forget(&self, snapshot: &Snapshot) {
        let Some(ledger) = &self.ledger else { return };
        let urls: HashSet<&str> = match ledger.metrics().plan().conventions {
            true => snapshot.services.values().flat_map(|service| service.urls()).collect(),
            false => HashSet::default(),
        };
        ledger.keep(|owner: &Owner| match owner.level {
            Level::Entrypoint | Level::Host => true,
            Level::Server => urls.contains(&*owner.name),
            Level::Router => snapshot.outcome.routers.contains_key(&*owner.name),
            Level::Service => snapshot.services.contains_key(&*owner.name),
        });
    }

    /// Counts a copy of a request for the services that have got it; routers and entrypoints have
    /// had one request only.
    pub(super) fn count_copy(&self, copy: &Copied<'_>) {
        let Some(ledger) = &self.ledger else { return };
        let record = copy.exchange.record.borrow();
        if !record.observed.metrics {
            return;
        }
        let (received, sent) = (copy.received, copy.sent);
        let duration = copy.exchange.started.elapsed();
        let counted = Counted { duration, received, sent, tls: None, labels: &[] };
        let (method, status) = (copy.method.as_str(), copy.status.as_u16());
        let (host, spoken) = ("", "");
        let trailer = copy.trailers.get(GRPC_STATUS).map(HeaderValue::as_bytes);
        let said = trailer.or_else(|| copy.headers.values(&GRPC_STATUS).first().copied());
        let grpc_status = said.and_then(grpc_status);
        let over = Over { method, status, grpc_status, counted, host, spoken, origin_size: sent };
        let code = |status: u16| code(&record, &over, status);
        Self::count_services(ledger, copy.exchange, &record, &over, &code);
    }

    /// Counts a request that is over, if requests are counted.
    pub(super) fn count(&self, exchange: &Exchange, record: &Record, over: &Over<'_>) {
        let Some(ledger) = self.ledger.as_ref().filter(|_| record.observed.metrics) else { return };
        let plan = ledger.metrics().plan();
        let code = |status: u16| code(record, over, status);
        let kind = Kind::new(over.method, record.protocol, code(over.status));
        if plan.entrypoints {
            let name = &exchange.client.entrypoint;
            let owner = OwnerRef { level: Level::Entrypoint, name, service: "" };
            ledger.count(owner, kind, &over.counted);
        }
        if plan.routers {
            for crossed in &record.path {
                let (name, service) = (&*crossed.router, &*crossed.service);
                ledger.count(OwnerRef { level: Level::Router, name, service }, kind, &over.counted);
            }
        }
        if plan.conventions {
            let kind = Kind::new(over.method, Protocol::Http, over.status);
            ledger.count_host(over.host, over.spoken, kind, &over.plain());
        }
        if plan.services || plan.conventions {
            Self::count_services(ledger, exchange, record, over, &code);
        }
    }

    fn count_services(
        ledger: &Ledger,
        exchange: &Exchange,
        record: &Record,
        over: &Over<'_>,
        code: &dyn Fn(u16) -> u16,
    ) {
        let last = record.attempts.len().saturating_sub(1);
        for (place, attempt) in record.attempts.iter().enumerate() {
            let owner = OwnerRef { level: Level::Service, name: &attempt.service, service: "" };
            let answered = attempt.answered.map(|(at, status)| (at - attempt.started, status));
            let (duration, status, sent) = match answered {
                // What was tried again had an answer that nobody has seen.
                Some((took, status)) if place < last => (took, status, 0),
                Some((_, status)) => {
                    let before = attempt.started.saturating_duration_since(exchange.started);
                    (over.counted.duration.saturating_sub(before), status, over.origin_size)
                }
                None => (attempt.started.elapsed(), over.status, 0),
            };
            if ledger.metrics().plan().conventions {
                let kind = Kind::new(over.method, Protocol::Http, status);
                let took = answered.map_or(duration, |(took, _)| took);
                let server = OwnerRef { level: Level::Server, name: &attempt.server, service: "" };
                ledger.count(server, kind, &Counted { duration: took, ..over.plain() });
            }
            if ledger.metrics().plan().services {
                let kind = Kind::new(over.method, record.protocol, code(status));
                ledger.count(owner, kind, &Counted { duration, sent, ..over.counted });
            }
        }
        if let Some(attempt) = record.attempts.last().filter(|_| record.retry_attempts > 0) {
            let owner = OwnerRef { level: Level::Service, name: &attempt.service, service: "" };
            ledger.count_retries(owner, record.retry_attempts.into());
        }
    }
}

/// The code a request is counted under: gRPC's own where gRPC is spoken.
fn code(record: &Record, over: &Over<'_>, status: u16) -> u16 {
    match record.protocol {
        Protocol::Grpc | Protocol::GrpcWeb => over.grpc_status.unwrap_or(GRPC_UNKNOWN),
        _ => status,
    }
}

/// Where gRPC tells how a call ended.
pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

pub(super) fn grpc_status(value: &[u8]) -> Option<u16> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// What is spoken inside of a request, as Traefik tells it.
pub(super) fn protocol(headers: &Headers, speech: Speech) -> Protocol {
    if speech == Speech::WebSocket {
        return Protocol::WebSocket;
    }
    let is_sse = |value: &&[u8]| {
        let mut kinds = value.split(|b| *b == b',');
        kinds.any(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    };
    if headers.values(&ACCEPT).iter().any(is_sse) {
        return Protocol::Sse;
    }
    match headers.values(&CONTENT_TYPE).first() {
        Some(kind) if kind.starts_with(b"application/grpc-web") => Protocol::GrpcWeb,
        Some(kind) if kind.starts_with(b"application/grpc") => Protocol::Grpc,
        _ => Protocol::Http,
    }
}

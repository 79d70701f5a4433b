//! The end of a request: when the last byte of its answer is handed over, or the client is gone.
//! What was noted of it becomes a line of the access log, and numbers.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;

use super::activity::InFlight;
use super::admit::Head;
use super::forwarded::{self, Speech};
use super::handle::Connection;
use super::measured;
use super::recorder::{GRPC_STATUS, Over, grpc_status, protocol};
use super::traced;
use super::worker::Shared;
use crate::headers::Headers;
use crate::message::{Body, BodyError, Exchange, Observed, Record, Request, Response};
use crate::observe::metrics::Counted;
use crate::observe::{AccessRecord, Encrypted, Origin};

/// The end of a request, which comes when this is dropped.
pub(super) struct Finish {
    exchange: Rc<Exchange>,
    worker: Rc<Shared>,
    /// None where nothing is recorded.
    line: Option<Box<Line>>,
    status: u16,
    bytes: u64,
    _in_flight: InFlight,
}

/// What is told of a request beside what its exchange has noted.
struct Line {
    method: ::http::Method,
    target: Bytes,
    host: Bytes,
    protocol: &'static str,
    forwarded_for: Option<Box<str>>,
    received: Option<Rc<Cell<u64>>>,
    labels: Vec<Box<str>>,
    grpc_status: Option<u16>,
    answer_headers: Option<Headers>,
}

/// What is said of a client that left before its answer, as Traefik says it.
const CLIENT_GONE: u16 = 499;

impl Finish {
    /// Of a request that has a head.
    pub(super) fn of(
        connection: &Connection,
        exchange: &Rc<Exchange>,
        head: &Head,
        in_flight: InFlight,
    ) -> Self {
        Self::new(connection, exchange, in_flight, || Line::of(head))
    }

    /// Of what could not be read as a request; `line` is what came in the place of its first line.
    pub(super) fn of_refused(
        connection: &Connection,
        exchange: &Rc<Exchange>,
        line: &[u8],
        in_flight: InFlight,
    ) -> Self {
        Self::new(connection, exchange, in_flight, || Line::of_refused(line))
    }

    fn new(
        connection: &Connection,
        exchange: &Rc<Exchange>,
        in_flight: InFlight,
        line: impl FnOnce() -> Line,
    ) -> Self {
        let worker = Rc::clone(&connection.worker);
        let line = worker.recorder.is_on().then(|| {
            // Until a router says otherwise.
            exchange.record.borrow_mut().observed = connection.entrypoint.observed;
            Box::new(line())
        });
        let exchange = Rc::clone(exchange);
        Self { exchange, worker, line, status: CLIENT_GONE, bytes: 0, _in_flight: in_flight }
    }

    /// Counts the bytes of the client's body.
    pub(super) fn measure(&mut self, body: Body) -> Body {
        match &mut self.line {
            Some(line) if !matches!(body, Body::Empty) => {
                measured::received(body, line.received.get_or_insert_default())
            }
            _ => body,
        }
    }

    /// Notes a request as it is routed.
    pub(super) fn note(&mut self, request: &Request, speech: Speech) {
        let Some(line) = &mut self.line else { return };
        let recorder = &self.worker.recorder;
        line.target = request.target.bytes().clone();
        line.host = request.host.clone();
        line.forwarded_for = forwarded::given(&request.headers);
        line.labels = recorder.labels().iter().map(|name| first(&request.headers, name)).collect();
        let mut record = self.exchange.record.borrow_mut();
        record.protocol = protocol(&request.headers, speech);
        if recorder.wants_headers() {
            record.request_headers = Some(request.headers.clone());
        }
    }

    /// Notes an answer as it is sent.
    pub(super) fn answer(&mut self, response: &Response) {
        self.status = response.status.as_u16();
        traced::answer(&self.exchange, response);
        let Some(line) = &mut self.line else { return };
        if let Some(value) = response.headers.values(&GRPC_STATUS).first() {
            line.grpc_status = grpc_status(value);
        }
        if self.worker.recorder.wants_headers() {
            line.answer_headers = Some(response.headers.clone());
        }
    }

    /// Bytes of the body have been handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Trailers have been handed over.
    pub(super) fn trailers(&mut self, trailers: &HeaderMap) {
        if let Some(line) = &mut self.line
            && let Some(value) = trailers.get(GRPC_STATUS)
        {
            line.grpc_status = grpc_status(value.as_bytes());
        }
    }

    /// The body ended before its end.
    pub(super) fn cut(&mut self, error: BodyError) {
        let record = self.exchange.record.borrow();
        let server = record.server.as_deref().unwrap_or("-");
        tracing::warn!(%error, server, "an answer was cut short");
    }
}

fn first(headers: &Headers, name: &::http::HeaderName) -> Box<str> {
    let values = headers.values(name);
    values.first().map(|value| String::from_utf8_lossy(value)).unwrap_or_default().into()
}

impl Drop for Finish {
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        let exchange = Rc::clone(&self.exchange);
        let (status, sent) = (self.status, self.bytes);
        let is_logged = self.worker.recorder.access_log.is_some();
        let trace = exchange.trace.get().filter(|_| is_logged).map(|trace| trace.names());
        traced::end(self.worker.recorder.tracer.as_ref(), &exchange, status);
        let ended = Ended { line, status, sent, duration: exchange.started.elapsed(), trace };
        let logging = exchange.logging.borrow().clone();
        let Some(logging) = logging else { return ended.tell(&self.worker, &exchange) };
        // Scripts may still add to the line.
        let (worker, permit) = (Rc::clone(&self.worker), self.worker.drain.admit());
        tokio::task::spawn_local(async move {
            let _ = tokio::time::timeout(LOG_HOOKS_MAX, logging.notified()).await;
            ended.tell(&worker, &exchange);
            // A stop waits for it.
            drop(permit);
        });
    }
}

/// How long a line waits for the `log` hooks of its request.
const LOG_HOOKS_MAX: Duration = Duration::from_secs(1);

/// A request that is over.
struct Ended {
    line: Box<Line>,
    status: u16,
    sent: u64,
    duration: Duration,
    /// The ids of the trace and of its first span.
    trace: Option<(String, String)>,
}

impl Ended {
    fn tell(&self, worker: &Shared, exchange: &Exchange) {
        let record = exchange.record.borrow();
        if record.observed == Observed::default() {
            return;
        }
        let client = &exchange.client;
        let line = &*self.line;
        let received = line.received();
        let origin_size = record.origin_body.map_or(self.sent, |(size, _)| size);
        let tls = client.tls.as_ref().map(|tls| (tls.version, tls.cipher));
        let (duration, sent, labels) = (self.duration, self.sent, &*line.labels);
        let counted = Counted { duration, received, sent, tls, labels };
        let (method, status) = (line.method.as_str(), self.status);
        let grpc_status = line.grpc_status;
        let host = String::from_utf8_lossy(&line.host);
        let (host, spoken) = (&*host, spoken(line.protocol, client.tls.is_some()));
        let over = Over { method, status, grpc_status, counted, host, spoken, origin_size };
        worker.recorder.count(exchange, &record, &over);
        if record.observed.access_log {
            self.log(worker, exchange, &record, origin_size);
        }
    }

    fn log(&self, worker: &Shared, exchange: &Exchange, record: &Record, origin_size: u64) {
        let Some(log) = &worker.recorder.access_log else { return };
        let (line, client) = (&*self.line, &exchange.client);
        let target = String::from_utf8_lossy(&line.target);
        let target = match log.keeps_queries() {
            true => &*target,
            false => target.split('?').next().unwrap_or_default(),
        };
        let origin = record.server.as_deref().map(|url| Origin {
            url,
            duration: self.origin_duration(exchange, record),
            status: record.origin_status.unwrap_or_default(),
            size: origin_size,
        });
        let trace = &self.trace;
        log.record(&AccessRecord {
            client: client.peer,
            forwarded_for: line.forwarded_for.as_deref(),
            user: record.user.as_deref(),
            entrypoint: &client.entrypoint,
            method: line.method.as_str(),
            target,
            protocol: line.protocol,
            scheme: client.scheme(),
            host: &String::from_utf8_lossy(&line.host),
            received: line.received(),
            status: self.status,
            sent: self.sent,
            router: record.router.as_deref(),
            service: record.service.as_deref().filter(|_| origin.is_some()),
            ingress: record.path.last().and_then(|crossed| crossed.ingress.as_ref()),
            origin,
            retries: record.retry_attempts,
            tls: client.tls.as_ref().map(|tls| Encrypted {
                version: tls.version,
                cipher: tls.cipher,
                client: tls.client_chain.first().map(Vec::as_slice),
            }),
            duration: self.duration,
            trace: trace.as_ref().map(|(trace, span)| (trace.as_str(), span.as_str())),
            headers: [
                record.request_headers.as_ref(),
                record.origin_headers.as_ref(),
                line.answer_headers.as_ref(),
            ],
            more: &record.fields,
        });
    }

    /// From the sending of the request to the end of the server's answer.
    fn origin_duration(&self, exchange: &Exchange, record: &Record) -> Duration {
        let began = record.attempts.last().map_or(exchange.started, |attempt| attempt.started);
        let before = began.saturating_duration_since(exchange.started);
        let whole = match record.origin_body {
            Some((_, ended)) => ended.saturating_duration_since(exchange.started),
            None => self.duration,
        };
        whole.saturating_sub(before)
    }
}

/// The version of HTTP and the scheme, in one word, so that nothing is put together for each
/// request.
fn spoken(protocol: &str, is_encrypted: bool) -> &'static str {
    match (protocol, is_encrypted) {
        ("HTTP/1.0", false) => "1.0 http",
        ("HTTP/1.0", true) => "1.0 https",
        ("HTTP/2.0", false) => "2 http",
        ("HTTP/2.0", true) => "2 https",
        ("HTTP/3.0", _) => "3 https",
        (_, false) => "1.1 http",
        (_, true) => "1.1 https",
    }
}

impl Line {
    /// Bytes of the request's body that were read.
    fn received(&self) -> u64 {
        self.received.as_ref().map_or(0, |count| count.get())
    }

    fn of(head: &Head) -> Self {
        let protocol = match head.version {
            ::http::Version::HTTP_10 => "HTTP/1.0",
            ::http::Version::HTTP_2 => "HTTP/2.0",
            ::http::Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        };
        let host = head.authority.as_ref().or(head.host.as_ref()).cloned().unwrap_or_default();
        Self { host, ..Self::plain(head.method.clone(), head.target.clone(), protocol) }
    }

    /// What can be told of a line that is none.
    fn of_refused(line: &[u8]) -> Self {
        let mut words = line.split(|&b| b == b' ');
        let method = words.next().and_then(|word| ::http::Method::from_bytes(word).ok());
        let target = words.next().map(Bytes::copy_from_slice).unwrap_or_default();
        let protocol = if words.next() == Some(b"HTTP/1.0") { "HTTP/1.0" } else { "HTTP/1.1" };
        Self::plain(method.unwrap_or_default(), target, protocol)
    }

    fn plain(method: ::http::Method, target: Bytes, protocol: &'static str) -> Self {
        Self {
            method,
            target,
            host: Bytes::new(),
            protocol,
            forwarded_for: None,
            received: None,
            labels: Vec::new(),
            grpc_status: None,
            answer_headers: None,
        }
    }
}

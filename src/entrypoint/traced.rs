//! The spans of a request that this side knows: the whole of it, and its routers.
//!
//! Names and attributes are Traefik's, which are those of OpenTelemetry's semantic conventions.

use std::rc::Rc;
use std::sync::Arc;

use ::http::Version;
use ::http::header::{CONTENT_LENGTH, HeaderName, USER_AGENT};

use crate::headers::Headers;
use crate::message::{Exchange, LocalFuture, Request, Response, SpanKind, Trace, Tracing};
use crate::observe::Tracer;
use crate::snapshot::Route;

const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Statuses of ours from this one on are failures.
const FAILING: u16 = 500;

/// Begins the trace of a request, if it is to be traced.
pub(super) fn begin(tracer: Option<&Arc<Tracer>>, request: &Request, detail: Tracing) {
    let Some(tracer) = tracer.filter(|_| detail > Tracing::Off) else { return };
    let exchange = &request.exchange;
    let trace = exchange.trace.get_or_init(|| Box::new(tracer.begin(&request.headers, detail)));
    if !trace.is_sampled() {
        return;
    }
    let method = request.method.as_str().to_owned();
    let span = trace.open_at(method.clone(), SpanKind::Server, exchange.started);
    let (client, headers) = (&exchange.client, &request.headers);
    trace.say(span, "entry_point", Arc::clone(&client.entrypoint));
    trace.say(span, "http.request.method", method);
    trace.say(span, "network.protocol.version", version(request.version));
    if let Ok(size) = text(headers, &CONTENT_LENGTH).parse::<i64>() {
        trace.say(span, "http.request.body.size", size);
    }
    trace.say(span, "url.path", request.target.decoded_path().into_owned());
    trace.say(span, "url.query", trace.safe_query(request.target.query().unwrap_or_default()));
    trace.say(span, "url.scheme", text(headers, &PROTO));
    trace.say(span, "user_agent.original", text(headers, &USER_AGENT));
    trace.say(span, "server.address", String::from_utf8_lossy(&request.host).into_owned());
    let (address, port) = (client.peer.ip().to_canonical().to_string(), client.peer.port());
    for name in ["client.address", "network.peer.address"] {
        trace.say(span, name, address.clone());
    }
    for name in ["client.port", "network.peer.port"] {
        trace.say(span, name, i64::from(port));
    }
    let names = &trace.rules().request_headers;
    trace.say_headers(span, "http.request.header", names, headers);
}

/// Notes an answer as it is sent.
pub(super) fn answer(exchange: &Exchange, response: &Response) {
    if let Some(trace) = exchange.trace.get() {
        let names = &trace.rules().response_headers;
        trace.say_headers(trace.whole(), "http.response.header", names, &response.headers);
    }
}

/// Ends the trace of a request that is over.
pub(super) fn end(tracer: Option<&Arc<Tracer>>, exchange: &Exchange, status: u16) {
    if let (Some(tracer), Some(trace)) = (tracer, exchange.trace.get()) {
        trace.answer(trace.whole(), status, FAILING);
        trace.close(trace.whole());
        tracer.end(trace);
    }
}

/// The trace of a request, where every step is told.
pub(super) fn detailed(exchange: &Exchange) -> Option<&Trace> {
    exchange.trace.get().map(|trace| &**trace).filter(|trace| trace.is_detailed())
}

/// A router's part of a request.
pub(super) fn route(
    exchange: Rc<Exchange>,
    route: &Route,
    routed: impl FnOnce() -> LocalFuture<'static, Response>,
) -> LocalFuture<'static, Response> {
    let Some(trace) = detailed(&exchange) else { return routed() };
    let span = trace.open("Router", SpanKind::Internal);
    let crossed = &route.crossed;
    trace.say(span, "traefik.service.name", Arc::clone(&crossed.service));
    trace.say(span, "traefik.router.name", Arc::clone(&crossed.router));
    trace.say(span, "http.route", Arc::clone(&crossed.rule));
    let routed = routed();
    Box::pin(async move {
        let response = routed.await;
        if let Some(trace) = exchange.trace.get() {
            trace.close(span);
        }
        response
    })
}

fn text(headers: &Headers, name: &HeaderName) -> String {
    let values = headers.values(name);
    values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// A version of HTTP, as the conventions write it.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

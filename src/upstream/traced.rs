//! The span of a request that is sent to a server.
//!
//! Name and attributes are Traefik's, which are those of OpenTelemetry's semantic conventions.

use http::header::USER_AGENT;
use http::{HeaderName, Version};

use super::Endpoint;
use crate::message::{Exchange, Opened, Request, Response, SpanKind};

/// Statuses of servers from this one on are failures.
const FAILING: u16 = 400;

/// Opens the span, and tells the server of it.
pub(super) fn begin(endpoint: &Endpoint, request: &mut Request) -> Option<Opened> {
    let exchange = std::rc::Rc::clone(&request.exchange);
    let trace = exchange.trace.get()?;
    let span = trace.open("ReverseProxy", SpanKind::Client);
    if trace.is_sampled() {
        let first = |name: &HeaderName| {
            let values = request.headers.values(name);
            values.first().map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default()
        };
        let scheme = endpoint.url().split("://").next().unwrap_or_default().to_owned();
        let query = trace.safe_query(request.target.query().unwrap_or_default());
        let mark = if query.is_empty() { "" } else { "?" };
        let path = request.target.path();
        trace.say(span, "http.request.method", request.method.as_str().to_owned());
        let version = if request.version == Version::HTTP_10 { "1.0" } else { "1.1" };
        trace.say(span, "network.protocol.version", version);
        trace.say(span, "url.full", format!("{}{path}{mark}{query}", endpoint.url()));
        trace.say(span, "url.scheme", scheme);
        trace.say(span, "user_agent.original", first(&USER_AGENT));
        let (host, port) = endpoint.authority.rsplit_once(':').unwrap_or((&endpoint.authority, ""));
        for (address, number) in
            [("network.peer.address", "network.peer.port"), ("server.address", "server.port")]
        {
            trace.say(span, address, host.to_owned());
            if let Ok(port) = port.parse::<i64>() {
                trace.say(span, number, port);
            }
        }
        let names = &trace.rules().request_headers;
        trace.say_headers(span, "http.request.header", names, &request.headers);
    }
    trace.tell(&mut request.headers);
    Some(span)
}

/// Closes the span with an answer.
pub(super) fn end(exchange: &Exchange, span: Option<Opened>, response: &Response) {
    if let (Some(trace), Some(span)) = (exchange.trace.get(), span) {
        trace.answer(span, response.status.as_u16(), FAILING);
        let names = &trace.rules().response_headers;
        trace.say_headers(span, "http.response.header", names, &response.headers);
        trace.close(span);
    }
}

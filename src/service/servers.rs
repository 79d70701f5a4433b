//! Servers: one is chosen for each request by the service's strategy.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::hash_by::{HashBy, with_key};
use super::health::{Check, Passive};
use super::member::Held;
use super::sticky::{self, Choice, Sticky};
use super::{LeastTime, Means, Member, Rendezvous, Turn, Two};
use crate::lua::{Candidate, Pick};
use crate::message::{
    Attempt, Body, BodyError, Exchange, Failure, Observed, Opened, Request, Response, SpanKind,
    Timeouts, in_force, paced, rescue,
};
use crate::upstream::{Endpoint, Forwarding, send, send_within};

/// Servers and how one is chosen.
#[derive(Debug)]
pub struct Servers {
    /// The servers, with what is changed for each.
    pub servers: Vec<Server>,
    /// How one of them is chosen.
    pub strategy: Strategy,
    /// Keeps clients where they were.
    pub sticky: Option<Arc<Sticky>>,
    /// Leaves servers out because of their answers.
    pub passive: Option<Passive>,
    /// Asks servers whether they are well.
    pub check: Option<Arc<Check>>,
    /// Limits of waiting, before those of routers.
    pub timeouts: Timeouts,
}

/// One server of a load balancer.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    /// What is changed for it.
    pub forwarding: Forwarding,
    /// Its share; 0 means that it is never chosen.
    pub weight: u32,
    /// Whether it keeps the clients it has all the same.
    pub fenced: bool,
    /// What is known of it.
    pub member: Arc<Member>,
}

/// How one of the servers is chosen; the state is shared by all workers.
#[derive(Debug, Clone)]
pub enum Strategy {
    /// `wrr`: they take turns by weight.
    Turns(Arc<Turn>),
    /// `p2c`: of two taken at random, the less busy one.
    Two(Arc<Two>),
    /// `hrw`: the same one for the same value of the request.
    Rendezvous(Arc<Rendezvous>, HashBy),
    /// `leasttime`: the one that answers soonest.
    LeastTime(Arc<LeastTime>),
}

impl Strategy {
    /// Whether requests in hand are counted and answers timed.
    fn measures(&self) -> bool {
        matches!(self, Self::Two(_) | Self::LeastTime(_))
    }
}

impl Servers {
    /// Whether the health of servers is watched at all.
    fn is_watched(&self) -> bool {
        self.check.is_some() || self.passive.is_some()
    }

    /// The servers, where their health is watched.
    pub(super) fn watched(&self) -> &[Server] {
        if self.is_watched() { &self.servers } else { &[] }
    }

    /// Whether any server may be chosen.
    pub(super) fn is_up(&self) -> bool {
        !self.is_watched() || self.servers.iter().any(|s| s.weight > 0 && s.member.is_up())
    }

    pub(super) fn may(&self, place: usize) -> bool {
        let server = self.servers.get(place);
        server.is_some_and(|s| s.weight > 0 && (!self.is_watched() || s.member.is_up()))
    }

    pub(super) fn may_keep(&self, place: usize) -> bool {
        let server = self.servers.get(place);
        self.may(place)
            || server.is_some_and(|s| s.fenced && (!self.is_watched() || s.member.is_up()))
    }

    fn choose(&self, means: &dyn Means, request: &Request) -> Option<Choice> {
        let fresh = || self.fresh(means, request);
        sticky::choose(self.sticky.as_deref(), &request.headers, |i| self.may_keep(i), fresh)
    }

    fn fresh(&self, means: &dyn Means, request: &Request) -> Option<usize> {
        let may = |i: usize| self.may(i);
        let member = |i: usize| self.servers.get(i).map(|server| &*server.member);
        let in_flight = |i: usize| member(i).map_or(usize::MAX, Member::in_flight);
        match &self.strategy {
            Strategy::Turns(turn) if self.is_watched() => turn.next_of(may),
            Strategy::Turns(turn) => turn.next(),
            Strategy::Two(two) => two.choose(self.servers.len(), may, in_flight),
            Strategy::Rendezvous(hrw, HashBy::Script(script)) => {
                match self.asked(means, script, request) {
                    Some(Pick::Place(place)) if may(place) => Some(place),
                    Some(Pick::Key(key)) => hrw.choose(&key, may),
                    _ => with_key(&HashBy::ClientAddress, request, |key| hrw.choose(key, may)),
                }
            }
            Strategy::Rendezvous(hrw, by) => with_key(by, request, |key| hrw.choose(key, may)),
            Strategy::LeastTime(least) => {
                let mean = |i: usize| member(i).map_or(f64::MAX, Member::mean_millis);
                least.choose(may, mean, in_flight)
            }
        }
    }

    /// What a script says of the servers.
    fn asked(&self, means: &dyn Means, script: &str, request: &Request) -> Option<Pick> {
        let servers = self.servers.iter().enumerate().map(|(place, server)| Candidate {
            url: server.endpoint.source(),
            weight: server.weight,
            is_up: self.may(place),
        });
        means.balance(script, request, &servers.collect::<Vec<_>>())
    }

    /// Sends a request to one of the servers of the service of that name.
    pub(super) async fn serve(
        &self,
        means: &dyn Means,
        name: &Arc<str>,
        request: Request,
    ) -> Response {
        let Some(choice) = self.choose(means, &request) else { return rescue(Failure::NoServer) };
        let Some(server) = self.servers.get(choice.place) else {
            return rescue(Failure::NoServer);
        };
        let observed = attempt(name, &server.endpoint, &request);
        let measured = self.strategy.measures().then(|| (server.member.hold(), Instant::now()));
        let timeouts = self.timeouts.or(request.exchange.timeouts.get());
        let mut response = match timeouts.is_set() {
            false => send(means.pools(), &server.endpoint, server.forwarding, request).await,
            // Boxed, so that a request without limits stays small.
            true => Box::pin(timed(means, server, timeouts, request)).await,
        };
        if let Some((exchange, span)) = observed {
            answered(&exchange, span, response.status.as_u16());
        }
        if let Some((held, since)) = measured {
            server.member.answered(since.elapsed());
            hold(&mut response, held);
        }
        if let Some(passive) = &self.passive {
            passive.note(server.endpoint.source(), &server.member, response.status);
        }
        sticky::set(&mut response.headers, choice.cookie);
        response
    }
}

/// Notes that a request is sent to a server, where it is recorded.
fn attempt(
    service: &Arc<str>,
    endpoint: &Endpoint,
    request: &Request,
) -> Option<(Rc<Exchange>, Option<Opened>)> {
    let mut record = request.exchange.record.borrow_mut();
    if record.observed == Observed::default() {
        return None;
    }
    record.attempts.push(Attempt {
        service: Arc::clone(service),
        server: Arc::clone(endpoint.url()),
        started: Instant::now(),
        answered: None,
    });
    let trace = request.exchange.trace.get().filter(|trace| trace.is_detailed());
    let span = trace.map(|trace| {
        let span = trace.open("Service", SpanKind::Internal);
        trace.say(span, "traefik.service.name", Arc::clone(service));
        span
    });
    Some((Rc::clone(&request.exchange), span))
}

/// Notes that the server has answered.
fn answered(exchange: &Exchange, span: Option<Opened>, status: u16) {
    if let Some(attempt) = exchange.record.borrow_mut().attempts.last_mut() {
        attempt.answered = Some((Instant::now(), status));
    }
    if let (Some(trace), Some(span)) = (exchange.trace.get(), span) {
        trace.close(span);
    }
}

/// Sends a request to a server within limits of waiting.
async fn timed(
    means: &dyn Means,
    server: &Server,
    timeouts: Timeouts,
    mut request: Request,
) -> Response {
    let exchange = Rc::clone(&request.exchange);
    exchange.timeouts.set(timeouts);
    request.body = paced(std::mem::take(&mut request.body), &exchange, None);
    let (pools, endpoint, forwarding) = (means.pools(), &server.endpoint, server.forwarding);
    let mut response = match in_force(timeouts.backend_request) {
        None => send(pools, endpoint, forwarding, request).await,
        Some(limit) => send_within(pools, endpoint, forwarding, request, limit).await,
    };
    response.body = paced(response.body, &exchange, in_force(timeouts.idle));
    response
}

/// Counts a request as in hand until the last byte of its answer.
fn hold(response: &mut Response, held: Held) {
    if let Body::Stream(_) = &response.body {
        let inner = std::mem::take(&mut response.body);
        response.body = Body::stream(Counted { inner, _held: held });
    }
}

/// A body in a server's count.
struct Counted {
    inner: Body,
    _held: Held,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

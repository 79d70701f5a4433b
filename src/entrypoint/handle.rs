//! One request on a worker: routed, answered, noted.

use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use ::http::header::ALT_SVC;

use super::activity::{Activity, InFlight};
use super::admit::{Admission, Head, Rest, admit};
use super::forwarded::{self, Speech};
use super::keepalive::KeepAlive;
use super::pages;
use super::worker::{Generation, Shared};
use super::{Entrypoint, PathHandling};
use crate::lua::{Candidate, Connected, Destination, FetchError, HttpClient, InstanceId, Pick};
use crate::message::{
    BodyError, Client, Exchange, Failure, LocalFuture, Request, Response, in_force, in_time, paced,
    rescue, routing_host,
};
use crate::middleware::{self, End};
use crate::observe::AccessRecord;
use crate::outbound;
use crate::router::Table;
use crate::rule::{Facts, Judge};
use crate::service::{Means, Service};
use crate::snapshot::{Route, Target};
use crate::upstream::Pools;

/// What requests of one connection share.
pub(super) struct Connection {
    pub(super) worker: Rc<Shared>,
    pub(super) entrypoint: Arc<Entrypoint>,
    /// The entrypoint's place in a snapshot.
    pub(super) place: usize,
    pub(super) client: Rc<Client>,
    pub(super) activity: Arc<Activity>,
    pub(super) keepalive: KeepAlive,
}

/// Answers one request; what comes with the answer is to be dropped at its end.
pub(super) async fn handle(
    connection: &Rc<Connection>,
    head: Head,
    rest: Rest,
) -> (Response, Finish) {
    let in_flight = connection.activity.begin();
    connection.keepalive.count(std::time::Instant::now);
    let interim = rest.interim.clone();
    let exchange = Exchange { interim, ..Exchange::new(Rc::clone(&connection.client)) };
    let exchange = Rc::new(exchange);
    let line = connection.worker.access_log.is_some().then(|| Box::new(Line::of(&head)));
    let mut finish = Finish::new(connection, &exchange, line, in_flight);
    let mut spare = None;
    let response = match admit(head, rest, exchange, &connection.entrypoint.heads) {
        Err(failure) => rescue(failure),
        Ok(Admission::Own) => Response::new(::http::StatusCode::OK),
        Ok(Admission::Route(request, speech)) => {
            spare = pages::spare(connection, &request);
            route(connection, request, speech).await
        }
    };
    let mut response = failed(connection, response, spare).await;
    if let Some(alt_svc) = &connection.entrypoint.alt_svc
        && connection.client.tls.as_ref().is_some_and(|tls| tls.alpn != Some("h3"))
    {
        response.headers.append(ALT_SVC, alt_svc.clone());
    }
    finish.status = response.status.as_u16();
    (response, finish)
}

/// Answers what could not be read as a request; `line` is what came in the place of its first line.
pub(super) async fn refuse(
    connection: &Rc<Connection>,
    failure: Failure,
    line: &[u8],
) -> (Response, Finish) {
    let in_flight = connection.activity.begin();
    let exchange = Rc::new(Exchange::new(Rc::clone(&connection.client)));
    let line = connection.worker.access_log.is_some().then(|| Box::new(Line::of_refused(line)));
    let mut finish = Finish::new(connection, &exchange, line, in_flight);
    let response = failed(connection, rescue(failure), None).await;
    finish.status = response.status.as_u16();
    (response, finish)
}

/// Tells of a failure, and puts the entrypoint's page in the place of the plain answer to it.
async fn failed(connection: &Connection, response: Response, spare: Option<Request>) -> Response {
    let Some(failure) = &response.failure else { return response };
    tracing::debug!(%failure, client = %connection.client.peer, "request failed");
    Box::pin(pages::answer(connection, response, spare)).await
}

async fn route(connection: &Connection, mut request: Request, speech: Speech) -> Response {
    let worker = &connection.worker;
    let entrypoint = &connection.entrypoint;
    if entrypoint.path == PathHandling::Sanitize {
        request.target.sanitize();
    }
    let parts = &mut *request;
    forwarded::apply(
        &mut parts.headers,
        entrypoint,
        &connection.client,
        &parts.host,
        speech,
        &worker.server_name,
    );
    let generation = worker.generation();
    let Some(route) = find(connection, &generation, &request) else {
        request.exchange.record.borrow_mut().quiet = !entrypoint.access_log;
        return rescue(Failure::NoRouter);
    };
    {
        let mut record = request.exchange.record.borrow_mut();
        record.router = Some(Arc::clone(&route.name));
        record.quiet = !route.access_log;
    }
    if let Some(failure) = misdirected(connection, route.tls.as_ref()) {
        return rescue(failure);
    }
    let lent = Lent { worker: Rc::clone(worker), generation };
    if route.timeouts.is_set() {
        return lent.timed(&route, request).await;
    }
    if route.steps.is_empty()
        && let Target::Service(service) = &route.target
    {
        return service.serve(&lent, request).await;
    }
    // Not boxed: most routes with scripts have no more around them than this.
    let instances = Rc::clone(&lent.generation.instances);
    let end = Behind { lent, target: route.target.clone() };
    middleware::run(instances, Arc::clone(&route.steps), end, request).await
}

/// Whether the handshake was not under the TLS options of the router, since the client named
/// another server in it, or none: what the options ask of clients would be evaded.
fn misdirected(connection: &Connection, wanted: Option<&Arc<str>>) -> Option<Failure> {
    let (used, wanted) = (&connection.client.tls.as_ref()?.options, wanted?);
    if Arc::ptr_eq(used, wanted) || used == wanted {
        return None;
    }
    Some(Failure::Misdirected { used: Arc::clone(used), wanted: Arc::clone(wanted) })
}

fn find(connection: &Connection, generation: &Generation, request: &Request) -> Option<Arc<Route>> {
    let tables = generation.snapshot.entrypoints.get(connection.place)?;
    let table = match connection.client.tls {
        Some(_) => &tables.encrypted,
        None => &tables.plain,
    };
    look_up(table, generation, request).cloned()
}

/// The first of a table's routes whose rule matches the request as it is now.
fn look_up<'a>(
    table: &'a Table<Arc<Route>>,
    generation: &Generation,
    request: &Request,
) -> Option<&'a Arc<Route>> {
    let host = routing_host(&request.host);
    let path = request.target.routing_path();
    table.find(&Facts {
        method: &request.method,
        host: &host,
        path: &path,
        query: request.target.query(),
        headers: &request.headers,
        client_ip: request.exchange.client.peer.ip(),
        scripts: &Judges { generation, request },
    })
}

/// The scripts that rules ask about a request.
#[derive(Debug)]
struct Judges<'a> {
    generation: &'a Generation,
    request: &'a Request,
}

impl Judge for Judges<'_> {
    fn judge(&self, script: &str) -> bool {
        let instance = self.generation.named(script);
        instance.is_some_and(|instance| instance.judge(self.request.copy()))
    }
}

/// What a request's services and scripts are lent by the worker.
#[derive(Clone)]
struct Lent {
    worker: Rc<Shared>,
    generation: Rc<Generation>,
}

impl Lent {
    /// Sends a request through a route's scripts and on.
    fn enter(self, route: &Route, request: Request) -> LocalFuture<'static, Response> {
        if route.timeouts.is_set() {
            return self.timed(route, request);
        }
        self.walk(&route.steps, route.target.clone(), request)
    }

    /// The same within the route's limits of waiting.
    fn timed(self, route: &Route, mut request: Request) -> LocalFuture<'static, Response> {
        let exchange = Rc::clone(&request.exchange);
        exchange.timeouts.set(route.timeouts.or(exchange.timeouts.get()));
        request.body = paced(
            std::mem::take(&mut request.body),
            &exchange,
            in_force(exchange.timeouts.get().idle),
        );
        let walk = self.walk(&route.steps, route.target.clone(), request);
        let Some(limit) = in_force(route.timeouts.request) else { return walk };
        Box::pin(async move {
            let response = in_time(&exchange, exchange.started, limit, walk).await;
            let after_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            response.unwrap_or_else(|| rescue(Failure::RequestTimeout { after_ms }))
        })
    }

    fn walk(
        self,
        steps: &Arc<[InstanceId]>,
        target: Target,
        request: Request,
    ) -> LocalFuture<'static, Response> {
        let instances = Rc::clone(&self.generation.instances);
        let end = Behind { lent: self, target };
        if steps.is_empty() {
            return Box::pin(async move { end.serve(request).await });
        }
        Box::pin(middleware::run(instances, Arc::clone(steps), end, request))
    }
}

impl Means for Lent {
    fn pools(&self) -> &Rc<Pools> {
        &self.worker.pools
    }

    fn balance(&self, script: &str, request: &Request, servers: &[Candidate<'_>]) -> Option<Pick> {
        self.generation.named(script)?.balance(request.copy(), servers)
    }

    fn keep(&self) -> Rc<dyn Means> {
        Rc::new(self.clone())
    }

    fn pass(
        &self,
        steps: &Arc<[InstanceId]>,
        service: &Arc<Service>,
        request: Request,
    ) -> LocalFuture<'static, Response> {
        self.clone().walk(steps, Target::Service(Arc::clone(service)), request)
    }
}

/// What stands behind scripts: a service, or the routes of a router's children.
struct Behind {
    lent: Lent,
    target: Target,
}

impl Behind {
    /// Sends a request to the child whose rule matches it as it is now.
    fn descend(
        &self,
        children: &Table<Arc<Route>>,
        request: Request,
    ) -> LocalFuture<'static, Response> {
        let Some(route) = look_up(children, &self.lent.generation, &request).cloned() else {
            return Box::pin(ready(rescue(Failure::NoRouter)));
        };
        let mut record = request.exchange.record.borrow_mut();
        let above = record.router.as_deref().unwrap_or_default();
        record.router = Some(format!("{above} -> {}", route.name).into());
        drop(record);
        self.lent.clone().enter(&route, request)
    }
}

impl End for Behind {
    async fn serve(&self, request: Request) -> Response {
        match &self.target {
            Target::Service(service) => service.serve(&self.lent, request).await,
            Target::Children(children) => self.descend(children, request).await,
            Target::Refused => rescue(Failure::RouterDisabled),
        }
    }

    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>> {
        let service = Arc::clone(self.lent.generation.snapshot.services.get(name)?);
        let lent = self.lent.clone();
        Some(Box::pin(async move { service.serve(&lent, request).await }))
    }

    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        let worker = &self.lent.worker;
        outbound::fetch(&worker.pools, &worker.origins, client, origin, request)
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        outbound::connect(to)
    }
}

/// What the access log tells of the request line, kept only when there is one.
pub(super) struct Line {
    method: ::http::Method,
    target: String,
    protocol: &'static str,
}

impl Line {
    fn of(head: &Head) -> Self {
        let protocol = match head.version {
            ::http::Version::HTTP_10 => "HTTP/1.0",
            ::http::Version::HTTP_2 => "HTTP/2.0",
            ::http::Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        };
        let target = String::from_utf8_lossy(&head.target).into_owned();
        Self { method: head.method.clone(), target, protocol }
    }

    /// What can be told of a line that is none.
    fn of_refused(line: &[u8]) -> Self {
        let mut words = line.split(|&b| b == b' ');
        let method = words.next().and_then(|word| ::http::Method::from_bytes(word).ok());
        let target = words.next().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let protocol = if words.next() == Some(b"HTTP/1.0") { "HTTP/1.0" } else { "HTTP/1.1" };
        Self { method: method.unwrap_or_default(), target, protocol }
    }
}

/// The end of a request: when the last byte of its answer is handed over, or the client is gone.
pub(super) struct Finish {
    exchange: Rc<Exchange>,
    worker: Rc<Shared>,
    line: Option<Box<Line>>,
    status: u16,
    bytes: u64,
    _in_flight: InFlight,
}

/// What the log says of a client that left before its answer, as Traefik's does.
const CLIENT_GONE: u16 = 499;

impl Finish {
    fn new(
        connection: &Connection,
        exchange: &Rc<Exchange>,
        line: Option<Box<Line>>,
        in_flight: InFlight,
    ) -> Self {
        Self {
            exchange: Rc::clone(exchange),
            worker: Rc::clone(&connection.worker),
            line,
            status: CLIENT_GONE,
            bytes: 0,
            _in_flight: in_flight,
        }
    }

    /// Bytes of the body have been handed over.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The body ended before its end.
    pub(super) fn cut(&mut self, error: BodyError) {
        let record = self.exchange.record.borrow();
        let server = record.server.as_deref().unwrap_or("-");
        tracing::warn!(%error, server, "an answer was cut short");
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let (Some(line), Some(log)) = (&self.line, &self.worker.access_log) else { return };
        let record = self.exchange.record.borrow();
        if record.quiet {
            return;
        }
        log.record(&AccessRecord {
            client: self.exchange.client.peer.ip(),
            user: record.user.as_deref(),
            method: line.method.as_str(),
            target: &line.target,
            protocol: line.protocol,
            status: self.status,
            bytes: self.bytes,
            router: record.router.as_deref(),
            server: record.server.as_deref(),
            duration: self.exchange.started.elapsed(),
        });
    }
}

//! One request on a worker: routed, answered, noted.

use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;

use ::http::header::ALT_SVC;

use super::activity::Activity;
use super::admit::{Admission, Head, Rest, admit};
use super::finish::Finish;
use super::forwarded::{self, Speech};
use super::keepalive::KeepAlive;
use super::measured;
use super::pages;
use super::traced;
use super::worker::{Generation, Shared};
use super::{Entrypoint, PathHandling};
use crate::lua::{Candidate, Connected, Destination, FetchError, HttpClient, InstanceId, Pick};
use crate::message::{
    Client, Exchange, Failure, LocalFuture, Observed, Request, Response, in_force, in_time, paced,
    rescue, routing_host,
};
use crate::middleware::{self, End};
use crate::outbound;
use crate::router::Table;
use crate::rule::{Facts, Judge};
use crate::service::{Copied, Means, Service};
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
    let mut finish = Finish::of(connection, &exchange, &head, in_flight);
    let rest = Rest { body: finish.measure(rest.body), ..rest };
    let mut spare = None;
    let response = match admit(head, rest, exchange, &connection.entrypoint.heads) {
        Err(failure) => rescue(failure),
        Ok(Admission::Own) => Response::new(::http::StatusCode::OK),
        Ok(Admission::Route(mut request, speech)) => {
            forward(connection, &mut request, speech);
            finish.note(&request, speech);
            spare = pages::spare(connection, &request);
            route(connection, request).await
        }
    };
    let mut response = failed(connection, response, spare).await;
    if let Some(alt_svc) = &connection.entrypoint.alt_svc
        && connection.client.tls.as_ref().is_some_and(|tls| tls.alpn != Some("h3"))
    {
        response.headers.push(ALT_SVC, alt_svc.clone());
    }
    finish.answer(&response);
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
    let mut finish = Finish::of_refused(connection, &exchange, line, in_flight);
    let response = failed(connection, rescue(failure), None).await;
    finish.answer(&response);
    (response, finish)
}

/// Tells of a failure, and puts the entrypoint's page in the place of the plain answer to it.
async fn failed(connection: &Connection, response: Response, spare: Option<Request>) -> Response {
    let Some(failure) = &response.failure else { return response };
    tracing::debug!(%failure, client = %connection.client.peer, "request failed");
    Box::pin(pages::answer(connection, response, spare)).await
}

/// Makes of a request what is routed: its path, and who it came from.
fn forward(connection: &Connection, request: &mut Request, speech: Speech) {
    let entrypoint = &connection.entrypoint;
    if entrypoint.path == PathHandling::Sanitize {
        request.target.sanitize();
    }
    let parts = &mut **request;
    forwarded::apply(
        &mut parts.headers,
        entrypoint,
        &connection.client,
        &parts.host,
        speech,
        &connection.worker.server_name,
    );
}

async fn route(connection: &Connection, request: Request) -> Response {
    let worker = &connection.worker;
    let generation = worker.generation();
    let Some(route) = find(connection, &generation, &request) else {
        traced::begin(
            worker.recorder.tracer.as_ref(),
            &request,
            connection.entrypoint.observed.tracing,
        );
        return rescue(Failure::NoRouter);
    };
    {
        let mut record = request.exchange.record.borrow_mut();
        record.router = Some(Arc::clone(&route.name));
        record.observed = route.observed;
        if route.observed.metrics {
            record.path.push(Arc::clone(&route.crossed));
        }
    }
    traced::begin(worker.recorder.tracer.as_ref(), &request, route.observed.tracing);
    if let Some(failure) = misdirected(connection, route.tls.as_ref()) {
        return rescue(failure);
    }
    let lent = Lent { worker: Rc::clone(worker), generation };
    if traced::detailed(&request.exchange).is_some() {
        return lent.enter(&route, request).await;
    }
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
        let exchange = Rc::clone(&request.exchange);
        traced::route(exchange, route, || match route.timeouts.is_set() {
            true => self.timed(route, request),
            false => self.walk(&route.steps, route.target.clone(), request),
        })
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

    fn copied(&self, copy: &Copied<'_>) {
        self.worker.recorder.count_copy(copy);
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
        if record.observed.metrics {
            record.path.push(Arc::clone(&route.crossed));
        }
        drop(record);
        self.lent.clone().enter(&route, request)
    }
}

impl End for Behind {
    async fn serve(&self, request: Request) -> Response {
        match &self.target {
            Target::Service(service) => {
                let is_observed = request.exchange.record.borrow().observed != Observed::default();
                let exchange = is_observed.then(|| Rc::clone(&request.exchange));
                let response = service.serve(&self.lent, request).await;
                match exchange {
                    Some(exchange) => measured::origin(exchange, response),
                    None => response,
                }
            }
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

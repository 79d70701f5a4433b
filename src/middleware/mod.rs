//! The chain of a route: script instances, the request down, the response up.
//!
//! Knows instances by id only: which script they run is none of its business. What ends the chain
//! (a service, another chain) is handed in. Must not know services and routers.

mod after;
mod streams;

use std::cell::OnceCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::lua::{
    Connected, Context, Destination, FetchError, Flow, Host, HttpClient, Instance, InstanceId,
};
use crate::message::{
    Exchange, Failure, LocalFuture, Opened, Request, Response, SpanKind, Trace, rescue,
};

use after::After;

pub use streams::admit;

/// A worker's instances of one generation.
pub type Instances = HashMap<InstanceId, Rc<Instance>>;

/// What stands behind the last script, and what scripts may call by name.
pub trait End: 'static {
    /// Answers a request that passed all scripts.
    fn serve(&self, request: Request) -> impl Future<Output = Response>;

    /// Sends a request to a service by its name with provider.
    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>>;

    /// Sends a request of a script's own to any server.
    ///
    /// # Errors
    /// When no request can be sent that way at all.
    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError>;

    /// Opens a connection over which something else than HTTP is spoken.
    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected>;
}

/// Runs a request through scripts and what stands behind them.
pub async fn run<E: End>(
    instances: Rc<Instances>,
    steps: Arc<[InstanceId]>,
    end: E,
    request: Request,
) -> Response {
    let exchange = Rc::clone(&request.exchange);
    let after = After::of(&instances, &steps, &request);
    let (chain, context) = begin(instances, steps, end, exchange);
    let response = chain.walk(&context, 0, request).await;
    match after {
        Some(after) => after.follow(&context, response),
        None => response,
    }
}

/// Scripts and what stands behind them, which scripts see as well.
struct Chain<E> {
    instances: Rc<Instances>,
    steps: Arc<[InstanceId]>,
    end: E,
    me: Weak<Self>,
    context: OnceCell<Weak<Context>>,
}

/// A chain, and what scripts of one request share.
fn begin<E: End>(
    instances: Rc<Instances>,
    steps: Arc<[InstanceId]>,
    end: E,
    exchange: Rc<Exchange>,
) -> (Rc<Chain<E>>, Rc<Context>) {
    let chain = Rc::new_cyclic(|me| {
        let (me, context) = (Weak::clone(me), OnceCell::new());
        Chain { instances, steps, end, me, context }
    });
    let context = Rc::new(Context::new(exchange, Rc::clone(&chain) as Rc<dyn Host>));
    // Set once, right after its making, so it cannot be set already.
    let _ = chain.context.set(Rc::downgrade(&context));
    (chain, context)
}

impl<E: End> Chain<E> {
    /// From the script at `start` to the end and back to it.
    async fn walk(&self, context: &Rc<Context>, start: usize, mut request: Request) -> Response {
        let mut position = start;
        let trace = context.exchange.trace.get().map(|trace| &**trace);
        let trace = trace.filter(|trace| trace.is_detailed());
        let mut spans = Vec::new();
        let mut response = loop {
            let Some(id) = self.steps.get(position) else {
                break self.end.serve(request).await;
            };
            let Some(instance) = self.instances.get(id) else {
                tracing::error!(position, "a script of this route is not loaded");
                break rescue(Failure::Script { id: "not loaded".to_owned() });
            };
            if let Some(trace) = trace {
                spans.push(open(trace, instance));
            }
            if instance.hooks().request {
                match instance.request(context, position, request).await {
                    Flow::Next(next) => request = next,
                    Flow::Done(response) => {
                        close(trace, spans.pop());
                        break response;
                    }
                }
            }
            position += 1;
        };
        let passed = self.steps.get(start..position).unwrap_or_default();
        for id in passed.iter().rev() {
            if let Some(instance) = self.instances.get(id)
                && instance.hooks().response
            {
                response = instance.response(context, response).await;
            }
            close(trace, spans.pop());
        }
        response
    }
}

/// A script's part of a request; its kind is its name, as Traefik writes those of middlewares.
fn open(trace: &Trace, instance: &Instance) -> Opened {
    let spec = instance.spec();
    let mut kind = spec.source.kind().to_owned();
    if let Some(first) = kind.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let span = trace.open(kind, SpanKind::Internal);
    trace.say(span, "traefik.middleware.name", Arc::clone(&spec.name));
    span
}

fn close(trace: Option<&Trace>, span: Option<Opened>) {
    if let (Some(trace), Some(span)) = (trace, span) {
        trace.close(span);
    }
}

impl<E: End> Host for Chain<E> {
    fn next(&self, position: usize, request: Request) -> LocalFuture<'static, Response> {
        let context = self.context.get().and_then(Weak::upgrade);
        let held = self.me.upgrade().zip(context);
        Box::pin(async move {
            match held {
                Some((chain, context)) => chain.walk(&context, position + 1, request).await,
                None => rescue(Failure::ClientGone),
            }
        })
    }

    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>> {
        self.end.service(name, request)
    }

    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        self.end.fetch(client, origin, request)
    }

    fn fork(&self, exchange: Rc<Exchange>) -> Rc<Context> {
        // It is there, since it is asked.
        let end = Branch(self.me.upgrade().map(|chain| chain as Rc<dyn Onward>));
        begin(Rc::clone(&self.instances), Arc::clone(&self.steps), end, exchange).1
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        self.end.connect(to)
    }
}

/// The end of a chain, whatever it is.
trait Onward: Host {
    /// Answers a request there.
    fn onward(self: Rc<Self>, request: Request) -> LocalFuture<'static, Response>;
}

impl<E: End> Onward for Chain<E> {
    fn onward(self: Rc<Self>, request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async move { self.end.serve(request).await })
    }
}

/// The end of what runs beside a request: that of the request's own chain.
struct Branch(Option<Rc<dyn Onward>>);

impl End for Branch {
    async fn serve(&self, request: Request) -> Response {
        match &self.0 {
            Some(chain) => Rc::clone(chain).onward(request).await,
            None => rescue(Failure::ClientGone),
        }
    }

    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>> {
        self.0.as_ref()?.service(name, request)
    }

    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        match &self.0 {
            Some(chain) => chain.fetch(client, origin, request),
            None => Err(over()),
        }
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        match &self.0 {
            Some(chain) => chain.connect(to),
            None => Box::pin(std::future::ready(Err(over()))),
        }
    }
}

fn over() -> FetchError {
    FetchError::Client { reason: "the request is over".to_owned() }
}

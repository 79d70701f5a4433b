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
use crate::message::{Failure, LocalFuture, Request, Response, rescue};

use after::After;

pub use streams::admit;

/// A worker's instances of one generation.
pub type Instances = HashMap<InstanceId, Rc<Instance>>;

/// What stands behind the last script, and what scripts may call by name.
pub trait End {
    /// Answers a request that passed all scripts.
    fn serve(&self, request: Request) -> LocalFuture<'static, Response>;

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
pub async fn run(
    instances: Rc<Instances>,
    steps: Arc<[InstanceId]>,
    end: Rc<dyn End>,
    request: Request,
) -> Response {
    let exchange = Rc::clone(&request.exchange);
    let chain = Chain { instances, steps, end };
    let host = Rc::new(Walk { chain: chain.clone(), context: OnceCell::new() });
    let context = Rc::new(Context::new(exchange, Rc::clone(&host) as Rc<dyn Host>));
    // Set once, right after its making, so it cannot be set already.
    let _ = host.context.set(Rc::downgrade(&context));
    let after = After::of(&chain, &request);
    let response = chain.walk(&context, 0, request).await;
    match after {
        Some(after) => after.follow(&context, response),
        None => response,
    }
}

/// Scripts and what stands behind them.
#[derive(Clone)]
struct Chain {
    instances: Rc<Instances>,
    steps: Arc<[InstanceId]>,
    end: Rc<dyn End>,
}

impl Chain {
    /// From the script at `start` to the end and back to it.
    async fn walk(&self, context: &Rc<Context>, start: usize, mut request: Request) -> Response {
        let mut position = start;
        let mut response = loop {
            let Some(id) = self.steps.get(position) else {
                break self.end.serve(request).await;
            };
            let Some(instance) = self.instances.get(id) else {
                tracing::error!(position, "a script of this route is not loaded");
                break rescue(Failure::Script { id: "not loaded".to_owned() });
            };
            if instance.hooks().request {
                match instance.request(context, position, request).await {
                    Flow::Next(next) => request = next,
                    Flow::Done(response) => break response,
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
        }
        response
    }
}

/// The chain as scripts see it.
struct Walk {
    chain: Chain,
    context: OnceCell<Weak<Context>>,
}

impl Host for Walk {
    fn next(&self, position: usize, request: Request) -> LocalFuture<'static, Response> {
        let chain = self.chain.clone();
        let context = self.context.get().and_then(Weak::upgrade);
        Box::pin(async move {
            match context {
                Some(context) => chain.walk(&context, position + 1, request).await,
                None => rescue(Failure::ClientGone),
            }
        })
    }

    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>> {
        self.chain.end.service(name, request)
    }

    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        self.chain.end.fetch(client, origin, request)
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        self.chain.end.connect(to)
    }
}

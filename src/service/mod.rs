//! Services: servers by weight, services by weight, internal services.
//!
//! A service is shared by all workers and kept across configurations while neither it nor what it
//! stands on changes, so that its place in the weighted order stays. Must not know scripts,
//! routers or entrypoints.

mod turn;

use std::rc::Rc;
use std::sync::Arc;

use crate::message::{Failure, LocalFuture, Request, Response, rescue};
use crate::upstream::{Endpoint, Forwarding, Pools, send};

pub use turn::Turn;

/// A service that is part of Moongate, such as `api@internal`.
pub trait Internal: Send + Sync + std::fmt::Debug {
    /// Answers a request.
    fn serve(self: Arc<Self>, request: Request) -> LocalFuture<'static, Response>;
}

/// A service with its name.
#[derive(Debug)]
pub struct Service {
    /// `name@provider`.
    pub name: Arc<str>,
    /// What it does.
    pub kind: Kind,
}

/// What a service does with a request.
#[derive(Debug)]
pub enum Kind {
    /// Sends it to one of its servers.
    Servers(Servers),
    /// Hands it to one of its services.
    Weighted(Weighted),
    /// Answers it.
    Internal(Arc<dyn Internal>),
}

/// Servers and the order they take turns in.
#[derive(Debug)]
pub struct Servers {
    /// The servers that may be chosen, with what is changed for each.
    pub servers: Vec<Server>,
    /// Their order.
    pub turn: Arc<Turn>,
}

/// One server of a load balancer.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    /// What is changed for it.
    pub forwarding: Forwarding,
}

/// Services and the order they take turns in.
#[derive(Debug)]
pub struct Weighted {
    /// The services that may be chosen.
    pub children: Vec<Arc<Service>>,
    /// Their order.
    pub turn: Arc<Turn>,
}

impl Service {
    /// Answers a request, whatever happens on the way.
    pub async fn serve(&self, pools: &Rc<Pools>, request: Request) -> Response {
        let mut service = self;
        loop {
            match &service.kind {
                Kind::Weighted(weighted) => {
                    let child = weighted.turn.next().and_then(|i| weighted.children.get(i));
                    let Some(child) = child else {
                        return rescue(Failure::NoServer);
                    };
                    service = child;
                }
                Kind::Servers(servers) => {
                    let name = Arc::clone(&service.name);
                    request.exchange.record.borrow_mut().service = Some(name);
                    let server = servers.turn.next().and_then(|i| servers.servers.get(i));
                    let Some(server) = server else {
                        return rescue(Failure::NoServer);
                    };
                    return send(pools, &server.endpoint, server.forwarding, request).await;
                }
                Kind::Internal(internal) => {
                    let name = Arc::clone(&service.name);
                    request.exchange.record.borrow_mut().service = Some(name);
                    return Arc::clone(internal).serve(request).await;
                }
            }
        }
    }
}

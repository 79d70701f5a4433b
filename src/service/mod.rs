//! Services: servers by a strategy, services made of services, internal services.
//!
//! A service is shared by all workers and kept across configurations while neither it nor what it
//! stands on changes, so that its state stays: places in an order, health, times. Locks are held
//! for some instructions and never across an await. Knows instances of scripts by id only, and
//! hands them to the worker it runs on. Must not know routers or entrypoints.

mod children;
mod failover;
mod hash;
mod hash_by;
mod health;
mod least_time;
mod means;
mod member;
mod mirroring;
mod prospects;
mod rendezvous;
mod servers;
mod sticky;
mod tape;
mod tcp;
mod turn;
mod two;
mod udp;

use std::sync::Arc;

use crate::lua::InstanceId;
use crate::message::{Failure, LocalFuture, Request, Response, rescue};
use crate::model::ServerHealth;

pub use children::{Child, Children, Order, Propagation};
pub use failover::{Failover, Statuses, StatusesError};
pub use hash_by::HashBy;
pub use health::{Check, HealthChecks, Mode, Passive, Plan, Recovery, Redirects, Target, Watch};
pub use least_time::LeastTime;
pub use means::{Copied, Means};
pub use member::Member;
pub use mirroring::{Mirroring, Shares};
pub use prospects::{Prospect, Prospects, Why};
pub use rendezvous::Rendezvous;
pub use servers::{Server, Servers, Strategy};
pub use sticky::{Sticky, StickyError};
pub use tcp::{
    Greeting, POSTGRES_GRANT, POSTGRES_WISH, TcpCheck, TcpChildren, TcpKind, TcpPlan,
    TcpProbeError, TcpServer, TcpServers, TcpService, TcpTarget,
};
pub use turn::Turn;
pub use two::Two;
pub use udp::{UdpKind, UdpService};

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
    Children(Children),
    /// Hands it to its service and copies of it to others.
    Mirroring(Mirroring),
    /// Hands it to its service, or to the fallback.
    Failover(Failover),
    /// Passes it through scripts first.
    Behind(Behind),
    /// Answers it.
    Internal(Arc<dyn Internal>),
}

/// A service behind middlewares of its own.
#[derive(Debug)]
pub struct Behind {
    /// Its scripts, in the order of the request.
    pub steps: Arc<[InstanceId]>,
    /// The service without them.
    pub service: Arc<Service>,
}

impl Service {
    /// Whether it can answer requests, as far as is known. Only what watches health can be down.
    #[must_use]
    pub fn is_up(&self) -> bool {
        match &self.kind {
            Kind::Servers(servers) => servers.is_up(),
            Kind::Children(children) => children.is_up(),
            Kind::Mirroring(mirroring) => mirroring.is_up(),
            Kind::Failover(failover) => failover.is_up(),
            Kind::Behind(behind) => behind.service.is_up(),
            Kind::Internal(_) => true,
        }
    }

    /// The health check of its servers, if there is one.
    #[must_use]
    pub fn check(&self) -> Option<&Arc<Check>> {
        match &self.kind {
            Kind::Servers(servers) => servers.check.as_ref(),
            Kind::Behind(behind) => behind.service.check(),
            _ => None,
        }
    }

    /// The URLs of its own servers, without paths.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        let servers: &[Server] = match &self.kind {
            Kind::Servers(servers) => &servers.servers,
            _ => &[],
        };
        servers.iter().map(|server| &**server.endpoint.url())
    }

    /// Servers whose health is watched, by their URLs, and whether they are up.
    pub fn watched(&self) -> impl Iterator<Item = (&str, bool)> {
        let servers = match &self.kind {
            Kind::Servers(servers) => servers.watched(),
            _ => &[],
        };
        servers.iter().map(|server| (server.endpoint.source(), server.member.is_up()))
    }

    /// Answers a request, whatever happens on the way.
    pub async fn serve(&self, means: &dyn Means, request: Request) -> Response {
        let mut service = self;
        let mut cookies = Vec::new();
        let mut response = loop {
            match &service.kind {
                Kind::Children(children) => {
                    let Some(choice) = children.choose(&request) else {
                        break rescue(Failure::NoServer);
                    };
                    let Some(child) = children.services.get(choice.place) else {
                        break rescue(Failure::NoServer);
                    };
                    cookies.extend(choice.cookie);
                    service = &child.service;
                }
                Kind::Servers(servers) => {
                    note(&service.name, &request);
                    break servers.serve(means, &service.name, request).await;
                }
                Kind::Mirroring(mirroring) => match mirroring.fired(&request) {
                    fired if fired.is_empty() => service = &mirroring.service,
                    fired => break mirroring.serve(means, fired, request).await,
                },
                Kind::Failover(failover) => match failover.first() {
                    None => break rescue(Failure::NoServer),
                    Some(_) if failover.judges(&request) => {
                        break failover.serve(means, request).await;
                    }
                    Some(first) => service = first,
                },
                Kind::Behind(behind) => {
                    break means.pass(&behind.steps, &behind.service, request).await;
                }
                Kind::Internal(internal) => {
                    note(&service.name, &request);
                    break Arc::clone(internal).serve(request).await;
                }
            }
        };
        sticky::set(&mut response.headers, cookies);
        response
    }
}

impl ServerHealth for Service {
    fn is_up(&self, url: &str) -> bool {
        match &self.kind {
            Kind::Servers(servers) => {
                let mut same = servers.servers.iter().filter(|s| s.endpoint.source() == url);
                same.all(|server| server.member.is_up())
            }
            Kind::Behind(behind) => ServerHealth::is_up(&*behind.service, url),
            _ => true,
        }
    }
}

/// Notes who answers, for the access log.
fn note(name: &Arc<str>, request: &Request) {
    request.exchange.record.borrow_mut().service = Some(Arc::clone(name));
}

#[cfg(test)]
mod tests;

//! What a service would do with a request, told without doing it: no order moves on, no server is
//! asked.

use std::sync::Arc;

use super::hash_by::with_key;
use super::{Children, HashBy, Kind, Order, Server, Servers, Service, Strategy};
use crate::message::Request;

/// What a service would do with a request.
#[derive(Debug)]
pub struct Prospects<'a> {
    /// How it chooses, as configuration spells it.
    pub strategy: &'static str,
    /// The cookie that keeps clients where they were.
    pub cookie: Option<&'a str>,
    /// Those it chooses from.
    pub members: Vec<Prospect<'a>>,
    /// The one that is certain to get the request, if any is, and why.
    pub chosen: Option<(usize, Why)>,
}

/// One that may get the request.
#[derive(Debug)]
pub struct Prospect<'a> {
    /// A service's name, or a server's URL.
    pub name: &'a str,
    /// The service, unless it is a server.
    pub service: Option<&'a Arc<Service>>,
    /// Its share as configured.
    pub weight: u32,
    /// Whether it is well, as far as is known.
    pub is_up: bool,
    /// Whether it may be chosen.
    pub may: bool,
    /// Its part in the requests that no cookie and no hash decides about.
    pub share: f64,
    /// Whether it gets a copy whose answer nobody reads.
    pub is_mirror: bool,
}

/// Why one is certain to get the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The request's cookie names it.
    Cookie,
    /// A hash of the request, or of the client's address, is nearest to it.
    Hash,
    /// No other may be chosen.
    Only,
}

impl Service {
    /// What it would do with a request; none for a service that chooses nothing.
    #[must_use]
    pub fn prospects(&self, request: &Request) -> Option<Prospects<'_>> {
        match &self.kind {
            Kind::Servers(servers) => Some(of_servers(servers, request)),
            Kind::Children(children) => Some(of_children(children, request)),
            Kind::Mirroring(mirroring) => {
                let copies = mirroring.mirrors.iter().zip(mirroring.shares.percents());
                let copies = copies.map(|(mirror, percent)| Prospect {
                    is_mirror: true,
                    share: f64::from(*percent) / 100.0,
                    ..of_service(mirror, *percent)
                });
                let own = Prospect { share: 1.0, ..of_service(&mirroring.service, 1) };
                let members = [own].into_iter().chain(copies).collect();
                let chosen = Some((0, Why::Only));
                Some(Prospects { strategy: "mirroring", cookie: None, members, chosen })
            }
            Kind::Failover(failover) => {
                let mut members: Vec<_> = [&failover.service, &failover.fallback]
                    .map(|service| of_service(service, 1))
                    .into();
                let first = members.iter().position(|member| member.is_up);
                for (place, member) in members.iter_mut().enumerate() {
                    member.may = Some(place) == first;
                    member.share = if member.may { 1.0 } else { 0.0 };
                }
                let chosen = first.map(|place| (place, Why::Only));
                Some(Prospects { strategy: "failover", cookie: None, members, chosen })
            }
            Kind::Behind(_) | Kind::Internal(_) => None,
        }
    }
}

fn of_service(service: &Arc<Service>, weight: u32) -> Prospect<'_> {
    let is_up = service.is_up();
    Prospect {
        name: &service.name,
        service: Some(service),
        weight,
        is_up,
        may: is_up && weight > 0,
        share: 0.0,
        is_mirror: false,
    }
}

fn of_servers<'a>(servers: &'a Servers, request: &Request) -> Prospects<'a> {
    let member = |(place, server): (usize, &'a Server)| Prospect {
        name: server.endpoint.source(),
        service: None,
        weight: server.weight,
        is_up: server.member.is_up(),
        may: servers.may(place),
        share: 0.0,
        is_mirror: false,
    };
    let members: Vec<_> = servers.servers.iter().enumerate().map(member).collect();
    let kept = servers.sticky.as_ref().and_then(|sticky| sticky.place(&request.headers));
    let kept = kept.filter(|place| servers.may_keep(*place)).map(|place| (place, Why::Cookie));
    let may = |place: usize| servers.may(place);
    let hashed = || match &servers.strategy {
        // What a script says is the script's own.
        Strategy::Rendezvous(_, HashBy::Script(_)) => None,
        Strategy::Rendezvous(hrw, by) => with_key(by, request, |key| hrw.choose(key, may)),
        _ => None,
    };
    let strategy = match &servers.strategy {
        Strategy::Turns(_) => "wrr",
        Strategy::Two(_) => "p2c",
        Strategy::Rendezvous(..) => "hrw",
        Strategy::LeastTime(_) => "leasttime",
    };
    let chosen = kept.or_else(|| hashed().map(|place| (place, Why::Hash)));
    let cookie = servers.sticky.as_ref().map(|sticky| sticky.name());
    shared_out(Prospects { strategy, cookie, members, chosen })
}

fn of_children<'a>(children: &'a Children, request: &Request) -> Prospects<'a> {
    let child = |(place, child): (usize, &'a super::Child)| Prospect {
        may: children.may(place),
        ..of_service(&child.service, child.weight)
    };
    let members: Vec<_> = children.services.iter().enumerate().map(child).collect();
    let kept = children.sticky.as_ref().and_then(|sticky| sticky.place(&request.headers));
    let kept = kept.filter(|place| children.may(*place)).map(|place| (place, Why::Cookie));
    let (strategy, hashed) = match &children.order {
        Order::Turns(_) => ("wrr", None),
        Order::Rendezvous(hrw) => {
            let address = request.exchange.client.ip.as_bytes();
            ("hrw", hrw.choose(address, |place| children.may(place)))
        }
    };
    let chosen = kept.or_else(|| hashed.map(|place| (place, Why::Hash)));
    let cookie = children.sticky.as_ref().map(|sticky| sticky.name());
    shared_out(Prospects { strategy, cookie, members, chosen })
}

/// Fills in shares, and finds the one that is left alone.
fn shared_out(mut prospects: Prospects<'_>) -> Prospects<'_> {
    let may = |member: &&Prospect<'_>| member.may;
    let weights: f64 = prospects.members.iter().filter(may).map(|m| f64::from(m.weight)).sum();
    for member in prospects.members.iter_mut().filter(|member| member.may) {
        member.share = f64::from(member.weight) / weights;
    }
    let mut able = prospects.members.iter().enumerate().filter(|(_, member)| member.may);
    if let (Some((place, _)), None) = (able.next(), able.next()) {
        prospects.chosen.get_or_insert((place, Why::Only));
    }
    prospects
}

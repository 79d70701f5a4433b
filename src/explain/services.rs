//! Where a service would send the request.

use std::sync::Arc;

use super::World;
use super::answer::{Explanation, ServiceStep};
use crate::message::Request;
use crate::service::{Kind, Prospect, Prospects, Service, Why};

/// Services of services end here.
const DEPTH_MAX: usize = 32;

/// One request before services.
#[derive(Debug, Clone, Copy)]
pub(super) struct Services<'a> {
    pub(super) world: World<'a>,
    pub(super) request: &'a Request,
}

impl Services<'_> {
    /// Explains a service, with the middlewares in front of it.
    pub(super) fn explain(&self, service: &Arc<Service>, said: &mut Explanation) {
        let step = self.step(service, 0, said);
        said.service = Some(step);
    }

    fn step(&self, service: &Service, depth: usize, said: &mut Explanation) -> ServiceStep {
        match &service.kind {
            Kind::Internal(_) => return ServiceStep::named(&service.name, "internal"),
            Kind::Behind(behind) => {
                self.world.steps(&behind.steps, "service", said);
                return self.step(&behind.service, depth + 1, said);
            }
            _ => {}
        }
        let mut step =
            ServiceStep { is_up: service.is_up(), ..ServiceStep::named(&service.name, "servers") };
        let Some(prospects) = service.prospects(self.request).filter(|_| depth < DEPTH_MAX) else {
            return step;
        };
        prospects.strategy.clone_into(&mut step.kind);
        step.cookie = prospects.cookie.map(str::to_owned);
        let members = prospects.members.iter().enumerate();
        let members = members.map(|(place, member)| {
            let mut inner = match member.service {
                Some(service) => self.step(service, depth + 1, said),
                None => ServiceStep::named(member.name, "server"),
            };
            inner.is_up = member.is_up;
            inner.weight = Some(member.weight);
            (inner.is_certain, inner.share, inner.why) = part(&prospects, place, member);
            inner
        });
        step.members = members.collect();
        step
    }
}

/// Whether a member gets the request, its share, and why.
fn part(prospects: &Prospects<'_>, place: usize, member: &Prospect<'_>) -> (bool, f64, String) {
    let words = |text: &str| text.to_owned();
    if member.is_mirror {
        let percent = member.weight;
        return (false, member.share, format!("it gets a copy of {percent} % of the requests"));
    }
    match prospects.chosen {
        Some((chosen, why)) if chosen == place => {
            let why = match why {
                Why::Cookie => words("the request's cookie names it"),
                Why::Hash => words("the hash of the request leads to it"),
                Why::Only if prospects.members.len() > 1 => words("no other can get the request"),
                Why::Only => String::new(),
            };
            (true, 1.0, why)
        }
        _ if !member.is_up && !member.may => (false, 0.0, words("it is down")),
        _ if member.weight == 0 => (false, 0.0, words("its weight is 0")),
        Some((_, Why::Cookie)) => (false, 0.0, words("the cookie names another one")),
        Some((_, Why::Hash)) => (false, 0.0, words("the hash leads to another one")),
        Some((_, Why::Only)) | None if !member.may => {
            (false, 0.0, words("it stands in for the other one"))
        }
        Some((_, Why::Only)) | None => {
            let percent = (member.share * 100.0).round();
            let way = match prospects.strategy {
                "wrr" => "they take turns, and it gets",
                "p2c" => "of two taken at random the less busy one; by weight it would get",
                "leasttime" => "the one that answers soonest; by weight it would get",
                _ => "a script decides; by weight it would get",
            };
            let despite = if member.is_up { "" } else { ", though no server of it is up" };
            (false, member.share, format!("{way} {percent} % of the requests{despite}"))
        }
    }
}

//! Services made of services: one child is chosen for each request.

use std::sync::Arc;

use super::sticky::{self, Choice, Sticky};
use super::{Rendezvous, Service, Turn};
use crate::message::Request;

/// Services and how one is chosen.
#[derive(Debug)]
pub struct Children {
    /// The services that may be chosen.
    pub services: Vec<Child>,
    /// How one of them is chosen.
    pub order: Order,
    /// Keeps clients where they were.
    pub sticky: Option<Arc<Sticky>>,
    /// Whether children that are down are passed over.
    pub health: Propagation,
}

/// A service that may be chosen.
#[derive(Debug)]
pub struct Child {
    /// The service.
    pub service: Arc<Service>,
    /// Its share; 0 means that it is never chosen.
    pub weight: u32,
}

/// How one of several services is chosen; the state is shared by all workers.
#[derive(Debug, Clone)]
pub enum Order {
    /// They take turns by weight.
    Turns(Arc<Turn>),
    /// The same one for the same client address.
    Rendezvous(Arc<Rendezvous>),
}

/// Whether the health of children counts (`healthCheck: {}`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// It does, and is told to the parent.
    On,
    /// It does not.
    Off,
}

impl Children {
    /// Whether any child may be chosen.
    pub(super) fn is_up(&self) -> bool {
        self.health == Propagation::Off || (0..self.services.len()).any(|i| self.may(i))
    }

    pub(super) fn may(&self, place: usize) -> bool {
        let is_up = |child: &Child| self.health == Propagation::Off || child.service.is_up();
        self.services.get(place).is_some_and(|child| child.weight > 0 && is_up(child))
    }

    pub(super) fn choose(&self, request: &Request) -> Option<Choice> {
        let may = |i: usize| self.may(i);
        let fresh = || match &self.order {
            Order::Turns(turn) if self.health == Propagation::On => turn.next_of(may),
            Order::Turns(turn) => turn.next(),
            Order::Rendezvous(hrw) => hrw.choose(request.exchange.client.ip.as_bytes(), may),
        };
        sticky::choose(self.sticky.as_deref(), &request.headers, may, fresh)
    }
}

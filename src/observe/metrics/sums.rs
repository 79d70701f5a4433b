//! The numbers of all workers, added up.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Level;
use super::ledger::{Entry, OwnerRef, What};
use crate::message::Protocol;

/// Whose numbers they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// What it is.
    pub level: Level,
    /// Its name.
    pub name: Arc<str>,
    /// The service behind a router; version and scheme of a host's requests; empty for others.
    pub service: Arc<str>,
}

impl From<OwnerRef<'_>> for Owner {
    fn from(owner: OwnerRef<'_>) -> Self {
        Self { level: owner.level, name: owner.name.into(), service: owner.service.into() }
    }
}

impl Hash for Owner {
    /// The same as that of the reference it is looked up by.
    fn hash<H: Hasher>(&self, state: &mut H) {
        OwnerRef { level: self.level, name: &self.name, service: &self.service }.hash(state);
    }
}

/// What tells requests of one owner apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// The status, or that of gRPC.
    pub code: u16,
    /// The method's place among [`METHODS`].
    method: u8,
    /// What is spoken inside of HTTP.
    pub protocol: Protocol,
}

/// Methods that are told apart; the last stands for all others, as in Traefik.
const METHODS: [&str; 11] = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "CONNECT",
    "TRACE",
    "PRI",
    "EXTENSION_METHOD",
];

/// A method as it is told apart.
#[must_use]
pub fn method(name: &str) -> &'static str {
    METHODS.iter().find(|known| **known == name).copied().unwrap_or("EXTENSION_METHOD")
}

impl Kind {
    /// Requests of a method that were answered with a status.
    #[must_use]
    pub fn new(method: &str, protocol: Protocol, code: u16) -> Self {
        let place = METHODS.iter().position(|known| *known == method);
        let method = u8::try_from(place.unwrap_or(METHODS.len() - 1)).unwrap_or_default();
        Self { code, method, protocol }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        METHODS.get(usize::from(self.method)).copied().unwrap_or_default()
    }

    /// The protocol, as labels say it.
    #[must_use]
    pub fn protocol(&self) -> &'static str {
        match self.protocol {
            Protocol::Http => "http",
            Protocol::WebSocket => "websocket",
            Protocol::Sse => "sse",
            Protocol::Grpc => "grpc",
            Protocol::GrpcWeb => "grpc-web",
        }
    }
}

/// All numbers of requests.
#[derive(Debug, Default)]
pub struct Sums {
    /// By owner.
    pub owners: BTreeMap<Owner, OwnerSums>,
}

/// The numbers of one owner.
#[derive(Debug, Default)]
pub struct OwnerSums {
    /// By kind.
    pub requests: BTreeMap<Kind, Totals>,
    /// Requests over TLS, by its version and cipher.
    pub tls: BTreeMap<(&'static str, &'static str), u64>,
    /// Requests by the values of headers that are labels.
    pub labeled: BTreeMap<(Kind, Arc<[Box<str>]>), u64>,
    /// How often requests were tried again.
    pub retries: u64,
}

/// Requests of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// How long they took, all together.
    pub nanos: u64,
    /// Bytes of their bodies.
    pub received: u64,
    /// Bytes of their answers' bodies.
    pub sent: u64,
    /// How many took so long, by the bounds of time; the last is for what is above all of them.
    pub buckets: Vec<u64>,
}

impl Totals {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Sums {
    /// The numbers of one owner of a level, by name.
    pub fn of(&self, level: Level) -> impl Iterator<Item = (&Owner, &OwnerSums)> {
        self.owners.iter().filter(move |(owner, _)| owner.level == level)
    }

    pub(super) fn add(&mut self, entry: &Entry) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let sums = self.owners.entry(entry.owner.clone()).or_default();
        match &entry.what {
            What::Requests(kind, cells) => {
                let totals = sums.requests.entry(*kind).or_default();
                totals.nanos += read(&cells.nanos);
                totals.received += read(&cells.received);
                totals.sent += read(&cells.sent);
                totals.buckets.resize(cells.buckets.len(), 0);
                for (sum, bucket) in totals.buckets.iter_mut().zip(&cells.buckets) {
                    *sum += read(bucket);
                }
            }
            What::Tls(tls, count) => *sums.tls.entry(*tls).or_default() += read(count),
            What::Labeled(kind, labels, count) => {
                *sums.labeled.entry((*kind, Arc::clone(labels))).or_default() += read(count);
            }
            What::Retries(count) => sums.retries += read(count),
        }
    }
}

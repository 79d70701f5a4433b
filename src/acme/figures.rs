//! What resolvers have done, as numbers for those who watch them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::numbers::{Family, FamilyKind};

/// The numbers of all resolvers, by name.
#[derive(Debug, Default)]
pub struct Figures(BTreeMap<String, Arc<Tally>>);

/// The numbers of one resolver. One thread writes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Orders that were begun.
    pub(super) orders: AtomicU64,
    /// Orders that took the place of a certificate.
    pub(super) renewals: AtomicU64,
    /// Orders that came to nothing.
    pub(super) failures: AtomicU64,
    /// Certificates that are kept.
    pub(super) certificates: AtomicU64,
    /// Certificates that are wanted and could not be had so far.
    pub(super) failing: AtomicU64,
}

/// A number: how it behaves, its name, what it says, and where it stands.
type Row = (FamilyKind, &'static str, &'static str, fn(&Tally) -> &AtomicU64);

const ROWS: [Row; 5] = [
    (
        FamilyKind::Counter,
        "moongate_acme_orders_total",
        "Orders of certificates that were begun.",
        |tally| &tally.orders,
    ),
    (
        FamilyKind::Counter,
        "moongate_acme_renewals_total",
        "Orders that were to renew a certificate.",
        |tally| &tally.renewals,
    ),
    (
        FamilyKind::Counter,
        "moongate_acme_failures_total",
        "Orders that came to nothing.",
        |tally| &tally.failures,
    ),
    (FamilyKind::Gauge, "moongate_acme_certificates", "Certificates that are kept.", |tally| {
        &tally.certificates
    }),
    (
        FamilyKind::Gauge,
        "moongate_acme_failing",
        "Certificates that are wanted and could not be had so far.",
        |tally| &tally.failing,
    ),
];

impl Figures {
    /// With a tally for each resolver.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a String>) -> Self {
        Self(names.map(|name| (name.clone(), Arc::default())).collect())
    }

    pub(super) fn tally(&self, resolver: &str) -> Arc<Tally> {
        self.0.get(resolver).cloned().unwrap_or_default()
    }

    /// The numbers of this moment, by resolver.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "metrics are floating")]
    pub fn families(&self) -> Vec<Family> {
        let families = ROWS.iter().map(|(kind, name, help, number)| {
            let mut family = Family::new(*kind, *name, *help);
            for (resolver, tally) in &self.0 {
                let number = number(tally).load(Ordering::Relaxed);
                family.number(&[("resolver", resolver)], number as f64);
            }
            family
        });
        families.collect()
    }
}

impl Tally {
    /// Counts one more.
    pub(super) fn count(number: &AtomicU64) {
        number.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how many there are.
    pub(super) fn note(number: &AtomicU64, count: usize) {
        number.store(count as u64, Ordering::Relaxed);
    }
}

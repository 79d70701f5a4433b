//! Numbers of what happens: counted by every worker for itself, added up when somebody asks.
//!
//! A worker counts in a [`Ledger`], whose numbers it alone writes, so that counting is a look-up
//! and some additions, without locks and without memory that other workers write. Names, labels
//! and units are Traefik's. Must not know where the numbers go.

mod families;
mod ledger;
mod sums;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderName;
use parking_lot::Mutex;

use ledger::Book;

pub use families::Export;
pub use ledger::{Counted, Gauge, Ledger, Open, OwnerRef};
pub use sums::{Kind, Owner, OwnerSums, Sums, Totals, method};

/// What numbers are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// An entrypoint.
    Entrypoint,
    /// A router with the service behind it.
    Router,
    /// A service.
    Service,
    /// The host that clients asked for, as OpenTelemetry's conventions tell requests apart.
    Host,
    /// A server that was asked.
    Server,
}

/// What is counted.
#[derive(Debug, Clone, Default)]
pub struct MetricsPlan {
    /// Whether entrypoints are.
    pub entrypoints: bool,
    /// Whether routers are.
    pub routers: bool,
    /// Whether services are.
    pub services: bool,
    /// Whether requests are told apart as OpenTelemetry's conventions do as well.
    pub conventions: bool,
    /// Bounds of the histograms of time, in seconds; those of all who ask for the numbers.
    pub bounds: Vec<f64>,
    /// Headers of requests whose values are labels.
    pub headers: Vec<HeaderName>,
    /// The names of the entrypoints, in their order.
    pub names: Vec<Arc<str>>,
}

/// The numbers of the process.
#[derive(Debug)]
pub struct Metrics {
    plan: MetricsPlan,
    books: Mutex<Vec<Arc<Book>>>,
    reloads: AtomicU64,
    reload_failures: AtomicU64,
    /// Seconds since the epoch; 0 before the first one.
    reloaded: AtomicU64,
}

impl Metrics {
    /// Nothing yet.
    #[must_use]
    pub fn new(mut plan: MetricsPlan) -> Arc<Self> {
        plan.bounds.retain(|bound| bound.is_finite());
        plan.bounds.sort_by(f64::total_cmp);
        plan.bounds.dedup();
        let (books, reloads, reloaded) = Default::default();
        Arc::new(Self { plan, books, reloads, reload_failures: AtomicU64::new(0), reloaded })
    }

    /// What is counted.
    #[must_use]
    pub fn plan(&self) -> &MetricsPlan {
        &self.plan
    }

    /// The ledger of one more worker.
    #[must_use]
    pub fn ledger(self: &Arc<Self>) -> Ledger {
        let book = Arc::new(Book::new(self.plan.names.len()));
        self.books.lock().push(Arc::clone(&book));
        Ledger::new(Arc::clone(self), book)
    }

    /// A configuration is served.
    pub fn reloaded(&self) {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.reloaded.store(now.as_secs(), Ordering::Relaxed);
    }

    /// A configuration could not be read or served.
    pub fn reload_failed(&self) {
        self.reload_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Configurations that were served, when the last one was in seconds since the epoch, and
    /// those that could not be read or served.
    #[must_use]
    pub fn reloads(&self) -> (u64, u64, u64) {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (read(&self.reloads), read(&self.reloaded), read(&self.reload_failures))
    }

    /// Open connections of each entrypoint, in their order.
    #[must_use]
    pub fn open(&self) -> Vec<(Arc<str>, i64)> {
        let books = self.books.lock().clone();
        let sum = |place: usize| {
            let of = |book: &Arc<Book>| Some(book.open.get(place)?.load(Ordering::Relaxed));
            books.iter().filter_map(of).sum::<i64>().max(0)
        };
        self.plan.names.iter().enumerate().map(|(i, name)| (Arc::clone(name), sum(i))).collect()
    }

    /// All numbers of requests, added up over all workers.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let books = self.books.lock().clone();
        let mut sums = Sums::default();
        for book in books {
            for entry in book.entries.lock().iter() {
                sums.add(entry);
            }
        }
        sums
    }
}

/// Open connections of an entrypoint on one worker.
type OpenCount = Arc<AtomicI64>;

#[cfg(test)]
mod tests;

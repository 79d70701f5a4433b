//! What one worker has counted. Its numbers are atomics since others read them, and written by
//! loading and storing since nobody else writes them.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::{Equivalent, HashMap};
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::sums::{Kind, Owner};
use super::{Level, Metrics, OpenCount};
use crate::message::Protocol;

/// Statuses, methods and protocols of one owner that are told apart; what comes beyond them is
/// counted with the status 0.
const KINDS_MAX: usize = 128;
/// Values of headers of one owner that are told apart; what comes beyond them is counted as
/// [`OVERFLOW`].
const LABELED_MAX: usize = 1000;
/// Versions and ciphers of TLS of one owner; there are fewer.
const TLS_MAX: usize = 64;
/// Hosts that clients asked for which are told apart; what comes beyond them is counted as
/// [`OVERFLOW`].
const HOSTS_MAX: usize = 100;
/// Bytes of a header's value in a label; what is longer is cut.
const LABEL_BYTES_MAX: usize = 128;
/// The value of labels that are no longer told apart.
const OVERFLOW: &str = "overflow";

/// What others see of a worker's numbers.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) entries: Mutex<Vec<Arc<Entry>>>,
    pub(super) open: Vec<OpenCount>,
}

impl Book {
    pub(super) fn new(entrypoints: usize) -> Self {
        Self { entries: Mutex::default(), open: (0..entrypoints).map(|_| Arc::default()).collect() }
    }
}

/// A number, or those that belong together.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) owner: Owner,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Requests(Kind, Cells),
    Tls((&'static str, &'static str), AtomicU64),
    Labeled(Kind, Arc<[Box<str>]>, AtomicU64),
    Retries(AtomicU64),
}

/// Requests of one kind.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) nanos: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    /// By the bounds of time, and one for what is above all of them.
    pub(super) buckets: Box<[AtomicU64]>,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// How long it took.
    pub duration: Duration,
    /// Bytes of its body.
    pub received: u64,
    /// Bytes of its answer's body.
    pub sent: u64,
    /// Version and cipher of the connection's TLS.
    pub tls: Option<(&'static str, &'static str)>,
    /// Values of the headers that are labels.
    pub labels: &'a [Box<str>],
}

/// An owner of numbers, as it is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnerRef<'a> {
    /// What it is.
    pub level: Level,
    /// Its name.
    pub name: &'a str,
    /// The service behind a router; version and scheme of a host's requests; empty for others.
    pub service: &'a str,
}

impl Equivalent<Owner> for OwnerRef<'_> {
    fn equivalent(&self, key: &Owner) -> bool {
        self.level == key.level && *self.name == *key.name && *self.service == *key.service
    }
}

/// What a worker counts in.
#[derive(Debug)]
pub struct Ledger {
    metrics: Arc<Metrics>,
    book: Arc<Book>,
    /// Bounds of time, in nanoseconds.
    bounds: Box<[u64]>,
    owners: RefCell<HashMap<Owner, Account, foldhash::fast::RandomState>>,
    hosts: Cell<usize>,
}

/// All of one owner.
#[derive(Debug, Default)]
struct Account {
    requests: SmallVec<[(Kind, Arc<Entry>); 2]>,
    tls: SmallVec<[Arc<Entry>; 1]>,
    labeled: HashMap<(Kind, Arc<[Box<str>]>), Arc<Entry>>,
    retries: Option<Arc<Entry>>,
}

impl Ledger {
    pub(super) fn new(metrics: Arc<Metrics>, book: Arc<Book>) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let nanos = |bound: &f64| (bound * 1e9).round() as u64;
        let bounds = metrics.plan().bounds.iter().map(nanos).collect();
        Self { metrics, book, bounds, owners: RefCell::default(), hosts: Cell::default() }
    }

    /// Whose ledger it is.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Counts a request of an owner.
    pub fn count(&self, owner: OwnerRef<'_>, kind: Kind, counted: &Counted<'_>) {
        let mut owners = self.owners.borrow_mut();
        let account = match owners.get_mut(&owner) {
            Some(account) => account,
            None => owners.entry(Owner::from(owner)).or_default(),
        };
        let entry = account.requests.iter().find(|(known, _)| *known == kind);
        let entry = match entry {
            Some((_, entry)) => entry,
            None => self.new_kind(owner, account, kind),
        };
        if let What::Requests(_, cells) = &entry.what {
            let nanos = u64::try_from(counted.duration.as_nanos()).unwrap_or(u64::MAX);
            add(&cells.nanos, nanos);
            add(&cells.received, counted.received);
            add(&cells.sent, counted.sent);
            let place = self.bounds.partition_point(|bound| *bound < nanos);
            if let Some(bucket) = cells.buckets.get(place) {
                add(bucket, 1);
            }
        }
        if let Some(tls) = counted.tls {
            self.count_tls(owner, account, tls);
        }
        if !counted.labels.is_empty() {
            self.count_labels(owner, account, kind, counted.labels);
        }
    }

    /// Counts a request by the host that its client asked for; `spoken` is the version of HTTP and
    /// the scheme, such as `1.1 https`.
    pub fn count_host(&self, host: &str, spoken: &str, kind: Kind, counted: &Counted<'_>) {
        let host = &host[..host.floor_char_boundary(LABEL_BYTES_MAX)];
        let mut owner = OwnerRef { level: Level::Host, name: host, service: spoken };
        if !self.owners.borrow().contains_key(&owner) {
            match self.hosts.get() {
                HOSTS_MAX.. => owner.name = OVERFLOW,
                count => self.hosts.set(count + 1),
            }
        }
        self.count(owner, kind, counted);
    }

    /// Counts that requests to a service were tried again.
    pub fn count_retries(&self, owner: OwnerRef<'_>, retries: u64) {
        let mut owners = self.owners.borrow_mut();
        let account = owners.entry(Owner::from(owner)).or_default();
        let entry = account
            .retries
            .get_or_insert_with(|| self.enter(owner, What::Retries(AtomicU64::new(0))));
        if let What::Retries(count) = &entry.what {
            add(count, retries);
        }
    }

    /// Forgets owners that are no longer there.
    pub fn keep(&self, is_there: impl Fn(&Owner) -> bool) {
        self.owners.borrow_mut().retain(|owner, _| is_there(owner));
        self.book.entries.lock().retain(|entry| is_there(&entry.owner));
    }

    /// Counts the open connections of the entrypoint at a place.
    #[must_use]
    pub fn gauge(&self, place: usize) -> Option<Gauge> {
        self.book.open.get(place).cloned().map(Gauge)
    }

    fn new_kind<'a>(
        &self,
        owner: OwnerRef<'_>,
        account: &'a mut Account,
        kind: Kind,
    ) -> &'a Arc<Entry> {
        let kind = match account.requests.len() {
            0..KINDS_MAX => kind,
            _ => Kind::new("", Protocol::Http, 0),
        };
        let known = account.requests.iter().position(|(known, _)| *known == kind);
        let place = known.unwrap_or_else(|| {
            let buckets = (0..=self.bounds.len()).map(|_| AtomicU64::new(0)).collect();
            let (nanos, received, sent) = Default::default();
            let cells = Cells { nanos, received, sent, buckets };
            account.requests.push((kind, self.enter(owner, What::Requests(kind, cells))));
            account.requests.len() - 1
        });
        &account.requests[place].1
    }

    fn count_tls(
        &self,
        owner: OwnerRef<'_>,
        account: &mut Account,
        tls: (&'static str, &'static str),
    ) {
        for entry in &account.tls {
            if let What::Tls(known, count) = &entry.what
                && *known == tls
            {
                return add(count, 1);
            }
        }
        if account.tls.len() < TLS_MAX {
            account.tls.push(self.enter(owner, What::Tls(tls, AtomicU64::new(1))));
        }
    }

    fn count_labels(
        &self,
        owner: OwnerRef<'_>,
        account: &mut Account,
        kind: Kind,
        labels: &[Box<str>],
    ) {
        let cut = |label: &str| -> Box<str> {
            label[..label.floor_char_boundary(LABEL_BYTES_MAX)].into()
        };
        let mut key: (Kind, Arc<[Box<str>]>) =
            (kind, labels.iter().map(|label| cut(label)).collect());
        if account.labeled.len() >= LABELED_MAX && !account.labeled.contains_key(&key) {
            key.1 = labels.iter().map(|_| Box::from(OVERFLOW)).collect();
        }
        let labels = Arc::clone(&key.1);
        let entry = account.labeled.entry(key).or_insert_with_key(|(kind, _)| {
            self.enter(owner, What::Labeled(*kind, labels, AtomicU64::new(0)))
        });
        if let What::Labeled(_, _, count) = &entry.what {
            add(count, 1);
        }
    }

    /// Shows a new number to others.
    fn enter(&self, owner: OwnerRef<'_>, what: What) -> Arc<Entry> {
        let entry = Arc::new(Entry { owner: Owner::from(owner), what });
        self.book.entries.lock().push(Arc::clone(&entry));
        entry
    }
}

/// Adds to a number that one thread alone writes.
fn add(number: &AtomicU64, by: u64) {
    number.store(number.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// Open connections of an entrypoint on one worker.
#[derive(Debug, Clone)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// One more, until it is dropped.
    #[must_use]
    pub fn open(self) -> Open {
        self.0.fetch_add(1, Ordering::Relaxed);
        Open(self.0)
    }
}

/// One open connection.
#[derive(Debug)]
pub struct Open(Arc<AtomicI64>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

//! One certificate resolver: what is wanted becomes orders, what is old is renewed, and all that
//! there is becomes configuration.
//!
//! Nobody waits for it: what is served changes when a certificate is there. Must not know how an
//! order is done.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use super::account::{self, AccountError, Kept};
use super::book::Book;
use super::client::{Client, ClientError, Web};
use super::clock::Clock;
use super::covered::Covered;
use super::demand::Budget;
use super::dns::{Dns, Record, Solvers};
use super::failure::Failures;
use super::figures::Tally;
use super::key::KeyType;
use super::order::{Means, OrderError};
use super::proofs::Proofs;
use super::renewal::{Facts, Table};
use super::store::{Domain, Issued, StoreError};
use super::wishes::Wishes;
use crate::config::AcmeOptions;
use crate::model::{Certificate, Dynamic, Tls};
use crate::provider::{Message, Sender, Update};
use crate::snapshot::Wanted;
use crate::tls::{CertStore, covers};

/// What is wanted, and what is there already, whoever it is from.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Certificates that routers want of resolvers.
    pub wanted: Arc<[Wanted]>,
    /// Certificates that are served.
    pub held: Arc<CertStore>,
}

/// What a resolver works with.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) options: AcmeOptions,
    pub(super) key_type: KeyType,
    pub(super) web: Rc<Web>,
    pub(super) book: Book,
    pub(super) proofs: Arc<Proofs>,
    pub(super) tally: Arc<Tally>,
    pub(super) solvers: Arc<dyn Solvers>,
    pub(super) clock: Arc<Clock>,
    pub(super) sender: Sender,
}

/// One resolver.
pub(super) struct Resolver {
    pub(super) parts: Parts,
    provider: Arc<str>,
    table: Table,
    orders: Semaphore,
    client: tokio::sync::Mutex<Option<Rc<Client>>>,
    dns: tokio::sync::Mutex<Option<Rc<Dns>>>,
    state: RefCell<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// Names that are being ordered.
    busy: HashSet<Names>,
    failures: Failures,
    /// When certificates that are new may be renewed at the earliest, in seconds from 1970, so that
    /// one that is due at once is not ordered again and again.
    rests: HashMap<Names, i64>,
    /// What is known of certificates, by the allocation that holds them.
    facts: HashMap<usize, Option<Rc<Facts>>>,
    /// What the authority wishes about renewals.
    wishes: Wishes,
    /// Names that handshakes ask for, and who is told what has come of it: nothing, or how long it
    /// is not tried again.
    demanded: HashMap<Names, oneshot::Sender<Result<(), Duration>>>,
    budget: Budget,
    /// What was sent last.
    served: Arc<Dynamic>,
    /// Whether orders are this replica's to make.
    lead: Lead,
}

/// Whether orders are this replica's to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Lead {
    Ours,
    #[default]
    Others,
}

pub(super) type Names = Arc<[String]>;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// There is no account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The order has failed.
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// A certificate that is to be had.
struct Job {
    names: Names,
    /// The one that it takes the place of.
    replaces: Option<String>,
    /// Whether there is one that it takes the place of.
    renews: bool,
}

/// Orders of one resolver at once.
const ORDERS_MAX: usize = 8;
/// What an authority says that does not know an account any more.
const NO_ACCOUNT: &str = "accountDoesNotExist";

impl Resolver {
    pub(super) fn new(parts: Parts) -> Rc<Self> {
        let provider = format!("{}.acme", parts.name).into();
        let table = Table::of(parts.options.certificates_duration);
        Rc::new(Self {
            parts,
            provider,
            table,
            orders: Semaphore::new(ORDERS_MAX),
            client: tokio::sync::Mutex::default(),
            dns: tokio::sync::Mutex::default(),
            state: RefCell::default(),
            wake: Notify::new(),
        })
    }

    /// All certificates there are, as configuration.
    pub(super) fn message(&self) -> Message {
        let certificates = self.parts.book.certificates();
        let pairs = certificates.iter().map(|issued| Arc::clone(&issued.pair));
        let pairs: Vec<_> = pairs.filter(|pair| !pair.cert_file.is_empty()).collect();
        let mut state = self.state.borrow_mut();
        let is_same = pairs.len() == state.served.tls.certificates.len()
            && pairs.iter().zip(&state.served.tls.certificates).all(|(a, b)| Arc::ptr_eq(a, b));
        if !is_same {
            let tls = Tls { certificates: pairs, ..Tls::default() };
            state.served = Arc::new(Dynamic { tls, ..Dynamic::default() });
        }
        let diagnostics = state.failures.told(&self.parts.name);
        Tally::note(&self.parts.tally.certificates, certificates.len());
        Tally::note(&self.parts.tally.failing, diagnostics.len());
        let dynamic = Arc::clone(&state.served);
        Message::Update(Update { diagnostics, ..Update::new(&self.provider, dynamic) })
    }

    fn publish(&self) {
        self.parts.sender.send(self.message());
    }

    /// Takes the lead, or leaves it to others.
    pub(super) fn lead(&self, lead: Lead) {
        let before = std::mem::replace(&mut self.state.borrow_mut().lead, lead);
        if before != lead {
            self.wake.notify_one();
        }
    }

    /// Serves what another replica keeps.
    pub(super) async fn follow(&self) -> Result<(), StoreError> {
        self.parts.book.reload().await?;
        self.publish();
        Ok(())
    }

    /// Follows what is wanted until nobody says any more.
    pub(super) async fn run(self: Rc<Self>, mut wishes: watch::Receiver<Wish>) {
        let mut moved = self.parts.clock.moved();
        let mut is_tidied = false;
        loop {
            let wish = wishes.borrow_and_update().clone();
            let leads = self.state.borrow().lead == Lead::Ours;
            if leads && !is_tidied {
                is_tidied = true;
                self.tidy().await;
            }
            let next = if leads {
                self.ask_for_wishes();
                self.consider(&wish)
            } else {
                Instant::now() + self.table.every
            };
            tokio::select! {
                changed = wishes.changed() => if changed.is_err() { return },
                () = self.wake.notified() => {}
                () = sleep_until(next) => {}
                _ = moved.changed() => {}
            }
        }
    }

    /// Begins orders for what is missing and what is old; when to look again.
    fn consider(self: &Rc<Self>, wish: &Wish) -> Instant {
        let now = Instant::now();
        let certificates = self.parts.book.certificates();
        let mut jobs: Vec<Job> = Vec::new();
        let mut covered = Covered::default();
        for issued in &certificates {
            covered.add(issued.domain.names());
            if let Some(facts) = self.facts(&issued.pair) {
                covered.add(facts.names.iter());
            }
            jobs.extend(self.renewal(issued));
        }
        let (is_ours, mut state) =
            (|w: &&Wanted| *w.resolver == *self.parts.name, self.state.borrow_mut());
        let mut wanted: HashSet<Names> = jobs.iter().map(|job| Arc::clone(&job.names)).collect();
        for names in &state.busy {
            covered.add(names.iter());
        }
        for Wanted { names, .. } in wish.wanted.iter().filter(is_ours) {
            let is_missing = |name: &&String| !covered.has(name) && !wish.held.holds(name);
            if names.iter().any(|name| is_missing(&name)) {
                wanted.insert(Arc::clone(names));
                covered.add(names.iter());
                jobs.push(Job { names: Arc::clone(names), replaces: None, renews: false });
            }
        }
        for names in state.demanded.keys() {
            if wanted.insert(Arc::clone(names)) {
                jobs.push(Job { names: Arc::clone(names), replaces: None, renews: false });
            }
        }
        let busy = std::mem::take(&mut state.busy);
        state.failures.retain(|names| wanted.contains(names) || busy.contains(names));
        state.busy = busy;
        let mut next = now + self.table.every;
        let time = self.parts.clock.now();
        if let Some(again) = state.wishes.next() {
            let seconds = u64::try_from(again.saturating_sub(time)).unwrap_or_default();
            next = next.min(now + Duration::from_secs(seconds.max(1)));
        }
        state.rests.retain(|_, until| *until > time);
        for job in jobs {
            if state.rests.contains_key(&job.names) {
                continue;
            }
            match state.failures.again(&job.names) {
                Some(again) if again > now => next = next.min(again),
                _ if state.busy.contains(&job.names) => {}
                _ => {
                    state.busy.insert(Arc::clone(&job.names));
                    drop(spawn_local(Rc::clone(self).work(job)));
                }
            }
        }
        next
    }

    /// The order that renews a certificate, if it is time.
    fn renewal(&self, issued: &Issued) -> Option<Job> {
        let names: Names = issued.domain.names().cloned().collect();
        let Some(facts) = self.facts(&issued.pair) else {
            // It cannot be read, so it is not served.
            return (!names.is_empty()).then_some(Job { names, replaces: None, renews: true });
        };
        let state = self.state.borrow();
        let wish = facts.id.as_ref().and_then(|id| state.wishes.of(id));
        let is_due = facts.due(self.table, wish) <= self.parts.clock.now();
        let names = if names.is_empty() { facts.names.clone().into() } else { names };
        is_due.then(|| Job { names, replaces: facts.id.clone(), renews: true })
    }

    fn facts(&self, pair: &Arc<Certificate>) -> Option<Rc<Facts>> {
        let mut state = self.state.borrow_mut();
        let facts = state.facts.entry(Arc::as_ptr(pair) as usize).or_insert_with(|| {
            let first = CertificateDer::pem_slice_iter(pair.cert_file.as_bytes()).next();
            Some(Rc::new(Facts::read(&first?.ok()?)?))
        });
        facts.clone()
    }

    /// Asks the authority when it wishes certificates to be renewed, where it is time to ask.
    /// Orders do not wait for its answers.
    fn ask_for_wishes(self: &Rc<Self>) {
        let certificates = self.parts.book.certificates();
        let held: HashSet<usize> =
            certificates.iter().map(|issued| Arc::as_ptr(&issued.pair) as usize).collect();
        self.state.borrow_mut().facts.retain(|place, _| held.contains(place));
        let facts = certificates.iter().filter_map(|issued| self.facts(&issued.pair));
        let ids = facts.filter_map(|facts| facts.id.clone()).collect();
        let due = self.state.borrow_mut().wishes.begin(ids, self.parts.clock.now());
        if due.is_empty() {
            return;
        }
        let this = Rc::clone(self);
        spawn_local(async move {
            let client = this.client(Kept::Trusted).await;
            for id in due {
                let said = match &client {
                    Ok(client) => client.renewal(&id).await.map_err(|error| error.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(error) = &said {
                    tracing::debug!(provider = &*this.provider, error, "no word on renewal");
                }
                this.state.borrow_mut().wishes.note(id, &said, this.parts.clock.now());
            }
            this.state.borrow_mut().wishes.end();
            this.wake.notify_one();
        });
    }

    /// One order with all that comes of it.
    async fn work(self: Rc<Self>, job: Job) {
        let Job { names, replaces, renews } = job;
        let tally = &self.parts.tally;
        let done = match self.orders.acquire().await {
            Ok(_permit) => {
                Tally::count(&tally.orders);
                if renews {
                    Tally::count(&tally.renewals);
                }
                self.obtain(&names, replaces.as_deref()).await
            }
            Err(_) => return,
        };
        let ended = match done {
            Ok(pair) => {
                tracing::info!(provider = &*self.provider, ?names, "a certificate is there");
                let store = "default".to_owned();
                let issued = Issued { domain: Domain::of(&names), pair: Arc::new(pair), store };
                if let Err(error) = self.parts.book.add(issued).await {
                    let provider = &*self.provider;
                    tracing::error!(provider, ?names, %error, "a certificate is not kept");
                }
                let mut state = self.state.borrow_mut();
                state.failures.forget(&names);
                let every = i64::try_from(self.table.every.as_secs()).unwrap_or(i64::MAX);
                state.rests.insert(Arc::clone(&names), self.parts.clock.now() + every);
                Ok(())
            }
            Err(error) => {
                Tally::count(&tally.failures);
                let pause = self.state.borrow_mut().failures.note(&names, &error);
                tracing::error!(
                    provider = &*self.provider,
                    ?names,
                    %error,
                    again_seconds = pause.as_secs(),
                    "there is no certificate"
                );
                Err(pause)
            }
        };
        self.state.borrow_mut().busy.remove(&names);
        self.publish();
        if let Some(asks) = self.state.borrow_mut().demanded.remove(&names) {
            // The handshake may be over.
            let _ = asks.send(ended);
        }
        self.wake.notify_one();
    }

    /// Whether there is a certificate for a name.
    pub(super) fn covers(&self, name: &str) -> bool {
        let certificates = self.parts.book.certificates();
        let mut held = certificates.iter().flat_map(|issued| issued.domain.names());
        held.any(|held| covers(&held.to_ascii_lowercase(), name))
    }

    /// Orders a certificate that a handshake asks for, and waits for it; else how long it is of no
    /// use to ask again.
    pub(super) async fn demand(&self, name: &str) -> Result<(), Duration> {
        let names: Names = [name.to_owned()].into();
        let most = self.parts.options.on_demand.as_ref().map_or(0, |demand| demand.orders_per_hour);
        let (asks, ended) = oneshot::channel();
        {
            let mut state = self.state.borrow_mut();
            // A router may want the same name, which is tried again in its time.
            let wait = state.failures.again(&names);
            let wait = wait.map(|again| again.saturating_duration_since(Instant::now()));
            if let Some(pause) = wait.filter(|pause| !pause.is_zero()) {
                return Err(pause);
            }
            if let Err(pause) = state.budget.take(most) {
                let (resolver, again_seconds) = (&*self.parts.name, pause.as_secs());
                tracing::warn!(
                    resolver,
                    name,
                    again_seconds,
                    "no certificate on demand: its ordersPerHour are used up"
                );
                return Err(pause);
            }
            state.demanded.insert(names, asks);
        }
        self.wake.notify_one();
        ended.await.unwrap_or(Err(Duration::ZERO))
    }

    async fn obtain(
        &self,
        names: &[String],
        replaces: Option<&str>,
    ) -> Result<Certificate, ResolveError> {
        let client = self.client(Kept::Trusted).await?;
        match self.order(&client, names, replaces).await {
            // The authority may have lost what it knew, or was exchanged for another one.
            Err(OrderError::Client(ClientError::Refused(problem)))
                if problem.code() == NO_ACCOUNT =>
            {
                *self.client.lock().await = None;
                let client = self.client(Kept::Doubted).await?;
                Ok(self.order(&client, names, replaces).await?)
            }
            done => Ok(done?),
        }
    }

    async fn order(
        &self,
        client: &Client,
        names: &[String],
        replaces: Option<&str>,
    ) -> Result<Certificate, OrderError> {
        let dns = self.dns().await?;
        let means = Means {
            client,
            proofs: &self.parts.proofs,
            shared: self.parts.book.store().shared(),
            options: &self.parts.options,
            key_type: self.parts.key_type,
            dns: dns.as_deref(),
            book: &self.parts.book,
        };
        means.obtain(names, replaces).await
    }

    /// The authority with the account; one at a time makes it.
    async fn client(&self, kept: Kept) -> Result<Rc<Client>, AccountError> {
        let mut client = self.client.lock().await;
        if let Some(client) = &*client {
            return Ok(Rc::clone(client));
        }
        let Parts { web, options, book, key_type, .. } = &self.parts;
        let opened = Rc::new(account::open(web, options, book, *key_type, kept).await?);
        Ok(Rc::clone(client.insert(opened)))
    }

    async fn dns(&self) -> Result<Option<Rc<Dns>>, OrderError> {
        let Some(options) = &self.parts.options.dns_challenge else { return Ok(None) };
        let mut dns = self.dns.lock().await;
        if dns.is_none() {
            *dns = Some(Rc::new(Dns::open(&*self.parts.solvers, options).await?));
        }
        Ok(dns.clone())
    }

    /// Takes away the records that orders have left behind, of a process that has ended.
    async fn tidy(&self) {
        for pending in self.parts.book.pending() {
            let (token, key_authorization) = (String::new(), String::new());
            let record = Record {
                domain: pending.domain.clone(),
                fqdn: pending.fqdn.clone(),
                value: pending.value.clone(),
                token,
                key_authorization,
            };
            let gone = async {
                if let Some(dns) = self.dns().await? {
                    dns.clean_up(&record).await?;
                }
                Ok::<_, OrderError>(self.parts.book.strike(&pending).await?)
            };
            if let Err(error) = gone.await {
                let provider = &*self.provider;
                tracing::warn!(provider, fqdn = pending.fqdn, %error, "a record is left behind");
            }
        }
    }
}

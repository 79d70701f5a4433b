//! Resolvers without a Moongate around them, against a real authority: records of the DNS,
//! wildcards, ends in the middle of an order, and renewal by a clock of the test's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use moongate::acme::{Acme, Allows, Clock, Record, Setup, SolveError, Solver, Solvers, Wish};
use moongate::config::{AcmeOptions, CertificateResolver, DnsChallenge, Propagation};
use moongate::message::LocalFuture;
use moongate::provider::{Message, Receiver, channel};
use moongate::snapshot::Wanted;
use serde_json::{Value, json};
use support::pebble::{Pebble, Settings, kept_account, write_secret};
use support::{Client, poll};

const ISSUED: Duration = Duration::from_mins(1);

/// Sets records in the authority's own DNS.
#[derive(Debug, Clone)]
struct TestDns {
    management: SocketAddr,
    set: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
    /// Whether it never comes back once a record is set.
    hangs: Arc<AtomicBool>,
    /// Whether it can set one record at a time only.
    is_slow: Arc<AtomicBool>,
    /// The most records that were set at once.
    most: Arc<AtomicUsize>,
}

impl TestDns {
    fn of(pebble: &Pebble) -> Self {
        let (set, taken, hangs) = (Arc::default(), Arc::default(), Arc::default());
        let (is_slow, most) = (Arc::default(), Arc::default());
        Self { management: pebble.dns_management(), set, taken, hangs, is_slow, most }
    }

    fn tell(&self, what: &str, told: &Value) -> Result<(), SolveError> {
        let body = told.to_string();
        let mut client = Client::connect(self.management);
        let reply = client.send("POST", "dns", what, &[], body.as_bytes());
        let reason = format!("status {}", reply.status);
        if reply.status == 200 { Ok(()) } else { Err(SolveError { reason }) }
    }
}

impl Solver for TestDns {
    fn present<'a>(&'a self, record: &'a Record) -> LocalFuture<'a, Result<(), SolveError>> {
        Box::pin(async move {
            self.tell("/set-txt", &json!({"host": record.fqdn, "value": record.value}))?;
            let set = self.set.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(set - self.taken.load(Ordering::Relaxed), Ordering::Relaxed);
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }

    fn clean_up<'a>(&'a self, record: &'a Record) -> LocalFuture<'a, Result<(), SolveError>> {
        Box::pin(async move {
            self.tell("/clear-txt", &json!({"host": record.fqdn}))?;
            self.taken.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    fn patience(&self) -> (Duration, Duration) {
        (Duration::from_secs(10), Duration::from_millis(100))
    }

    fn sequence(&self) -> Option<Duration> {
        self.is_slow.load(Ordering::Relaxed).then_some(Duration::from_millis(1))
    }
}

impl Solvers for TestDns {
    fn solver<'a>(&'a self, code: &'a str) -> LocalFuture<'a, Result<Rc<dyn Solver>, SolveError>> {
        assert_eq!(code, "test");
        let solver = Rc::new(self.clone()) as Rc<dyn Solver>;
        Box::pin(async move { Ok(solver) })
    }
}

/// Nothing is had on demand here.
impl Allows for TestDns {
    fn allows<'a>(&'a self, _: &'a str, _: &'a str) -> LocalFuture<'a, Result<bool, SolveError>> {
        Box::pin(async { Ok(false) })
    }
}

/// A resolver that runs, with what it says.
struct Engine {
    acme: Acme,
    heard: Receiver,
    clock: Arc<Clock>,
}

impl Engine {
    fn start(pebble: &Pebble, dns: &TestDns, storage: &std::path::Path) -> Self {
        let propagation = Propagation {
            disable_ans_checks: true,
            require_all_rns: true,
            ..Propagation::default()
        };
        let dns_challenge = DnsChallenge {
            provider: "test".to_owned(),
            resolvers: vec![pebble.dns()],
            propagation: Some(propagation),
            ..DnsChallenge::default()
        };
        let options = AcmeOptions {
            ca_server: pebble.directory(),
            ca_certificates: vec![pebble.own_certificate().display().to_string()],
            key_type: "EC256".to_owned(),
            storage: storage.display().to_string(),
            dns_challenge: Some(dns_challenge),
            ..AcmeOptions::default()
        };
        let resolver = CertificateResolver { acme: Some(options) };
        let resolvers = BTreeMap::from([("le".to_owned(), resolver)]);
        let (sender, heard) = channel();
        let clock = Arc::<Clock>::default();
        let (solvers, time) = (Arc::new(dns.clone()), Arc::clone(&clock));
        let allows = Arc::new(dns.clone());
        let setup = Setup { resolvers, allows, solvers, clock: time, sender };
        let started = block_on(Acme::start(setup)).unwrap();
        let (acme, _) = started.unwrap();
        Self { acme, heard, clock }
    }

    fn want(&self, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let wanted = Wanted { resolver: "le".into(), by: "r@file".into(), names: names.into() };
        self.acme.wish(Wish { wanted: vec![wanted].into(), held: Arc::default() });
    }

    /// The chains that are there, once it says something that is as wanted.
    fn told(&mut self, is_wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        poll::until("certificates", ISSUED, || {
            let Message::Update(update) = self.heard.try_recv()? else { return None };
            let all = update.dynamic.tls.certificates.iter();
            let all: Vec<String> = all.map(|one| one.cert_file.clone()).collect();
            is_wanted(&all).then_some(all)
        })
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn kept(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn wildcards_are_proved_by_records_and_renewed_in_time() {
    let pebble = Pebble::start(Settings::at(1, 1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.json");
    write_secret(&path, &kept_account());
    let dns = TestDns::of(&pebble);
    let mut engine = Engine::start(&pebble, &dns, &path);
    engine.want(&["*.w.test", "w.test"]);
    let first = engine.told(|all| all.len() == 1);
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    assert_eq!((count(&dns.set), count(&dns.taken)), (2, 2));
    assert!(kept(&path)["le"].get("Pending").is_none());
    // Below the wildcard nothing is missing.
    engine.want(&["x.w.test"]);
    engine.want(&["*.w.test", "w.test"]);

    // Five years is what the authority gives.
    engine.clock.advance(Duration::from_hours(24 * (5 * 365 - 31)));
    engine.clock.advance(Duration::from_hours(24 * 2));
    let second = engine.told(|all| all.len() == 1 && all[0] != first[0]);
    assert_ne!(first, second);
    engine.clock.advance(Duration::from_secs(1));
    assert_eq!((pebble.orders(), pebble.issued()), (2, 2));
}

#[test]
fn records_are_set_one_after_another_where_they_must_be() {
    for (is_slow, expect) in [(false, 2), (true, 1)] {
        let pebble = Pebble::start(Settings::at(1, 1));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.json");
        write_secret(&path, &kept_account());
        let dns = TestDns::of(&pebble);
        dns.is_slow.store(is_slow, Ordering::Relaxed);
        let mut engine = Engine::start(&pebble, &dns, &path);
        engine.want(&["a.test", "b.test"]);
        engine.told(|all| all.len() == 1);
        assert_eq!(dns.most.load(Ordering::Relaxed), expect, "{is_slow}");
    }
}

#[test]
fn an_end_in_the_middle_leaves_no_record_behind() {
    let pebble = Pebble::start(Settings::at(1, 1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.json");
    write_secret(&path, &kept_account());
    let dns = TestDns::of(&pebble);
    dns.hangs.store(true, Ordering::Relaxed);
    let engine = Engine::start(&pebble, &dns, &path);
    engine.want(&["a.test"]);
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    poll::until("a record", ISSUED, || (count(&dns.set) == 1).then_some(()));
    drop(engine);
    assert_eq!(kept(&path)["le"]["Pending"][0]["fqdn"], "_acme-challenge.a.test.");

    dns.hangs.store(false, Ordering::Relaxed);
    let mut engine = Engine::start(&pebble, &dns, &path);
    poll::until("the record is taken away", ISSUED, || (count(&dns.taken) == 1).then_some(()));
    engine.want(&["a.test"]);
    engine.told(|all| all.len() == 1);
    assert_eq!((count(&dns.set), count(&dns.taken)), (2, 2));
    assert!(kept(&path)["le"].get("Pending").is_none());
}

//! Resolvers without a Moongate around them, against a real authority: records of the DNS,
//! wildcards, ends in the middle of an order, and renewal by a clock of the test's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use moongate::acme::{Acme, Allows, Clock, Record, Setup, SolveError, Solver, Solvers, Wish};
use moongate::config::{AcmeOptions, CertificateResolver, DnsChallenge, Propagation};
use moongate::message::LocalFuture;
use moongate::provider::{Message, Receiver, channel};
use moongate::snapshot::Wanted;
use moongate::value::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
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
        Self::with(pebble, dns, storage, AcmeOptions::default())
    }

    /// A resolver with more options.
    fn with(pebble: &Pebble, dns: &TestDns, storage: &std::path::Path, more: AcmeOptions) -> Self {
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
            ..more
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

    /// What it complains of, once it does.
    fn complaint(&mut self) -> String {
        poll::until("a complaint", ISSUED, || match self.heard.try_recv()? {
            Message::Update(update) => Some(update.diagnostics.first()?.reason.clone()),
            Message::Rejected { .. } => None,
        })
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

/// Seconds from 1970 as RFC 3339 has them.
fn rfc3339(seconds: i64) -> String {
    let out = Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%FT%TZ"]).output();
    String::from_utf8(out.unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn profiles_are_asked_for_and_wishes_about_renewals_are_heard() {
    let pebble = Pebble::start(Settings::newer(1, 1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acme.json");
    write_secret(&path, &kept_account());
    let dns = TestDns::of(&pebble);
    let options = |profile: &str| AcmeOptions {
        profile: profile.to_owned(),
        certificates_duration: 6 * 24,
        ..AcmeOptions::default()
    };
    // A profile that there is not is never ordered.
    let mut engine = Engine::with(&pebble, &dns, &path, options("longlived"));
    engine.want(&["a.test"]);
    let complaint = engine.complaint();
    assert!(
        complaint.contains("no profile \"longlived\"; it has default, shortlived"),
        "{complaint}"
    );
    drop(engine);
    assert_eq!(pebble.orders(), 0);

    let mut engine = Engine::with(&pebble, &dns, &path, options("shortlived"));
    engine.want(&["a.test"]);
    let first = engine.told(|all| all.len() == 1);
    let leaf = CertificateDer::from_pem_slice(first[0].as_bytes()).unwrap();
    let leaf = Certificate::read(&leaf).unwrap();
    assert_eq!((leaf.not_after - leaf.not_before + 1) / 3600, 6 * 24);

    // By the table it is renewed on the fourth day; the authority wishes it on the second.
    let day = |days: i64| rfc3339(leaf.not_before + days * 24 * 3600);
    pebble.wish_renewal(&first[0], &day(1), &day(2));
    engine.clock.advance(Duration::from_hours(48));
    let second = engine.told(|all| all.len() == 1 && all[0] != first[0]);
    assert_eq!((pebble.orders(), pebble.issued()), (2, 2));
    // A process that begins with certificates hears of it too.
    drop(engine);
    pebble.wish_renewal(&second[0], &day(-1), &day(0));
    let mut engine = Engine::with(&pebble, &dns, &path, options("shortlived"));
    engine.want(&["a.test"]);
    engine.told(|all| all.len() == 1 && all[0] != second[0]);
    assert_eq!((pebble.orders(), pebble.issued()), (3, 3));
}

#[test]
fn of_several_chains_the_preferred_one_is_taken() {
    let mut settings = Settings::at(1, 1);
    settings.env.push(("PEBBLE_ALTERNATE_ROOTS", "2"));
    let pebble = Pebble::start(settings);
    let dns = TestDns::of(&pebble);
    for place in 0..3 {
        let root = pebble.root_at(place);
        let root = Certificate::read(&root).unwrap();
        let name = root.subject.last().unwrap().text.clone();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.json");
        write_secret(&path, &kept_account());
        let more = AcmeOptions { preferred_chain: name.clone(), ..AcmeOptions::default() };
        let mut engine = Engine::with(&pebble, &dns, &path, more);
        engine.want(&["a.test"]);
        let chain = engine.told(|all| all.len() == 1).remove(0);
        let last = CertificateDer::pem_slice_iter(chain.as_bytes()).last().unwrap().unwrap();
        let issuer = Certificate::read(&last).unwrap().issuer.last().unwrap().text.clone();
        assert_eq!(issuer, name);
    }
}

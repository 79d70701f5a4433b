//! Checks against real sockets.

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::super::super::tests::{Backend, block_on, until};
use super::super::{Mode, Plan, Redirects};
use super::*;
use crate::message;
use crate::service::Member;
use crate::upstream::Endpoint;

fn plan() -> Plan {
    Plan {
        mode: Mode::Http,
        method: Method::GET,
        host: Some(Bytes::from_static(b"check.test")),
        headers: HeaderMap::from_iter([(http::header::ACCEPT, "x/y".parse().unwrap())]),
        status: None,
        interval: Duration::from_millis(5),
        unhealthy_interval: Duration::from_millis(5),
        timeout: Duration::from_secs(5),
        redirects: Redirects::Followed,
    }
}

fn target(backend: &Backend) -> Target {
    Target {
        url: backend.url().into(),
        endpoint: Arc::new(Endpoint::parse(&backend.url(), Arc::default()).unwrap()),
        path: message::Target::parse(Bytes::from_static(b"/h")).unwrap(),
        member: Arc::default(),
    }
}

fn check(answer: &str, plan: Plan, expect: bool) {
    let backend = Backend::start(answer);
    let checks = Check { service: "s@file".into(), plan, targets: vec![target(&backend)] };
    let thread = Thread { pools: Pools::new(), permits: Semaphore::new(1) };
    let outcome = block_on(thread.ask(&checks, &checks.targets[0]));
    assert_eq!(outcome.is_ok(), expect, "{answer}: {outcome:?}");
    let seen = backend.seen();
    assert!(seen[0].starts_with("GET /h HTTP/1.1\r\nHost: check.test\r\n"), "{}", seen[0]);
    assert!(seen[0].contains("Accept: x/y"), "{}", seen[0]);
}

#[test]
fn judges_by_the_status() {
    check("204 No", plan(), true);
    check("399 Odd", plan(), true);
    check("404 Not", plan(), false);
    check("500 No", plan(), false);
    let wanted = || Plan { status: Some(418), ..plan() };
    check("418 Teapot", wanted(), true);
    check("200 OK", wanted(), false);
}

#[test]
fn follows_redirections_if_it_may() {
    check("302 There\r\nLocation: /h", plan(), false);
    let elsewhere = Backend::start("500 No");
    let there = format!("302 There\r\nLocation: {}/x?y", elsewhere.url());
    check(&there, plan(), false);
    assert!(elsewhere.seen()[0].starts_with("GET /x?y "));
    elsewhere.answers("200 OK");
    check(&there, plan(), true);
    check(&there, Plan { redirects: Redirects::Judged, ..plan() }, true);
    assert_eq!(elsewhere.seen().len(), 2);
}

fn checks_of(backend: &Backend) -> (Arc<Check>, Arc<Member>) {
    let target = target(backend);
    let member = Arc::clone(&target.member);
    let check = Check { service: "s@file".into(), plan: plan(), targets: vec![target] };
    (Arc::new(check), member)
}

#[test]
fn follows_what_is_published() {
    let (a, b) = (Backend::start("500 No"), Backend::start("500 No"));
    let ((check_a, member_a), (check_b, member_b)) = (checks_of(&a), checks_of(&b));
    let mut checks = HealthChecks::default();
    checks.follow(Vec::new()).unwrap();
    assert!(checks.wanted.is_none());
    block_on(async {
        checks.follow(vec![Arc::clone(&check_a)]).unwrap();
        until("a is down", || !member_a.is_up()).await;
        assert!(member_b.is_up());
        a.answers("200 OK");
        until("a is up again", || member_a.is_up()).await;
        checks.follow(vec![check_a, Arc::clone(&check_b)]).unwrap();
        until("b is down", || !member_b.is_up()).await;
        let asked = a.seen().len();
        until("a is still asked", || a.seen().len() > asked).await;
        checks.follow(vec![check_b]).unwrap();
        // A question that was under way may still arrive.
        let round = || async {
            let asked = b.seen().len();
            until("b is asked again and again", || b.seen().len() > asked + 20).await;
        };
        round().await;
        let asked = a.seen().len();
        round().await;
        assert_eq!(a.seen().len(), asked);
    });
}

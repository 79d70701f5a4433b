//! What services know stays through changes of something else: two workers serve many connections
//! that stay open while an unrelated router comes and goes.

#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::{Answer, Backend, Client, Moongate, SOON, until};

/// Clients at once; more than workers, so that both have some.
const CLIENTS: usize = 6;
/// Requests of each.
const REQUESTS: usize = 100;
/// Changes that are made meanwhile, at least.
const CHANGES: usize = 5;

/// A configuration with a service, and a router that has nothing to do with it.
fn dynamic(services: &str, unrelated: usize) -> String {
    format!(
        "http:\n  routers:\n    s: {{rule: 'Host(`h`)', service: s}}\n    \
         unrelated-{unrelated}: {{rule: 'Host(`other-{unrelated}`)', service: noop@internal}}\n  \
         services:\n{services}"
    )
}

fn change(moongate: &Moongate, services: &str, number: usize) {
    moongate.configure(&dynamic(services, number));
    until("the change is served", || {
        let path = format!("/api/http/routers/unrelated-{number}@file");
        moongate.api(&path)["status"].as_str().map(|_| ())
    });
}

/// Who answered how often, while the configuration changed; each client sends its cookies back.
fn answers_meanwhile(moongate: &Moongate, services: &str) -> Vec<BTreeMap<String, usize>> {
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (mut client, done) = (moongate.client(), Arc::clone(&done));
            thread::spawn(move || {
                let mut answers = BTreeMap::new();
                let mut cookie = String::new();
                let mut sent = 0;
                // As many as were asked for, and on until the last change has been seen.
                while sent < REQUESTS || !done.load(Ordering::Relaxed) || sent % 4 > 0 {
                    sent += 1;
                    *answers.entry(ask(&mut client, &mut cookie)).or_default() += 1;
                }
                answers
            })
        })
        .collect();
    for number in 1..=CHANGES {
        change(moongate, services, number);
    }
    done.store(true, Ordering::Relaxed);
    clients
        .into_iter()
        .map(|client| client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        .collect()
}

/// Who answers; a cookie that is set is kept.
fn ask(client: &mut Client, cookie: &mut String) -> String {
    let headers = [("Cookie", cookie.as_str())];
    let reply = client.send("GET", "h", "/", &headers[..usize::from(!cookie.is_empty())], b"");
    if let Some(set) = reply.header("set-cookie") {
        set.split(';').next().unwrap_or_default().clone_into(cookie);
    }
    let name = reply.header("x-backend").map(str::to_owned);
    name.unwrap_or_else(|| format!("status {}", reply.status))
}

fn totals(answers: &[BTreeMap<String, usize>]) -> BTreeMap<String, usize> {
    let mut totals = BTreeMap::new();
    for (name, count) in answers.iter().flatten() {
        *totals.entry(name.clone()).or_default() += count;
    }
    totals
}

fn servers(backends: &[(&Backend, u32)]) -> String {
    let server =
        |(b, weight): &(&Backend, u32)| format!("{{url: '{}', weight: {weight}}}", b.url());
    backends.iter().map(server).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_weighted_order_is_exact_over_workers_and_changes() {
    let (a, b) = (Backend::echo("a"), Backend::echo("b"));
    let balanced =
        format!("    s: {{loadBalancer: {{servers: [{}]}}}}\n", servers(&[(&a, 3), (&b, 1)]));
    let weighted = format!(
        "    s: {{weighted: {{services: [{{name: a, weight: 3}}, {{name: b, weight: 1}}]}}}}\n    \
         a: {{loadBalancer: {{servers: [{}]}}}}\n    b: {{loadBalancer: {{servers: [{}]}}}}\n",
        servers(&[(&a, 1)]),
        servers(&[(&b, 1)])
    );
    for services in [balanced, weighted] {
        let moongate = Moongate::start(&dynamic(&services, 0));
        let totals = totals(&answers_meanwhile(&moongate, &services));
        let sum: usize = totals.values().sum();
        assert_eq!((totals["a"], totals["b"]), (sum / 4 * 3, sum / 4), "{services}");
        // Each worker kept its connections: nobody had to connect anew for a change.
        assert!(sum >= CLIENTS * REQUESTS);
    }
}

#[test]
fn a_server_that_is_down_stays_down() {
    let (well, ill) = (Backend::echo("well"), Backend::start("ill", refusing()));
    let services = format!(
        "    s: {{loadBalancer: {{healthCheck: {{path: /health, interval: 1h, timeout: 5s}}, \
         servers: [{}]}}}}\n",
        servers(&[(&well, 1), (&ill, 1)])
    );
    let moongate = Moongate::start(&dynamic(&services, 0));
    until("the check finds it", || {
        let shown = moongate.api("/api/http/services/s@file");
        (shown["serverStatus"][ill.url()] == "DOWN").then_some(())
    });
    // It is well again, which the next check would find in an hour.
    ill.answer(Answer::Echo);
    let totals = totals(&answers_meanwhile(&moongate, &services));
    assert_eq!(totals.keys().collect::<Vec<_>>(), ["well"]);
}

#[test]
fn a_server_that_failed_rests_through_changes() {
    let (well, ill) = (Backend::echo("well"), Backend::start("ill", refusing()));
    let services = format!(
        "    s: {{loadBalancer: {{passiveHealthCheck: {{failureWindow: 1h, maxFailedAttempts: 2}}, \
         servers: [{}]}}}}\n",
        servers(&[(&well, 1), (&ill, 1)])
    );
    let moongate = Moongate::start(&dynamic(&services, 0));
    // One failure before a change and one after it are two: what was counted stays as well.
    let mut client = moongate.client();
    let fails = |client: &mut Client| {
        let end = std::time::Instant::now() + SOON;
        while client.send("GET", "h", "/", &[], b"").status != 500 {
            assert!(std::time::Instant::now() < end, "the ill server is never asked");
        }
    };
    fails(&mut client);
    change(&moongate, &services, CHANGES + 1);
    fails(&mut client);
    ill.answer(Answer::Echo);
    let totals = totals(&answers_meanwhile(&moongate, &services));
    assert_eq!(totals.keys().collect::<Vec<_>>(), ["well"]);
}

#[test]
fn clients_stay_where_they_were() {
    let backends: Vec<_> = ["a", "b", "c"].iter().map(|name| Backend::echo(name)).collect();
    let all: Vec<_> = backends.iter().map(|backend| (backend, 1)).collect();
    let services = format!(
        "    s: {{loadBalancer: {{sticky: {{cookie: {{name: at}}}}, servers: [{}]}}}}\n",
        servers(&all)
    );
    let moongate = Moongate::start(&dynamic(&services, 0));
    let answers = answers_meanwhile(&moongate, &services);
    for client in &answers {
        assert_eq!(client.len(), 1, "{client:?}");
    }
    // And they were spread in turn.
    let counts: Vec<_> = totals(&answers).into_keys().collect();
    assert_eq!(counts, ["a", "b", "c"]);
}

/// An answer that both kinds of checks take for a failure.
fn refusing() -> Answer {
    Answer::Raw(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".to_vec())
}

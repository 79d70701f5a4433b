//! Limits of waiting of routers, entrypoints and services, as clients see them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]
#![allow(missing_docs)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use support::{Answer, Backend, Moongate, SOON};

/// A server that says its pieces with a pause before each, one connection after the other; what
/// the client says meanwhile is read and dropped.
fn slow(pieces: Vec<(u64, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let pieces = pieces.clone();
            thread::spawn(move || {
                let mut reading = stream.try_clone().unwrap();
                let mut first = [0; 1];
                let _ = reading.read(&mut first);
                thread::spawn(move || std::io::copy(&mut reading, &mut std::io::sink()));
                for (millis, text) in pieces {
                    // The time a server takes is what this is about.
                    support::poll::pause(Duration::from_millis(millis));
                    if stream.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
                // Open until the other side ends it.
                let _ = stream.set_read_timeout(Some(SOON));
                let _ = stream.read(&mut first);
            });
        }
    });
    url
}

fn dynamic(router: &str, balancer: &str, url: &str) -> String {
    format!(
        "http:\n  routers:\n    r: {{rule: 'PathPrefix(`/`)', service: s{router}}}\n  \
         services:\n    s: {{loadBalancer: {{servers: [{{url: '{url}'}}]{balancer}}}}}\n"
    )
}

fn timed(moongate: &Moongate) -> (u16, String, bool) {
    let before = Instant::now();
    let reply = moongate.get("h", "/");
    assert!(before.elapsed() < SOON / 2, "too late: {:?}", before.elapsed());
    (reply.status, reply.text(), reply.complete)
}

#[test]
fn a_silent_server_is_not_waited_for() {
    let silent = Backend::start("a", Answer::Silence);
    let late = || (504, "Gateway Timeout".to_owned(), true);
    for (router, balancer, flags) in [
        (", timeouts: {request: 100ms}", "", &[][..]),
        (", timeouts: {backendRequest: 100ms}", "", &[]),
        ("", ", timeouts: {backendRequest: 100ms}", &[]),
        ("", "", &["--entryPoints.web.http.timeouts.request=100ms"]),
        ("", "", &["--entryPoints.web.http.timeouts.backendRequest=100ms"]),
        // The inner one goes first.
        (", timeouts: {backendRequest: 1h}", ", timeouts: {backendRequest: 100ms}", &[]),
        (", timeouts: {request: 100ms}", "", &["--entryPoints.web.http.timeouts.request=1h"]),
    ] {
        let moongate = Moongate::with(&dynamic(router, balancer, &silent.url()), flags);
        assert_eq!(timed(&moongate), late(), "{router} {balancer} {flags:?}");
    }
}

#[test]
fn zero_lifts_the_limit_of_what_stands_around() {
    let url = slow(vec![(400, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")]);
    let flags = ["--entryPoints.web.http.timeouts.request=100ms"];
    let moongate = Moongate::with(&dynamic(", timeouts: {request: 0}", "", &url), &flags);
    assert_eq!(timed(&moongate), (200, "hi".to_owned(), true));
}

#[test]
fn streams_outlive_the_limits_of_answers_and_end_by_silence() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let url = slow(vec![(0, head), (200, "1"), (200, "2"), (200, "3"), (200, "4"), (200, "5")]);
    let limits = ", timeouts: {request: 150ms, backendRequest: 150ms, idle: 2s}";
    let moongate = Moongate::start(&dynamic(limits, "", &url));
    assert_eq!(timed(&moongate), (200, "12345".to_owned(), true));
    let stuck = slow(vec![(0, head), (0, "12")]);
    for (router, balancer) in
        [(", timeouts: {idle: 150ms}", ""), (", timeouts: {idle: 1h}", ", timeouts: {idle: 150ms}")]
    {
        let moongate = Moongate::start(&dynamic(router, balancer, &stuck));
        assert_eq!(timed(&moongate), (200, "12".to_owned(), false), "{router}");
    }
}

#[test]
fn a_long_upload_is_no_late_answer() {
    let backend = Backend::echo("a");
    let limits = ", timeouts: {request: 300ms, backendRequest: 300ms}";
    let moongate = Moongate::start(&dynamic(limits, "", &backend.url()));
    let mut client = moongate.client();
    client.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n");
    for piece in 0..8 {
        support::poll::pause(Duration::from_millis(100));
        client.write(&[b'0' + piece]);
    }
    assert_eq!(client.reply(false).status, 200);
    assert_eq!(backend.last().body, b"01234567");
}

#[test]
fn tunnels_end_by_silence_alone() {
    let switch =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let url = slow(vec![(0, switch), (300, "a"), (300, "b"), (300, "c")]);
    let limits = ", timeouts: {request: 200ms, backendRequest: 200ms, idle: 700ms}";
    let moongate = Moongate::start(&dynamic(limits, "", &url));
    let mut client = moongate.client();
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    assert_eq!(client.send("GET", "h", "/", &upgrade, b"").status, 101);
    assert_eq!(client.take(3), b"abc");
    let before = Instant::now();
    assert!(client.is_closed());
    assert!(before.elapsed() < SOON / 2, "{:?}", before.elapsed());
}

#[test]
fn a_childs_limits_go_before_its_parents() {
    let silent = Backend::start("a", Answer::Silence);
    let dynamic = format!(
        "http:\n  routers:\n    p: {{rule: 'PathPrefix(`/`)', timeouts: {{request: 1h, \
         backendRequest: 1h}}}}\n    c: {{rule: 'Path(`/`)', parentRefs: [p], service: s, \
         timeouts: {{backendRequest: 100ms}}}}\n  services:\n    s: {{loadBalancer: {{servers: \
         [{{url: '{}'}}]}}}}\n",
        silent.url()
    );
    assert_eq!(timed(&Moongate::start(&dynamic)).0, 504);
}

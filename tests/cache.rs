//! `cache`: answers are kept as RFC 9111 allows, over all workers.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;

use support::{Answer, Backend, Moongate, Reply, through, until};

fn dynamic(url: &str, options: &str) -> String {
    through(&format!("cache: {{{options}}}"), url)
}

/// An answer with that status line, headers and body.
fn raw(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
    Answer::Raw((head + body).into_bytes())
}

struct Scene {
    backend: Backend,
    moongate: Moongate,
}

impl Scene {
    fn new(options: &str, headers: &str) -> Self {
        let backend = Backend::start("a", raw("200 OK", headers, "one"));
        let moongate = Moongate::start(&dynamic(&backend.url(), options));
        Self { backend, moongate }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.moongate.client().send(method, "h", path, headers, b"")
    }

    /// How often the server is asked when a request is sent so often.
    fn asked(&self, path: &str, headers: &[(&str, &str)], times: usize) -> usize {
        let before = self.backend.count();
        for _ in 0..times {
            self.ask("GET", path, headers);
        }
        self.backend.count() - before
    }
}

fn status(reply: &Reply) -> &str {
    reply.header("cache-status").unwrap_or_default()
}

#[test]
fn fresh_answers_are_given_again() {
    let scene = Scene::new("", "Cache-Control: max-age=60\r\nETag: \"e1\"\r\nX-A: 1\r\n");
    let first = scene.ask("GET", "/x?a=1", &[]);
    assert_eq!(status(&first), "moongate; fwd=miss; stored");
    // All workers have it.
    for _ in 0..6 {
        let again = scene.ask("GET", "/x?a=1", &[]);
        assert_eq!((again.status, again.text().as_str()), (200, "one"));
        assert_eq!((again.header("age"), again.header("x-a")), (Some("0"), Some("1")));
        assert!(status(&again).starts_with("moongate; hit; ttl="), "{again:?}");
    }
    let head = scene.ask("HEAD", "/x?a=1", &[]);
    assert_eq!((head.status, head.header("content-length")), (200, Some("3")));
    let known = scene.ask("GET", "/x?a=1", &[("If-None-Match", "\"e0\", W/\"e1\"")]);
    assert_eq!((known.status, known.header("etag")), (304, Some("\"e1\"")));
    assert_eq!(scene.ask("GET", "/x?a=1", &[("If-None-Match", "\"e0\"")]).status, 200);
    assert_eq!(scene.backend.count(), 1);
    assert_eq!(scene.asked("/x?a=2", &[], 2), 1);
    assert_eq!(scene.asked("/x?a=1", &[("Cache-Control", "no-cache")], 2), 2);
    assert_eq!(scene.asked("/x?a=1", &[("Range", "bytes=0-1")], 2), 2);
    assert_eq!(scene.ask("GET", "/new", &[("Cache-Control", "only-if-cached")]).status, 504);
}

#[test]
fn what_may_not_be_kept_is_asked_for_each_time() {
    for headers in [
        "",
        "Cache-Control: no-store, max-age=60\r\n",
        "Cache-Control: private, max-age=60\r\n",
        "Cache-Control: max-age=60\r\nSet-Cookie: a=b\r\n",
        "Cache-Control: max-age=60\r\nVary: *\r\n",
        "Cache-Control: max-age=0\r\n",
        "Expires: 0\r\n",
        "Cache-Control: max-age=10\r\nAge: 11\r\n",
    ] {
        assert_eq!(Scene::new("", headers).asked("/", &[], 3), 3, "{headers}");
    }
    let private = [("Authorization", "Basic eDp5")];
    assert_eq!(Scene::new("", "Cache-Control: max-age=60\r\n").asked("/", &private, 3), 3);
    assert_eq!(Scene::new("", "Cache-Control: s-maxage=60\r\n").asked("/", &private, 3), 1);
    assert_eq!(Scene::new("maxBodySize: 2", "Cache-Control: max-age=60\r\n").asked("/", &[], 3), 3);
    assert_eq!(Scene::new("defaultTTL: 1m", "").asked("/", &[], 3), 1);
    let failing = Scene::new("defaultTTL: 1m", "");
    failing.backend.answer(raw("500 Oops", "Cache-Control: max-age=60\r\n", "x"));
    assert_eq!(failing.asked("/", &[], 3), 3);
}

#[test]
fn answers_vary() {
    let scene = Scene::new("ignoredQuery: [utm]", "Cache-Control: max-age=60\r\nVary: X-Who\r\n");
    assert_eq!(scene.asked("/", &[("X-Who", "ann")], 2), 1);
    assert_eq!(scene.asked("/", &[("X-Who", "bob")], 2), 1);
    assert_eq!(scene.asked("/", &[("X-Who", "ann")], 2), 0);
    assert_eq!(scene.asked("/", &[], 2), 1);
    assert_eq!(scene.asked("/?utm=mail", &[], 2), 0);
    assert_eq!(scene.asked("/?utm=mail&a=1", &[], 2), 1);
    assert_eq!(scene.asked("/?a=1&utm=ad", &[], 2), 0);
}

#[test]
fn changes_and_purges_forget() {
    let scene = Scene::new("purgeSourceRange: [127.0.0.1]", "Cache-Control: max-age=60\r\n");
    assert_eq!(scene.asked("/", &[], 2), 1);
    assert_eq!(scene.ask("POST", "/", &[]).status, 200);
    assert_eq!(scene.asked("/", &[], 2), 1);
    assert_eq!(scene.ask("PURGE", "/", &[]).status, 200);
    assert_eq!(scene.ask("PURGE", "/", &[]).status, 404);
    assert_eq!(scene.asked("/", &[], 2), 1);
    let closed = Scene::new("purgeSourceRange: [10.0.0.1]", "Cache-Control: max-age=60\r\n");
    assert_eq!(closed.ask("PURGE", "/", &[]).status, 403);
    let none = Scene::new("", "Cache-Control: max-age=60\r\n");
    assert_eq!(none.ask("PURGE", "/", &[]).status, 200);
    assert_eq!(none.backend.last().line(), "PURGE / HTTP/1.1");
}

#[test]
fn stale_answers_are_asked_about() {
    let headers = "Cache-Control: max-age=10, no-cache\r\nETag: \"e1\"\r\n";
    let scene = Scene::new("", headers);
    assert_eq!(scene.ask("GET", "/", &[]).text(), "one");
    scene.backend.answer(raw("304 Not Modified", "ETag: \"e1\"\r\nX-New: 2\r\n", ""));
    let again = scene.ask("GET", "/", &[]);
    assert_eq!((again.status, again.text().as_str()), (200, "one"));
    assert_eq!(again.header("x-new"), Some("2"));
    assert!(status(&again).contains("revalidated"), "{again:?}");
    assert_eq!(scene.backend.last().header("if-none-match"), Some("\"e1\""));
    scene.backend.answer(raw("200 OK", headers, "two"));
    assert_eq!(scene.ask("GET", "/", &[]).text(), "two");
}

#[test]
fn stale_answers_when_the_service_fails_or_while_it_is_asked() {
    let stale = "Age: 100\r\nCache-Control: max-age=99, stale-if-error=60\r\n";
    let scene = Scene::new("", stale);
    assert_eq!(scene.ask("GET", "/", &[]).text(), "one");
    scene.backend.answer(raw("503 Busy", "", "busy"));
    let saved = scene.ask("GET", "/", &[]);
    assert_eq!((saved.status, saved.text().as_str()), (200, "one"));
    assert!(status(&saved).contains("stale-if-error"), "{saved:?}");

    let stale = "Age: 100\r\nCache-Control: max-age=99, stale-while-revalidate=60\r\n";
    let scene = Scene::new("", stale);
    assert_eq!(scene.ask("GET", "/", &[]).text(), "one");
    scene.backend.answer(raw("200 OK", "Cache-Control: max-age=60\r\n", "two"));
    let given = scene.ask("GET", "/", &[]);
    assert_eq!(given.text(), "one");
    assert!(status(&given).contains("stale-while-revalidate"), "{given:?}");
    until("the new answer is there", || (scene.ask("GET", "/", &[]).text() == "two").then_some(()));
    assert_eq!(scene.backend.count(), 2);
}

/// A server that answers each request only when it is told to.
fn gated(answer: &'static str) -> (SocketAddr, mpsc::Receiver<mpsc::Sender<()>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, asks) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let asked = asked.clone();
            thread::spawn(move || {
                let mut piece = [0; 4096];
                while stream.read(&mut piece).is_ok_and(|length| length > 0) {
                    let (go, gone) = mpsc::channel();
                    if asked.send(go).is_err() || gone.recv().is_err() {
                        return;
                    }
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (address, asks)
}

#[test]
fn requests_for_the_same_wait_for_one() {
    let (address, asks) =
        gated("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\none");
    let moongate = Moongate::start(&dynamic(&format!("http://{address}"), ""));
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..8).map(|_| scope.spawn(|| moongate.get("h", "/slow").text())).collect();
        let go = asks.recv_timeout(support::SOON).unwrap();
        go.send(()).unwrap();
        for client in clients {
            assert_eq!(client.join().unwrap(), "one");
        }
    });
    assert!(asks.try_recv().is_err(), "the server was asked twice");
}

#[test]
fn what_cannot_be_kept_is_not_waited_for_twice() {
    let (address, asks) = gated("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
    let moongate = Moongate::start(&dynamic(&format!("http://{address}"), ""));
    thread::scope(|scope| {
        let ask = || moongate.get("h", "/slow").text();
        let first = scope.spawn(ask);
        asks.recv_timeout(support::SOON).unwrap().send(()).unwrap();
        assert_eq!(first.join().unwrap(), "one");
        // Now both reach the server at once.
        let both = [scope.spawn(ask), scope.spawn(ask)];
        let goes = [(); 2].map(|()| asks.recv_timeout(support::SOON).unwrap());
        for go in goes {
            go.send(()).unwrap();
        }
        for client in both {
            assert_eq!(client.join().unwrap(), "one");
        }
    });
}

//! The edges of HTTP/1, as bytes: what is refused, and what is answered in which way. Each refusal
//! is in the access log like any answer.

#![allow(missing_docs)]

mod support;

use std::time::Duration;

use support::{Answer, Backend, Client, Moongate, to, until};

/// What comes of bytes that are written to a fresh connection.
struct Case {
    bytes: &'static str,
    /// The statuses of the answers, in order.
    statuses: &'static [u16],
    /// Whether the connection is open after them.
    stays: bool,
    /// How many requests the server gets.
    served: usize,
}

const fn refused(bytes: &'static str, statuses: &'static [u16]) -> Case {
    Case { bytes, statuses, stays: false, served: 0 }
}

const fn served(bytes: &'static str, statuses: &'static [u16], served: usize) -> Case {
    Case { bytes, statuses, stays: true, served }
}

const CASES: &[Case] = &[
    // One strict reading of where a request ends.
    refused(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n",
        &[400],
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n\
         0\r\n\r\n",
        &[400],
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        &[400],
    ),
    refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", &[400]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", &[400]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\nx", &[400]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\nx", &[400]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1 2\r\n\r\nx", &[400]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nx", &[400]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\nx", &[400]),
    served(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        &[200],
        1,
    ),
    served("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 01\r\n\r\nx", &[200], 1),
    refused("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[501]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", &[501]),
    refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", &[501]),
    refused(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: \
         identity\r\n\r\n0\r\n\r\n",
        &[501],
    ),
    refused(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", &[400]),
    served(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        &[200],
        1,
    ),
    // Lines and names.
    refused("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\n X: a\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost : h\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\nX\t: a\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\nX\0: a\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", &[400]),
    refused("GET /a\0 HTTP/1.1\r\nHost: h\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\nHost: g\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", &[400]),
    refused("G\0T / HTTP/1.1\r\nHost: h\r\n\r\n", &[400]),
    refused("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", &[400]),
    refused("GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1 x\r\nHost: h\r\n\r\n", &[400]),
    refused("GET noslash HTTP/1.1\r\nHost: h\r\n\r\n", &[400]),
    refused("GET / HTTP/2.0\r\nHost: h\r\n\r\n", &[505]),
    refused("GET /\r\n\r\n", &[400]),
    refused("SSH-2.0-x\r\n\r\n", &[400]),
    refused("GET / HTTP/1.1\r\n\r\n", &[400]),
    // What is no refusal of the bytes leaves the connection as it is.
    Case {
        bytes: "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
        statuses: &[501],
        stays: true,
        served: 0,
    },
    Case {
        bytes: "POST / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n",
        statuses: &[417],
        stays: true,
        served: 0,
    },
    served("GET / HTTP/1.1\r\nHost: h\r\n\r\n", &[200], 1),
    served("GET http://h/x?y HTTP/1.1\r\nHost: other\r\n\r\n", &[200], 1),
    served("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &[200], 0),
    served("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", &[200, 200], 2),
    served("GET / HTTP/1.1\nHost: h\n\n", &[200], 1),
    served("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", &[200], 1),
    served("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", &[200, 200], 2),
    Case {
        bytes: "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        statuses: &[200],
        stays: false,
        served: 1,
    },
    Case { bytes: "GET / HTTP/1.0\r\n\r\n", statuses: &[200], stays: false, served: 1 },
    served("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &[200], 1),
];

/// Chunks that no two readers may read differently.
const BROKEN_CHUNKS: &[&str] = &[
    "x\r\nabc\r\n0\r\n\r\n",
    "\r\nabc\r\n0\r\n\r\n",
    "-1\r\nabc\r\n0\r\n\r\n",
    "+3\r\nabc\r\n0\r\n\r\n",
    "0x3\r\nabc\r\n0\r\n\r\n",
    " 3\r\nabc\r\n0\r\n\r\n",
    "3\nabc\r\n0\r\n\r\n",
    "3\rabc\r\n0\r\n\r\n",
    "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n",
    "3\r\nabc\n0\r\n\r\n",
    "3;a\nb\r\nabc\r\n0\r\n\r\n",
    "3;a\0b\r\nabc\r\n0\r\n\r\n",
    "3;a\rb\r\nabc\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\n0\r\nX : y\r\n\r\n",
    "3\r\nabc\r\n0\r\nX\r\n\r\n",
    "3\r\nabc\r\n0\r\n X: y\r\n\r\n",
];

/// Reads an answer, and says whether the client asked for its head alone.
fn statuses(client: &mut Client, case: &Case) -> Vec<u16> {
    let heads = case.bytes.matches("HEAD / ").count();
    let answers = case.statuses.iter().enumerate();
    answers.map(|(number, _)| client.reply(number < heads).status).collect()
}

#[test]
fn bytes_are_read_in_one_way() {
    let backend = Backend::echo("a");
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let flag = format!("--accessLog.filePath={}", log.display());
    let moongate = Moongate::in_folder(folder, &to(&backend), &[&flag]);
    let mut lines = 0;
    for case in CASES {
        let before = backend.count();
        let mut client = moongate.client();
        client.write(case.bytes.as_bytes());
        assert_eq!(statuses(&mut client, case), case.statuses, "{:?}", case.bytes);
        if case.stays {
            let again = client.send("GET", "h", "/again", &[], b"");
            assert_eq!(again.status, 200, "{:?}", case.bytes);
            lines += 1;
        } else {
            assert!(client.is_closed(), "{:?}", case.bytes);
        }
        let expect = case.served + usize::from(case.stays);
        assert_eq!(backend.count() - before, expect, "{:?}", case.bytes);
        lines += case.statuses.len();
    }
    let text = until("all lines are written", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (text.lines().count() >= lines).then_some(text)
    });
    assert_eq!(text.lines().count(), lines);
    let count = |status: &str| text.lines().filter(|line| line.contains(status)).count();
    for status in [200, 400, 417, 501, 505] {
        let again = if status == 200 { CASES.iter().filter(|case| case.stays).count() } else { 0 };
        let expect = CASES.iter().flat_map(|case| case.statuses).filter(|s| **s == status).count();
        assert_eq!(count(&format!("\" {status} ")), expect + again, "{status}");
    }
}

#[test]
fn broken_chunks_reach_no_server_as_a_request() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    for chunks in BROKEN_CHUNKS {
        let before = backend.count();
        let mut client = moongate.client();
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.write(format!("{head}{chunks}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!(client.reply(false).status, 400, "{chunks:?}");
        assert!(client.is_closed(), "{chunks:?}");
        assert_eq!(backend.count(), before, "{chunks:?}");
    }
}

#[test]
fn heads_and_request_lines_have_limits() {
    let backend = Backend::echo("a");
    let moongate = Moongate::with(&to(&backend), &["--entryPoints.web.http.maxHeaderBytes=4096"]);
    let long = "x".repeat(10_000);
    for (bytes, status) in [
        (format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"), 431),
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(600)), 431),
    ] {
        let mut client = moongate.client();
        client.write(bytes.as_bytes());
        assert_eq!(client.reply(false).status, status);
        assert!(client.is_closed());
    }
    assert_eq!(backend.count(), 0);
    assert_eq!(moongate.get("h", "/").status, 200);
}

#[test]
fn chunk_extensions_are_dropped_and_bounded() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let post = |chunks: &str| {
        let mut client = moongate.client();
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.write(format!("{head}{chunks}").as_bytes());
        client.reply(false).status
    };
    assert_eq!(post("3;a=\"b\"\r\nabc\r\n0;c\r\nX-Trailer: t\r\n\r\n"), 200);
    let seen = backend.last();
    assert!(!String::from_utf8_lossy(&seen.body).contains(';'), "{seen:?}");
    assert_eq!(post(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "e".repeat(20_000))), 400);
    let many = "1;eeeeeeeeeeeeeeeeeeee\r\nx\r\n".repeat(20_000);
    assert_eq!(post(&format!("{many}0\r\n\r\n")), 400);
}

#[test]
fn a_client_that_waits_is_told_to_go_on() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    let mut client = moongate.client();
    client.write(head.as_bytes());
    assert_eq!(client.reply(false).status, 100);
    client.write(b"hi");
    assert_eq!(client.reply(false).status, 200);
    assert_eq!(backend.last().body, b"hi");
    // Nobody asks for the body of a request that no router takes.
    let nobody = Moongate::start("http: {}\n");
    let mut client = nobody.client();
    client.write(head.as_bytes());
    assert_eq!(client.reply(false).status, 404);
    assert!(client.is_closed());
}

#[test]
fn answers_before_the_answer_are_handed_on() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
                 HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let backend = Backend::start("a", Answer::Raw(early.into()));
    let moongate = Moongate::start(&to(&backend));
    let mut client = moongate.client();
    let first = client.send("GET", "h", "/", &[], b"");
    assert_eq!((first.status, first.header("link")), (103, Some("</a>")));
    assert_eq!(client.reply(false).status, 102);
    let last = client.reply(false);
    assert_eq!((last.status, last.text().as_str()), (200, "hi"));
    // HTTP/1.0 knows one answer only.
    let mut old = moongate.client();
    old.write(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    assert_eq!(old.reply(false).status, 200);
}

#[test]
fn connections_end_by_count_and_by_age() {
    let backend = Backend::echo("a");
    let flag = "--entryPoints.web.transport.keepAliveMaxRequests=3";
    let moongate = Moongate::with(&to(&backend), &[flag]);
    let mut client = moongate.client();
    for number in 1..=3 {
        let reply = client.send("GET", "h", "/", &[], b"");
        let expect = (number == 3).then_some("close");
        assert_eq!((reply.status, reply.header("connection")), (200, expect), "{number}");
    }
    assert!(client.is_closed());
    let flag = "--entryPoints.web.transport.keepAliveMaxTime=100ms";
    let moongate = Moongate::with(&to(&backend), &[flag]);
    let mut client = moongate.client();
    assert_eq!(client.send("GET", "h", "/", &[], b"").header("connection"), None);
    support::poll::pause(Duration::from_millis(150));
    assert_eq!(client.send("GET", "h", "/", &[], b"").header("connection"), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn who_is_too_slow_to_take_the_answer_is_cut() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    let backend = Backend::start("a", Answer::Raw(head));
    let flag = "--entryPoints.web.transport.respondingTimeouts.writeTimeout=200ms";
    let moongate = Moongate::with(&to(&backend), &[flag]);
    let reply = moongate.get("h", "/");
    assert_eq!((reply.status, reply.complete), (200, false));
    let silent = Backend::start("a", Answer::Silence);
    let moongate = Moongate::with(&to(&silent), &[flag]);
    let mut client = moongate.client();
    client.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(client.is_closed());
}

#[test]
fn trailers_go_both_ways() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
                  2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n";
    let backend = Backend::start("a", Answer::Raw(answer.into()));
    let moongate = Moongate::start(&to(&backend));
    let mut client = moongate.client();
    let reply = client.send("GET", "h", "/", &[("TE", "trailers")], b"");
    assert_eq!((reply.text().as_str(), reply.header("x-sum")), ("hi", Some("7")));
    client.write(
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
          2\r\nhi\r\n0\r\nX-Sum: 9\r\n\r\n",
    );
    assert_eq!(client.reply(false).status, 200);
    let seen = String::from_utf8_lossy(&backend.last().body).into_owned();
    assert!(seen.to_ascii_lowercase().contains("x-sum: 9"), "{seen:?}");
}

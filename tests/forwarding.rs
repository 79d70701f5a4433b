//! Requests and answers on their way through: headers, bodies, connections, upgrades.

mod support;

use std::io::Write as _;

use support::{Answer, Backend, Client, Moongate, to, until};

#[test]
fn tells_the_server_where_the_request_came_from() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let spoofed = [("X-Forwarded-For", "1.2.3.4"), ("X-Real-Ip", "1.2.3.4"), ("X-Kept", "yes")];
    let reply = moongate.client().send("GET", "shop.test:81", "/x?y=1", &spoofed, b"");
    assert_eq!((reply.status, reply.header("x-backend")), (200, Some("a")));
    let seen = backend.last();
    assert_eq!(seen.line(), "GET /x?y=1 HTTP/1.1");
    for (name, expect) in [
        ("Host", "shop.test:81"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Host", "shop.test:81"),
        ("X-Forwarded-Port", "81"),
        ("X-Forwarded-Proto", "http"),
        ("X-Real-Ip", "127.0.0.1"),
        ("X-Kept", "yes"),
    ] {
        assert_eq!(seen.header(name), Some(expect), "{name} in {}", seen.head);
    }
}

#[test]
fn trusted_clients_may_speak_for_others() {
    let backend = Backend::echo("a");
    let trust = ["--entryPoints.web.forwardedHeaders.trustedIPs=127.0.0.1"];
    let moongate = Moongate::with(&to(&backend), &trust);
    let headers = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")];
    moongate.client().send("GET", "h", "/", &headers, b"");
    let seen = backend.last();
    assert_eq!(seen.header("x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-port"), Some("443"));
}

#[test]
fn hop_by_hop_headers_end_here() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let headers = [
        ("Connection", "X-Conn, X-Forwarded-For"),
        ("X-Conn", "1"),
        ("Proxy-Authorization", "secret"),
        ("Te", "gzip"),
        ("Upgrade", "nothing"),
    ];
    moongate.client().send("GET", "h", "/", &headers, b"");
    let seen = backend.last();
    for name in ["connection", "x-conn", "proxy-authorization", "te", "upgrade"] {
        assert_eq!(seen.header(name), None, "{name} in {}", seen.head);
    }
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn connections_are_kept_on_both_sides() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let mut client = moongate.client();
    for _ in 0..20 {
        assert_eq!(client.send("GET", "h", "/", &[], b"").status, 200);
    }
    assert_eq!((backend.count(), backend.connections()), (20, 1));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let mut client = moongate.client();
    client.write(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    for path in ["/1", "/2"] {
        let reply = client.reply(false);
        assert!(reply.text().contains(&format!("GET {path} ")), "{}", reply.text());
    }
}

#[test]
fn bodies_pass_in_both_framings() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let large = vec![b'x'; 300_000];
    assert_eq!(moongate.client().send("POST", "h", "/", &[], &large).status, 200);
    assert_eq!(backend.last().body.len(), large.len());
    let mut client = moongate.client();
    client.write(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.write(b"3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.reply(false).status, 200);
    let seen = backend.last();
    assert_eq!(seen.header("transfer-encoding"), Some("chunked"));
    assert!(seen.body.ends_with(b"0\r\n\r\n"));
}

#[test]
fn answers_pass_as_they_are() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let check = |raw: &str, status: u16, body: &str| {
        backend.answer(Answer::RawThenClose(raw.as_bytes().to_vec()));
        let reply = moongate.get("h", "/");
        assert_eq!((reply.status, reply.text().as_str()), (status, body), "{raw}");
        reply
    };
    check("HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nhi", 299, "hi");
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "hi");
    check("HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, "until the end");
    let reply = check(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        200,
        "",
    );
    assert_eq!(
        reply.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie")).count(),
        2
    );
}

#[test]
fn early_hints_reach_the_client_before_the_answer() {
    let raw = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let backend = Backend::start("a", Answer::RawThenClose(raw.as_bytes().to_vec()));
    let moongate = Moongate::start(&to(&backend));
    let mut client = moongate.client();
    let hints = client.send("GET", "h", "/", &[], b"");
    assert_eq!((hints.status, hints.header("link")), (103, Some("</a>")));
    assert_eq!(client.reply(false).status, 204);
}

#[test]
fn websockets_become_tunnels() {
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\n\r\nearly";
    let backend = Backend::start("a", Answer::Raw(answer.to_vec()));
    let moongate = Moongate::start(&to(&backend));
    let mut client = moongate.client();
    client.write(
        b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    let reply = client.reply(false);
    assert_eq!((reply.status, reply.header("upgrade")), (101, Some("websocket")));
    assert_eq!(client.take(5), b"early");
    let seen = backend.last();
    assert_eq!(seen.header("x-forwarded-proto"), Some("ws"));
    client.stream.write_all(b"GET /again HTTP/1.1\r\nHost: raw\r\n\r\n").unwrap();
    until("the tunnel's bytes arrive", || (backend.count() == 2).then_some(()));
}

#[test]
fn paths_are_cleaned_before_they_are_routed() {
    let backend = Backend::echo("a");
    let dynamic = to(&backend).replace("PathPrefix(`/`)", "PathPrefix(`/public/`)");
    let moongate = Moongate::start(&dynamic);
    assert_eq!(moongate.get("h", "/public/../secret").status, 404);
    assert_eq!(moongate.get("h", "/x/..//public/%61").status, 200);
    assert_eq!(backend.last().line(), "GET /public/a HTTP/1.1");
}

#[test]
fn malformed_requests_are_refused() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n", 417),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", 400),
    ] {
        let mut client = moongate.client();
        client.write(request.as_bytes());
        assert_eq!(client.reply(false).status, status, "{request}");
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn both_sides_may_speak_http_1_0() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let mut client = Client::connect(moongate.address("web"));
    client.write(b"GET / HTTP/1.0\r\n\r\n");
    let reply = client.reply(false);
    assert_eq!(reply.status, 200);
    assert!(client.is_closed());
}

#[test]
fn the_last_hop_is_added_after_all_middlewares() {
    let backend = Backend::echo("a");
    let sees = "return { request = function(req) \
                req.headers['X-Seen'] = req.headers['X-Forwarded-For'] or 'none' end }";
    for (middleware, sent, seen, expect) in [
        (format!("lua: {{code: \"{sees}\"}}"), Some("1.2.3.4"), "1.2.3.4", "1.2.3.4, 127.0.0.1"),
        (format!("lua: {{code: \"{sees}\"}}"), None, "none", "127.0.0.1"),
        (
            "headers: {customRequestHeaders: {X-Forwarded-For: '', X-Seen: 'set'}}".to_owned(),
            Some("1.2.3.4"),
            "set",
            "127.0.0.1",
        ),
        (
            "headers: {customRequestHeaders: {X-Forwarded-For: '5.6.7.8', X-Seen: 'set'}}"
                .to_owned(),
            None,
            "set",
            "5.6.7.8, 127.0.0.1",
        ),
    ] {
        let dynamic = to(&backend).replace("service: all}", "service: all, middlewares: [m]}")
            + &format!("  middlewares:\n    m: {{{middleware}}}\n");
        let flags = ["--entryPoints.web.forwardedHeaders.insecure"];
        let moongate = Moongate::with(&dynamic, &flags);
        let headers: Vec<_> = sent.iter().map(|value| ("X-Forwarded-For", *value)).collect();
        assert_eq!(moongate.client().send("GET", "h", "/", &headers, b"").status, 200);
        let got = backend.last();
        assert_eq!(got.header("x-forwarded-for"), Some(expect), "{middleware}");
        assert_eq!(got.header("x-seen"), Some(seen), "{middleware}");
    }
}

#[test]
fn clients_cannot_drop_what_middlewares_add() {
    let backend = Backend::echo("a");
    let sees = "return { request = function(req) \
                req.headers['X-Seen'] = req.headers['X-Role'] or 'none' \
                req.headers['X-Role'] = 'admin' end }";
    let dynamic = to(&backend).replace("service: all}", "service: all, middlewares: [m]}")
        + &format!("  middlewares:\n    m: {{lua: {{code: \"{sees}\"}}}}\n");
    let kept = "--entryPoints.web.forwardedHeaders.connection=X-Role";
    for (flags, role, seen) in [(&[][..], Some("admin"), "none"), (&[kept], None, "client")] {
        let moongate = Moongate::with(&dynamic, flags);
        let headers = [("Connection", "X-Role, keep-alive"), ("X-Role", "client")];
        assert_eq!(moongate.client().send("GET", "h", "/", &headers, b"").status, 200);
        let got = backend.last();
        assert_eq!((got.header("x-role"), got.header("x-seen")), (role, Some(seen)), "{flags:?}");
    }
}

//! What goes wrong: servers that refuse, are slow, die or talk nonsense, and clients that leave.

mod support;

use std::net::Shutdown;

use support::{Answer, Backend, Moongate, to, until};

fn with_url(url: &str, more: &str) -> String {
    format!(
        "http:\n  routers:\n    all: {{rule: 'PathPrefix(`/`)', service: all}}\n  services:\n    \
         all: {{loadBalancer: {{servers: [{{url: '{url}'}}]{more}}}}}\n"
    )
}

#[test]
fn a_closed_server_is_a_bad_gateway() {
    let moongate = Moongate::start(&with_url(&Backend::closed(), ""));
    let reply = moongate.get("h", "/");
    assert_eq!((reply.status, reply.text().as_str()), (502, "Bad Gateway"));
}

#[test]
fn no_router_and_no_server_have_their_own_words() {
    let moongate = Moongate::start(
        "http:\n  routers:\n    none: {rule: 'Path(`/none`)', service: none}\n  services:\n    \
         none: {loadBalancer: {servers: []}}\n",
    );
    let reply = moongate.get("h", "/nowhere");
    assert_eq!((reply.status, reply.text().as_str()), (404, "404 page not found\n"));
    let reply = moongate.get("h", "/none");
    assert_eq!((reply.status, reply.text().as_str()), (503, "no available server\n"));
}

#[test]
fn a_silent_server_times_out() {
    let backend = Backend::start("a", Answer::Silence);
    let dynamic = with_url(&backend.url(), ", serversTransport: quick")
        + "  serversTransports:\n    quick: {forwardingTimeouts: {responseHeaderTimeout: 100ms}}\n";
    let moongate = Moongate::start(&dynamic);
    let reply = moongate.get("h", "/");
    assert_eq!((reply.status, reply.text().as_str()), (504, "Gateway Timeout"));
}

#[test]
fn garbage_is_an_error_of_the_server() {
    let backend = Backend::start("a", Answer::RawThenClose(b"SSH-2.0-x\r\n\r\n".to_vec()));
    let moongate = Moongate::start(&to(&backend));
    assert_eq!(moongate.get("h", "/").status, 500);
    backend.answer(Answer::RawThenClose(Vec::new()));
    assert_eq!(moongate.get("h", "/").status, 502);
}

#[test]
fn a_server_that_dies_cuts_the_answer_and_nothing_else() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    let backend = Backend::start("a", Answer::RawThenClose(cut));
    let moongate = Moongate::start(&to(&backend));
    let reply = moongate.get("h", "/");
    assert_eq!((reply.status, reply.complete), (200, false));
    backend.answer(Answer::Echo);
    assert!(moongate.get("h", "/").complete);
}

#[test]
fn a_stale_connection_never_shows() {
    let backend = Backend::echo("a");
    let moongate = Moongate::start(&to(&backend));
    let close = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
    backend.answer(Answer::RawThenClose(close));
    let mut client = moongate.client();
    for _ in 0..30 {
        let reply = client.send("GET", "h", "/", &[], b"");
        assert_eq!((reply.status, reply.text().as_str()), (200, "hi"));
    }
}

#[test]
fn a_client_that_leaves_is_not_waited_for() {
    let backend = Backend::start("a", Answer::Silence);
    let moongate = Moongate::start(&to(&backend));
    let client = moongate.client();
    let mut gone = moongate.client();
    gone.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    until("the request arrives", || (backend.count() == 1).then_some(()));
    gone.stream.shutdown(Shutdown::Both).unwrap();
    backend.answer(Answer::Echo);
    drop(client);
    assert_eq!(moongate.get("h", "/").status, 200);
}

#[test]
fn a_disabled_router_harms_no_neighbour() {
    let backend = Backend::echo("a");
    let dynamic = format!(
        "http:\n  routers:\n    good: {{rule: 'Path(`/good`)', service: s}}\n    \
         rule: {{rule: 'Path(`/rule`', service: s}}\n    \
         service: {{rule: 'Path(`/service`)', service: nope}}\n    \
         middleware: {{rule: 'Path(`/middleware`)', service: s, middlewares: [nope]}}\n  \
         services:\n    s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        backend.url()
    );
    let moongate = Moongate::start(&dynamic);
    assert_eq!(moongate.get("h", "/good").status, 200);
    for (name, reason) in [
        ("rule", "rule error at line 1"),
        ("service", "\"nope@file\" does not exist"),
        ("middleware", "\"nope@file\" does not exist"),
    ] {
        assert_eq!(moongate.get("h", &format!("/{name}")).status, 404);
        let router = moongate.api(&format!("/api/http/routers/{name}@file"));
        assert_eq!(router["status"], "disabled");
        let error = router["error"][0].as_str().unwrap_or_default();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

//! TCP: where connections go, bytes both ways, the PROXY header, middlewares, health.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use support::{Answer, Backend, Moongate, SOON, to, until};

/// A server that says its name at once, and then whatever it hears.
struct Server {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Server {
    fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&open);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, count) = (stream.unwrap(), Arc::clone(&count));
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // The other side may be gone already.
                    let _ = stream.write_all(name.as_bytes());
                    let mut buffer = [0; 1000];
                    while let Ok(read @ 1..) = stream.read(&mut buffer) {
                        if stream.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, open }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// What comes back until there are so many bytes or the end.
fn hear(stream: &mut TcpStream, count: usize) -> String {
    let mut heard = Vec::new();
    let _ = stream.take(count as u64).read_to_end(&mut heard);
    String::from_utf8_lossy(&heard).into_owned()
}

const CATCH_ALL: &str = "{rule: 'HostSNI(`*`)', service: s, entryPoints: [tc]}";

fn started(router: &str, service: &str, more: &str) -> Moongate {
    let dynamic =
        format!("tcp:\n  routers:\n    r: {router}\n  services:\n    s: {service}\n{more}");
    Moongate::with(&dynamic, &["--entryPoints.tc.address=127.0.0.1:0"])
}

fn servers(all: &[&Server]) -> String {
    let all: Vec<_> = all.iter().map(|s| format!("{{address: '{}'}}", s.address)).collect();
    format!("{{loadBalancer: {{servers: [{}]}}}}", all.join(", "))
}

#[test]
fn the_server_may_speak_first() {
    let server = Server::start("a");
    let moongate = started(CATCH_ALL, &servers(&[&server]), "");
    let mut client = connect(moongate.address("tc"));
    assert_eq!(hear(&mut client, 1), "a");
    client.write_all(b"hello").unwrap();
    assert_eq!(hear(&mut client, 5), "hello");
}

#[test]
fn the_end_of_one_direction_is_told() {
    let server = Server::start("");
    let more = "  serversTransports:\n    t: {terminationDelay: 10s}\n";
    let service = servers(&[&server]).replace("servers:", "serversTransport: t, servers:");
    let moongate = started(CATCH_ALL, &service, more);
    let mut client = connect(moongate.address("tc"));
    client.write_all(b"last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hear(&mut client, 100), "last words");
    until("the server's side ends", || (server.open.load(Ordering::SeqCst) == 0).then_some(()));
}

#[test]
fn much_goes_both_ways() {
    let server = Server::start("");
    let moongate = started(CATCH_ALL, &servers(&[&server]), "");
    let mut client = connect(moongate.address("tc"));
    let sent: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    let mut up = client.try_clone().unwrap();
    let copy = sent.clone();
    let writer = thread::spawn(move || up.write_all(&copy).unwrap());
    let mut heard = vec![0; sent.len()];
    client.read_exact(&mut heard).unwrap();
    writer.join().unwrap();
    assert!(heard == sent);
}

#[test]
fn what_no_tcp_router_wants_is_http() {
    let backend = Backend::start("web", Answer::Echo);
    let server = Server::start("tcp");
    let dynamic = format!(
        "{}tcp:\n  routers:\n    r: {{rule: 'ClientIP(`127.9.9.9`)', service: s}}\n  \
         services:\n    s: {}\n",
        to(&backend),
        servers(&[&server])
    );
    let moongate = Moongate::start(&dynamic);
    let reply = moongate.get("h", "/x");
    assert_eq!(reply.status, 200);
}

#[test]
fn a_refused_connection_is_closed() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = format!("{{loadBalancer: {{servers: [{{address: '{free}'}}]}}}}");
    let moongate = started(CATCH_ALL, &service, "");
    assert_eq!(hear(&mut connect(moongate.address("tc")), 1), "");
}

#[test]
fn proxy_headers_are_read_and_written() {
    let server = Server::start("");
    let service = servers(&[&server]).replace("servers:", "proxyProtocol: {version: 1}, servers:");
    let dynamic = format!("tcp:\n  routers:\n    r: {CATCH_ALL}\n  services:\n    s: {service}\n");
    let flags =
        ["--entryPoints.tc.address=127.0.0.1:0", "--entryPoints.tc.proxyProtocol.insecure=true"];
    let moongate = Moongate::with(&dynamic, &flags);
    let mut client = connect(moongate.address("tc"));
    let header = "PROXY TCP4 10.1.2.3 10.0.0.1 5555 80\r\n";
    client.write_all(header.as_bytes()).unwrap();
    client.write_all(b"x").unwrap();
    assert_eq!(hear(&mut client, header.len() + 1), format!("{header}x"));
    let mut client = connect(moongate.address("tc"));
    client.write_all(b"PROXY GARBAGE\r\n").unwrap();
    assert_eq!(hear(&mut client, 1), "");
}

#[test]
fn connections_of_one_address_are_counted() {
    let server = Server::start("a");
    let router = CATCH_ALL.replace("entryPoints:", "middlewares: [m], entryPoints:");
    let more = "  middlewares:\n    m: {inFlightConn: {amount: 2}}\n";
    let moongate = started(&router, &servers(&[&server]), more);
    let address = moongate.address("tc");
    let open = || {
        let mut client = connect(address);
        (hear(&mut client, 1) == "a").then_some(client)
    };
    let (first, second) = (open().unwrap(), open().unwrap());
    assert!(open().is_none());
    drop(first);
    let third = until("there is room again", open);
    assert!(open().is_none());
    drop((second, third));
}

/// A middleware's options, and which of connections that are opened one after another, and held,
/// are let through.
const ADMITTED: &[(&str, &str, &[bool])] = &[
    ("inFlightConn", "{amount: 2}", &[true, true, false]),
    ("ipAllowList", "{sourceRange: [127.0.0.0/8]}", &[true, true]),
    ("ipAllowList", "{sourceRange: [10.0.0.0/8]}", &[false]),
    ("ipWhiteList", "{sourceRange: [127.0.0.0/8]}", &[true]),
    ("ipWhiteList", "{sourceRange: [10.0.0.0/8]}", &[false]),
];

#[test]
fn a_copy_of_any_middleware_lets_the_same_connections_through() {
    let scripts: Vec<_> = moongate::lua::tcp_builtins().collect();
    for source in &scripts {
        let shown = ADMITTED.iter().any(|(kind, ..)| *kind == source.kind());
        assert!(shown, "{} has no example", source.kind());
    }
    let server = Server::start("a");
    let router = CATCH_ALL.replace("entryPoints:", "middlewares: [m], entryPoints:");
    let service = servers(&[&server]);
    for (kind, options, expect) in ADMITTED {
        let own = format!("{{{kind}: {options}}}");
        let copy = format!("{{plugin: {{copyOf{kind}: {options}}}}}");
        for middleware in [own, copy] {
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().join("scripts/tcp");
            std::fs::create_dir_all(&place).unwrap();
            for source in &scripts {
                let name = format!("copyOf{}.lua", source.kind());
                std::fs::write(place.join(name), source.text.as_bytes()).unwrap();
            }
            let dynamic = format!(
                "tcp:\n  routers:\n    r: {router}\n  services:\n    s: {service}\n  \
                 middlewares:\n    m: {middleware}\n"
            );
            let directory = format!("--scripts.directory={}/scripts", folder.path().display());
            let flags = ["--entryPoints.tc.address=127.0.0.1:0", directory.as_str()];
            let moongate = Moongate::in_folder(folder, &dynamic, &flags);
            let mut held = Vec::new();
            let admitted = expect.iter().map(|_| {
                let mut client = connect(moongate.address("tc"));
                let is_served = hear(&mut client, 1) == "a";
                held.push(client);
                is_served
            });
            assert_eq!(admitted.collect::<Vec<_>>(), *expect, "{middleware}");
        }
    }
}

#[test]
fn a_script_asks_a_service_about_a_connection() {
    let (server, judge) = (Server::start("a"), Backend::echo("judge"));
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("scripts/tcp");
    std::fs::create_dir_all(&place).unwrap();
    let text = "-- Asks.\nreturn {\n\
                stream = function(conn, ctx)\n\
                  local res = http.fetch(ctx.options.judge .. '/may?ip=' .. conn.remote_ip)\n\
                  if not res or res.status ~= 200 then conn:close() end\n\
                end }";
    std::fs::write(place.join("judged.lua"), text).unwrap();
    let dynamic = format!(
        "tcp:\n  routers:\n    r: {}\n  services:\n    s: {}\n  \
         middlewares:\n    m: {{plugin: {{judged: {{judge: '{}'}}}}}}\n",
        CATCH_ALL.replace("entryPoints:", "middlewares: [m], entryPoints:"),
        servers(&[&server]),
        judge.url(),
    );
    let directory = format!("--scripts.directory={}/scripts", folder.path().display());
    let flags = ["--entryPoints.tc.address=127.0.0.1:0", directory.as_str()];
    let moongate = Moongate::in_folder(folder, &dynamic, &flags);
    let heard = || hear(&mut connect(moongate.address("tc")), 1);
    assert_eq!(heard(), "a");
    assert_eq!(judge.last().line(), "GET /may?ip=127.0.0.1 HTTP/1.1");
    judge.answer(Answer::Raw(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    assert_eq!(heard(), "");
}

#[test]
fn servers_that_are_down_are_passed_over() {
    let (up, down) = (Server::start("u"), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = down.local_addr().unwrap();
    drop(down);
    let service = format!(
        "{{loadBalancer: {{healthCheck: {{interval: 20ms, timeout: 5s}}, servers: \
         [{{address: '{address}'}}, {{address: '{}'}}]}}}}",
        up.address
    );
    let moongate = started(CATCH_ALL, &service, "");
    let status =
        |place: &str| moongate.api("/api/tcp/services/s@file")["serverStatus"][place] == "DOWN";
    until("the check has found it", || status(&address.to_string()).then_some(()));
    for _ in 0..4 {
        assert_eq!(hear(&mut connect(moongate.address("tc")), 1), "u");
    }
}

#[test]
fn open_connections_finish() {
    let server = Server::start("a");
    let mut moongate = started(CATCH_ALL, &servers(&[&server]), "");
    let address = moongate.address("tc");
    let mut client = connect(address);
    assert_eq!(hear(&mut client, 1), "a");
    moongate.stop();
    until("new ones are refused", || TcpStream::connect(address).is_err().then_some(()));
    client.write_all(b"still").unwrap();
    assert_eq!(hear(&mut client, 5), "still");
    drop(client);
    until("Moongate ends", || moongate.has_ended().then_some(()));
}

//! HTTP/3: requests over QUIC, under the TLS options of their host, and how clients learn of it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use quinn::crypto::rustls::QuicClientConfig;
use support::{Answer, Backend, Moongate, SOON, until};

const NAMES: [&str; 5] = ["a.test", "closed.test", "old.test", "broken.test", "judged.test"];

struct Scene {
    backend: Backend,
    moongate: Moongate,
    root: rustls::pki_types::CertificateDer<'static>,
}

fn scene(flags: &[&str]) -> Scene {
    let certified = rcgen::generate_simple_self_signed(NAMES.map(str::to_owned)).unwrap();
    let (root, key) = (certified.cert, certified.signing_key);
    let backend = Backend::echo("s");
    let indent = |pem: &str| pem.trim().replace('\n', "\n        ");
    let dynamic = format!(
        "
http:
  routers:
    a: {{rule: 'Host(`a.test`)', service: s, tls: {{}}}}
    plain: {{rule: 'Host(`a.test`)', service: s}}
    closed: {{rule: 'Host(`closed.test`)', service: s, tls: {{options: modern}}}}
    old: {{rule: 'Host(`old.test`)', service: s, tls: {{options: old}}}}
    judged: {{rule: 'Host(`judged.test`)', service: s, tls: {{options: judged}}}}
    broken: {{rule: 'Host(`broken.test`)', service: s, tls: {{options: nonsense}}}}
  services:
    s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
tls:
  options:
    modern: {{minVersion: VersionTLS13}}
    old: {{maxVersion: VersionTLS12}}
    judged: {{lua: judge.lua}}
  certificates:
    - certFile: |
        {}
      keyFile: |
        {}
",
        backend.url(),
        indent(&root.pem()),
        indent(&key.serialize_pem()),
    );
    let flags = [&["--entryPoints.web.http3=true"], flags].concat();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("judge.lua"), "return { tls = function() end }").unwrap();
    let moongate = Moongate::in_folder(folder, &dynamic, &flags);
    std::fs::write(moongate.file("root.pem"), root.pem()).unwrap();
    Scene { backend, moongate, root: root.der().clone() }
}

type Sender = h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>;

/// A connection; the driver goes on in a task of its own.
async fn connect(scene: &Scene, name: &str) -> Option<(quinn::Endpoint, Sender)> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(scene.root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = QuicClientConfig::try_from(tls).unwrap();
    let endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(config));
    let address = scene.moongate.address("web");
    let quic = endpoint.connect_with(config, address, name).unwrap().await.ok()?;
    let (mut driver, sender) = h3::client::new(h3_quinn::Connection::new(quic)).await.ok()?;
    tokio::task::spawn_local(async move {
        std::future::poll_fn(|cx| driver.poll_close(cx)).await;
    });
    Some((endpoint, sender))
}

struct Answered {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
}

async fn ask(sender: &mut Sender, request: http::Request<()>, body: &[u8]) -> Option<Answered> {
    let mut stream = sender.send_request(request).await.ok()?;
    for piece in body.chunks(10_000) {
        stream.send_data(Bytes::copy_from_slice(piece)).await.ok()?;
    }
    stream.finish().await.ok()?;
    let (parts, ()) = stream.recv_response().await.ok()?.into_parts();
    let mut body = Vec::new();
    while let Some(mut data) = stream.recv_data().await.ok()? {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    Some(Answered { status: parts.status.as_u16(), headers: parts.headers, body })
}

fn get(host: &str, path: &str) -> http::Request<()> {
    http::Request::get(format!("https://{host}{path}")).body(()).unwrap()
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limited = async { tokio::time::timeout(SOON * 3, test).await };
    tokio::task::LocalSet::new().block_on(&runtime, limited).expect("the test ends in time")
}

/// Asks again and again, and lets connections go on meanwhile; [`run`] has the limit.
async fn until_async(is_so: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(5));
    while !is_so() {
        tick.tick().await;
    }
}

#[test]
fn requests_and_answers() {
    let scene = scene(&[]);
    run(async {
        let (_endpoint, mut sender) = connect(&scene, "a.test").await.unwrap();
        let answer = ask(&mut sender, get("a.test", "/x?y=1"), b"").await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["x-backend"], "s");
        assert!(answer.headers.contains_key("date") && !answer.headers.contains_key("alt-svc"));
        let seen = scene.backend.last();
        assert_eq!(seen.line(), "GET /x?y=1 HTTP/1.1");
        assert_eq!(seen.header("host"), Some("a.test"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!((seen.header("transfer-encoding"), seen.body.len()), (None, 0));

        let sent: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
        let post = http::Request::post("https://a.test/p").header("content-length", sent.len());
        let answer = ask(&mut sender, post.body(()).unwrap(), &sent).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(scene.backend.last().body == sent);

        let post = http::Request::post("https://a.test/p").body(()).unwrap();
        let answer = ask(&mut sender, post, b"of no told length").await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(scene.backend.last().header("transfer-encoding"), Some("chunked"));

        let large = "x".repeat(2_000_000);
        let raw = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{large}", large.len());
        scene.backend.answer(Answer::Raw(raw.into_bytes()));
        let answer = ask(&mut sender, get("a.test", "/"), b"").await.unwrap();
        assert!(answer.body == large.as_bytes());
        assert_eq!(answer.headers["content-length"], "2000000");
        let head = http::Request::head("https://a.test/").body(()).unwrap();
        let head_answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec();
        scene.backend.answer(Answer::Raw(head_answer));
        let answer = ask(&mut sender, head, b"").await.unwrap();
        assert_eq!((answer.status, &*answer.body), (200, &b""[..]));
        let answer = ask(&mut sender, get("nobody.test", "/"), b"").await.unwrap();
        assert_eq!(answer.status, 404);
    });
}

#[test]
fn what_is_broken_is_not_passed_on() {
    let scene = scene(&[]);
    run(async {
        let (_endpoint, mut sender) = connect(&scene, "a.test").await.unwrap();
        for (name, value, body) in [
            ("connection", "keep-alive", ""),
            ("transfer-encoding", "chunked", ""),
            ("te", "gzip", ""),
            ("content-length", "-1", ""),
        ] {
            let request = http::Request::post("https://a.test/").header(name, value);
            let answer = ask(&mut sender, request.body(()).unwrap(), body.as_bytes()).await;
            assert!(answer.is_none(), "{name}: {value}");
        }
        assert_eq!(scene.backend.count(), 0);
        // More bytes than were told, and fewer.
        for body in ["abcd", "a"] {
            let request = http::Request::post("https://a.test/").header("content-length", 2);
            let answer = ask(&mut sender, request.body(()).unwrap(), body.as_bytes()).await;
            let status = answer.map(|answer| answer.status);
            assert!(!matches!(status, Some(200)), "{body}: {status:?}");
        }
        let request = get("a.test", "/");
        assert_eq!(ask(&mut sender, request, b"").await.unwrap().status, 200);
    });
}

#[test]
fn hosts_have_their_tls_options() {
    let scene = scene(&[]);
    run(async {
        for (name, host, expect) in [
            ("closed.test", "closed.test", Some(200)),
            ("a.test", "closed.test", Some(421)),
            ("closed.test", "a.test", Some(421)),
            ("old.test", "old.test", None),
            ("broken.test", "a.test", None),
            // Scripts of handshakes are asked over TCP only.
            ("judged.test", "judged.test", None),
        ] {
            let Some((_endpoint, mut sender)) = connect(&scene, name).await else {
                assert_eq!(expect, None, "{name}");
                continue;
            };
            let answer = ask(&mut sender, get(host, "/"), b"").await;
            assert_eq!(answer.map(|answer| answer.status), expect, "{name} {host}");
        }
    });
}

/// An answer to a request over TCP, with TLS or without it.
fn over_tcp(scene: &Scene, encrypted: bool) -> String {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(scene.root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut stream = TcpStream::connect(scene.moongate.address("web")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    if encrypted {
        let name = "a.test".try_into().unwrap();
        let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = rustls::StreamOwned::new(tls, stream);
        stream.write_all(request).unwrap();
        // The connection may end without a word of TLS, once the answer is there.
        let _ = stream.read_to_string(&mut answer);
    } else {
        stream.write_all(request).unwrap();
        stream.read_to_string(&mut answer).unwrap();
    }
    answer
}

#[test]
fn clients_are_told_of_it_over_tls() {
    let own = scene(&[]);
    let port = own.moongate.address("web").port();
    let told = format!("alt-svc: h3=\":{port}\"; ma=2592000\r\n");
    assert!(over_tcp(&own, true).contains(&told));
    assert!(!over_tcp(&own, false).contains("alt-svc"));
    let other = scene(&["--entryPoints.web.http3.advertisedPort=4433"]);
    assert!(over_tcp(&other, true).contains("alt-svc: h3=\":4433\"; ma=2592000\r\n"));
}

#[test]
fn a_client_may_move_to_another_port() {
    let scene = scene(&[]);
    run(async {
        let (endpoint, mut sender) = connect(&scene, "a.test").await.unwrap();
        for _ in 0..5 {
            let answer = ask(&mut sender, get("a.test", "/"), b"").await.unwrap();
            assert_eq!(answer.status, 200);
            endpoint.rebind(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        }
    });
}

#[test]
fn open_requests_finish() {
    let mut scene = scene(&[]);
    scene.backend.answer(Answer::Silence);
    run(async {
        let (_endpoint, mut sender) = connect(&scene, "a.test").await.unwrap();
        let request = http::Request::post("https://a.test/p").header("content-length", 2);
        let mut stream = sender.send_request(request.body(()).unwrap()).await.unwrap();
        stream.send_data(Bytes::from_static(b"a")).await.unwrap();
        until_async(|| scene.backend.connections() > 0).await;
        scene.backend.answer(Answer::Echo);
        scene.moongate.stop();
        let address = scene.moongate.address("web");
        until_async(|| TcpStream::connect(address).is_err()).await;
        stream.send_data(Bytes::from_static(b"b")).await.unwrap();
        stream.finish().await.unwrap();
        assert_eq!(stream.recv_response().await.unwrap().status(), 200);
        assert!(ask(&mut sender, get("a.test", "/late"), b"").await.is_none());
    });
    assert_eq!(scene.backend.count(), 1);
    until("Moongate ends", || scene.moongate.has_ended().then_some(()));
}

/// aioquic speaks HTTP/3 without a line of ours.
#[test]
fn aioquic_is_served() {
    let scene = scene(&[]);
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/http3.py");
    let output = Command::new("python3")
        .arg(client)
        .arg(scene.moongate.address("web").to_string())
        .arg(scene.moongate.file("root.pem"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let seen = scene.backend.last();
    assert_eq!((seen.line(), seen.body.len()), ("POST /upload HTTP/1.1", 100_000));
}

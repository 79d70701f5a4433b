//! TLS options over real connections: hosts have the options of their routers, and no others.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use support::{Backend, Moongate, SOON};

/// Routers of two hosts with the default options, of one with its own, and of one with unknown
/// ones.
fn configuration(backend: &Backend, certificate: &str, key: &str) -> String {
    let indent = |pem: &str| pem.trim().replace('\n', "\n        ");
    format!(
        "
http:
  routers:
    open: {{rule: 'Host(`open.test`)', service: s, tls: {{}}}}
    same: {{rule: 'Host(`same.test`)', service: s, tls: {{options: default}}}}
    closed: {{rule: 'Host(`closed.test`)', service: s, tls: {{options: modern}}}}
    broken: {{rule: 'Host(`broken.test`)', service: s, tls: {{options: nonsense}}}}
  services:
    s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
tls:
  options:
    modern: {{minVersion: VersionTLS13}}
  certificates:
    - certFile: |
        {}
      keyFile: |
        {}
",
        backend.url(),
        indent(certificate),
        indent(key),
    )
}

/// An answer; nothing where there is no connection. No server is named in the handshake where the
/// name is an address.
fn ask(
    moongate: &Moongate,
    root: &CertificateDer<'static>,
    server_name: &str,
    host: &str,
) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = server_name.to_owned().try_into().unwrap();
    let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(moongate.address("web")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut stream = rustls::StreamOwned::new(tls, stream);
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    // The connection may end without a word of TLS, once the answer is there.
    let _ = stream.read_to_string(&mut answer);
    (!answer.is_empty()).then_some(answer)
}

#[test]
fn a_host_has_the_options_of_its_router_and_no_others() {
    let names = ["open.test", "same.test", "closed.test", "broken.test", "127.0.0.1"];
    let certified = rcgen::generate_simple_self_signed(names.map(str::to_owned)).unwrap();
    let (root, key) = (certified.cert, certified.signing_key);
    let backend = Backend::echo("s");
    let moongate = Moongate::start(&configuration(&backend, &root.pem(), &key.serialize_pem()));
    for (server_name, host, expect) in [
        ("open.test", "open.test", Some(200)),
        ("open.test", "same.test", Some(200)),
        ("OPEN.test", "Same.test:443", Some(200)),
        ("closed.test", "closed.test", Some(200)),
        ("open.test", "closed.test", Some(421)),
        ("open.test", "CLOSED.test:443", Some(421)),
        ("open.test", "closed.test.", Some(421)),
        ("closed.test", "open.test", Some(421)),
        ("127.0.0.1", "closed.test", Some(421)),
        ("127.0.0.1", "open.test", Some(200)),
        ("open.test", "unknown.test", Some(404)),
        ("broken.test", "open.test", None),
        ("open.test", "broken.test", Some(404)),
    ] {
        let before = backend.count();
        let answer = ask(&moongate, root.der(), server_name, host);
        let status = answer.as_ref().and_then(|answer| answer.split(' ').nth(1)?.parse().ok());
        assert_eq!(status, expect, "{server_name} {host}: {answer:?}");
        let served = usize::from(expect == Some(200));
        assert_eq!(backend.count() - before, served, "{server_name} {host}");
        if let (Some(421), Some(answer)) = (expect, answer) {
            assert!(answer.ends_with("\r\n\r\nMisdirected Request\n"), "{answer}");
        }
    }
    let routers = moongate.api("/api/http/routers?status=disabled");
    assert_eq!(routers[0]["name"], "broken@file", "{routers}");
}

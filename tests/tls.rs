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
    let mut bytes = [0; 4096];
    // The server of a TCP router keeps the connection.
    while !is_whole(&answer) {
        match stream.read(&mut bytes) {
            Ok(count @ 1..) => answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap()),
            _ => break,
        }
    }
    (!answer.is_empty()).then_some(answer)
}

/// Whether an answer has all of the body that its head tells of.
fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
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

const JUDGE: &str = r#"
return {
  tls = function(hello, ctx)
    if hello.sni == "refused.test" then hello:close() end
    if hello.sni == "fails.test" then error("on purpose") end
    if hello.sni == "endless.test" then while true do end end
    -- What this test's client says, in an order that it makes up anew each time.
    local is_ours = (hello.ja4 or ""):match("^t13[di]%d%d%d%d00_%x+_%x+$")
    if not is_ours or #hello.alpn > 0 or hello.remote_ip ~= "127.0.0.1" then hello:close() end
    if hello.sni == nil and not hello:certificate("open.test") then hello:close() end
    if hello:certificate("nobody.test") then hello:close() end
  end,
}
"#;

/// Routers whose options have a script, for HTTP and for TCP.
fn judged(backend: &Backend, certificate: &str, key: &str) -> String {
    let indent = |pem: &str| pem.trim().replace('\n', "\n        ");
    let hosts = ["open", "refused", "fails", "endless"];
    let host =
        |name| format!("    {name}: {{rule: 'Host(`{name}.test`)', service: s, tls: {{}}}}\n");
    format!(
        "
http:
  routers:
{}    lost: {{rule: 'Host(`lost.test`)', service: s, tls: {{options: lost}}}}
  services:
    s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}
tcp:
  routers:
    t:
      rule: HostSNI(`tcp.test`) || HostSNI(`tcp-refused.test`)
      service: t
      tls: {{options: tcp}}
  services:
    t: {{loadBalancer: {{servers: [{{address: '{}'}}]}}}}
tls:
  options:
    default: {{lua: judge.lua}}
    tcp: {{lua: tcp.lua}}
    lost: {{lua: lost.lua}}
  certificates:
    - certFile: |
        {}
      keyFile: |
        {}
",
        hosts.map(host).concat(),
        backend.url(),
        backend.address(),
        indent(certificate),
        indent(key),
    )
}

#[test]
fn a_script_looks_at_handshakes() {
    // That of 127.0.0.2 is asked for without a name, at another address.
    let names = ["open.test", "refused.test", "fails.test", "endless.test", "lost.test"];
    let more = ["tcp.test", "tcp-refused.test", "127.0.0.2"].map(str::to_owned);
    let names: Vec<String> = names.map(str::to_owned).into_iter().chain(more).collect();
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let (root, key) = (certified.cert, certified.signing_key);
    let backend = Backend::echo("s");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("judge.lua"), JUDGE).unwrap();
    let tcp = JUDGE.replace("\"refused.test\"", "\"tcp-refused.test\"");
    std::fs::write(folder.path().join("tcp.lua"), tcp).unwrap();
    let dynamic = judged(&backend, &root.pem(), &key.serialize_pem());
    let moongate = Moongate::in_folder(folder, &dynamic, &[]);
    let status = |name: &str, host: &str| -> Option<u16> {
        ask(&moongate, root.der(), name, host)?.split(' ').nth(1)?.parse().ok()
    };
    let check =
        |name: &str, expect: Option<u16>| assert_eq!(status(name, "open.test"), expect, "{name}");
    check("open.test", Some(200));
    check("refused.test", None);
    check("fails.test", None);
    check("endless.test", None);
    // Without a server name, with the certificate that the script chooses.
    check("127.0.0.2", Some(200));
    check("tcp.test", Some(200));
    check("tcp-refused.test", None);
    // A script that is not there lets nobody in, and says so.
    check("lost.test", None);
    let routers = moongate.api("/api/http/routers?status=disabled");
    assert_eq!(routers[0]["name"], "lost@file", "{routers}");
    assert!(routers[0]["error"][0].as_str().unwrap().contains("lost.lua"), "{routers}");

    // A new version counts at once; one that is broken does not.
    let write = |text: &str| std::fs::write(moongate.file("judge.lua"), text).unwrap();
    let soon = |name: &str, expect: Option<u16>| {
        support::until("the script's new version is asked", || {
            (status(name, "open.test") == expect).then_some(())
        });
    };
    write(
        "return { tls = function(hello) if hello.sni == 'open.test' then hello:close() end end }",
    );
    soon("open.test", None);
    check("refused.test", Some(200));
    write("return { tls = function(hello) ");
    support::until("the broken version is told of", || {
        let findings = moongate.api("/api/findings").to_string();
        findings.contains("last good version").then_some(())
    });
    check("refused.test", Some(200));
    check("open.test", None);
    write("return {}");
    write("return { tls = function() end }");
    soon("open.test", Some(200));
}

//! `moongate explain`: by a configuration, and by a running process, for people and as JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Moongate, until};

/// What the command says, and how it ends.
fn explain(arguments: &[&str]) -> (String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_moongate"))
        .arg("explain")
        .args(arguments)
        .output()
        .expect("the binary starts");
    let words = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    (format!("{words}{errors}"), output.status.code().unwrap())
}

const ENTRYPOINTS: [&str; 3] = [
    "--entryPoints.web.address=:80",
    "--entryPoints.websecure.address=:443",
    "--entryPoints.websecure.http.tls",
];

const CONFIGURATION: &str = r"
http:
  routers:
    shop: {rule: 'Host(`shop.test`)', service: sticky, entryPoints: [web]}
    cart:
      rule: Host(`shop.test`) && (PathPrefix(`/cart`) || Header(`X-Cart`, `yes`)) && !Method(`PUT`)
      service: split
      middlewares: [strip]
      entryPoints: [web]
    secure:
      rule: Host(`shop.test`)
      service: hashed
      entryPoints: [websecure]
      tls: {options: strict}
    broken: {rule: 'Host(`shop.test`) && Path(`/cart`)', service: nowhere, entryPoints: [web]}
    layered: {rule: 'Host(`layers.test`)', entryPoints: [web]}
    leaf: {rule: 'Path(`/leaf`)', service: sticky, parentRefs: [layered]}
    asks: {rule: 'Host(`asks.test`) && Lua(`./asks.lua`)', service: sticky, entryPoints: [web]}
  middlewares:
    strip: {stripPrefix: {prefixes: [/cart]}}
  services:
    sticky:
      loadBalancer:
        servers: [{url: 'http://10.0.0.1'}, {url: 'http://10.0.0.2', weight: 3}]
        sticky: {cookie: {name: lb}}
    hashed:
      loadBalancer:
        strategy: hrw
        servers: [{url: 'http://10.0.0.1'}, {url: 'http://10.0.0.2'}]
    split: {weighted: {services: [{name: sticky, weight: 1}, {name: spare, weight: 0}]}}
    spare: {loadBalancer: {servers: [{url: 'http://10.0.0.3'}]}}
tcp:
  routers:
    raw: {rule: 'HostSNI(`raw.test`)', service: raw, entryPoints: [websecure], tls: {}}
  services:
    raw: {loadBalancer: {servers: [{address: '10.0.0.4:1'}]}}
tls:
  options:
    strict: {minVersion: VersionTLS13}
";

/// Writes the configuration, and explains by it.
fn by_configuration(folder: &Path, arguments: &[&str]) -> (String, i32) {
    std::fs::write(folder.join("dynamic.yaml"), CONFIGURATION).unwrap();
    let asks = "return {match = function(req) return req.path == '/yes' end}";
    std::fs::write(folder.join("asks.lua"), asks).unwrap();
    let file = format!("--providers.file.filename={}/dynamic.yaml", folder.display());
    let mut all = arguments.to_vec();
    all.extend(ENTRYPOINTS);
    all.push(&file);
    explain(&all)
}

#[test]
fn every_part_says_what_it_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code: i32, parts: &[&str]| {
        let (words, ended) = by_configuration(folder.path(), arguments);
        for part in parts {
            assert!(words.contains(part), "{arguments:?}: {part} is not in:\n{words}");
        }
        assert_eq!(ended, code, "{arguments:?}: {words}");
    };
    check(
        &["GET", "http://shop.test/cart"],
        0,
        &[
            "The router cart@file takes the request to the service split@file, and there \
             sticky@file.",
            "entrypoint  web (:80): it listens on port 80",
            "✓ Host(`shop.test`) && (✓ PathPrefix(`/cart`) || ✗ Header(`X-Cart`, `yes`)) && \
             !(✗ Method(`PUT`))",
            "broken@file: its rule matches, but it is disabled: the service \"nowhere@file\" does \
             not exist",
            "secure@file: it matches, but it is on websecure, not here",
            "shop@file: it matches, but its priority 17 is below",
            "1. strip@file (scripts/stripPrefix.lua)",
            "http://10.0.0.2: they take turns, and it gets 75 % of the requests",
            "spare@file (wrr): its weight is 0",
        ],
    );
    check(&["PUT", "http://shop.test/cart"], 0, &["The router shop@file", "!Method(`PUT`)"]);
    check(
        &["http://shop.test/x", "-H", "X-Cart: yes", "-H", "Cookie: lb=http://10.0.0.2"],
        0,
        &["The router cart@file", "→ http://10.0.0.2: the request's cookie names it"],
    );
    check(
        &["https://shop.test/"],
        0,
        &[
            "tls         server name shop.test, options strict@file",
            "The router secure@file",
            "the hash of the request leads to it",
        ],
    );
    check(
        &["https://shop.test/", "--server-name=other.test"],
        1,
        &["under the TLS options default, and the router secure@file wants strict@file: 421"],
    );
    check(&["https://raw.test/"], 0, &["The TCP router raw@file takes the connection."]);
    check(
        &["http://layers.test/leaf"],
        0,
        &["router      layered@file", "router      leaf@file", "takes the request to the service"],
    );
    check(&["http://layers.test/"], 1, &["No child of the router layered@file"]);
    check(&["http://asks.test/yes"], 0, &["The router asks@file"]);
    check(&["http://asks.test/no"], 1, &["404", "asks@file: not met: Lua(`./asks.lua`)"]);
    let (words, _) = by_configuration(folder.path(), &["http://asks.test/no"]);
    let (near, far) = (words.find("asks@file:"), words.find("layered@file:"));
    assert!(near < far && near.is_some(), "those that name the host come first: {words}");
    check(&["http://none.test/", "--entry-point=nope"], 2, &["there is no entrypoint \"nope\""]);
    check(&["none.test"], 2, &["is no URL such as"]);
    check(&[], 2, &["give a URL", "usage: moongate explain"]);
}

#[test]
fn a_running_process_knows_what_the_configuration_does_not() {
    let server = "{url: 'http://127.0.0.1:9'}";
    let moongate = Moongate::start(&format!(
        "http: {{routers: {{all: {{rule: 'PathPrefix(`/`)', service: s}}}}, services: {{s: \
         {{loadBalancer: {{servers: [{server}], healthCheck: {{path: /, interval: 50ms}}}}}}}}}}"
    ));
    let api = format!("--api=http://{}", moongate.address("traefik"));
    let url = format!("http://any.test:{}/", moongate.address("web").port());
    until("the server is down", || {
        let (words, code) = explain(&["GET", &url, &api, "--json"]);
        let said: Value = serde_json::from_str(&words).unwrap();
        (said["outcome"] == "noServer" && said["status"] == 503 && code == 1).then_some(())
    });
    let (words, _) = explain(&[&url, &api]);
    assert!(words.contains("has no server that is up: 503"), "{words}");
    assert!(words.contains("✗ http://127.0.0.1:9: it is down"), "{words}");
    let (words, code) = explain(&["http://[::1", &api]);
    assert_eq!(code, 2, "{words}");
    let (words, code) = explain(&[&url, "--api=http://127.0.0.1:1"]);
    assert_eq!((code, words.contains("127.0.0.1:1")), (2, true), "{words}");
}

//! The API: every path that it describes answers, nothing secret leaves it, lists are paged, and
//! the base path stands in front of all of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Answer, Backend, Client, Moongate, Reply, to, until};

/// Everything that must never be told.
const SECRETS: &[&str] = &[
    "s3cret-hash",
    "s3cret-key",
    "s3cret-userinfo",
    "s3cret-header",
    "s3cret-typo",
    "s3cret-unknown",
    "s3cret-free",
    "s3cret-check",
    "s3cret-tcp",
    "s3cret-token",
];

/// Secrets in every place that can hold one.
const PLANTED: &str = "
http:
  routers:
    one: {rule: 'Host(`one.test`)', service: one, middlewares: [auth, key, heads, free]}
    two: {rule: 'Host(`two.test`)', service: one, middlewares: [typo]}
  services:
    one:
      loadBalancer:
        servers: [{url: 'http://me:s3cret-userinfo@127.0.0.1:9'}]
        healthCheck: {path: /, interval: 1h, headers: {Authorization: s3cret-check}}
  middlewares:
    auth: {basicAuth: {users: ['me:s3cret-hash']}}
    key: {apiKey: {keys: {me: s3cret-key}}}
    heads: {headers: {customRequestHeaders: {Authorization: s3cret-header}}}
    typo: {lua: {script: nowhere.lua, options: {code: s3cret-typo}}}
    unknown: {plugin: {nowhere: {code: s3cret-unknown}}}
    free: {lua: {code: 'return {request = function() end}', options: {apiToken: s3cret-free}}}
tcp:
  routers:
    raw: {rule: 'HostSNI(`*`)', service: raw, entryPoints: [raw]}
  services:
    raw: {loadBalancer: {servers: [{address: '127.0.0.1:9'}]}}
  middlewares:
    own: {lua: {code: 'return {connect = function() end}', options: {secret: s3cret-tcp}}}
";

fn get(moongate: &Moongate, path: &str) -> Reply {
    Client::connect(moongate.address("traefik")).send("GET", "api.test", path, &[], b"")
}

fn json(moongate: &Moongate, path: &str) -> Value {
    let reply = get(moongate, path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    serde_json::from_slice(&reply.body).unwrap()
}

/// The path with a name that is there in the place of the one it asks for.
fn with_name(moongate: &Moongate, path: &str) -> Option<String> {
    let Some((list, _)) = path.split_once("/{name}") else { return Some(path.to_owned()) };
    let first = json(moongate, list)[0]["name"].as_str()?.to_owned();
    Some(format!("{list}/{}", first.replace('/', "%2F").replace('@', "%40")))
}

fn paths(moongate: &Moongate) -> Vec<String> {
    let described = json(moongate, "/api/openapi.json");
    described["paths"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_described_path_answers_and_tells_no_secret() {
    let moongate = Moongate::with(
        PLANTED,
        &["--api.debug", "--entryPoints.raw.address=127.0.0.1:0", "--accessLog"],
    );
    until("the configuration is there", || {
        moongate.api("/api/http/routers/one%40file")["name"].as_str().map(drop)
    });
    let mut asked = BTreeSet::new();
    for path in paths(&moongate) {
        let Some(mut path) = with_name(&moongate, &path) else { continue };
        if path == "/api/explain" {
            path.push_str("?url=http%3A%2F%2Fone.test%2F");
        }
        let reply = get(&moongate, &path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        asked.insert(path);
    }
    assert!(asked.len() >= 24, "{asked:?}");
    let elements = ["auth", "key", "heads", "typo", "unknown", "free"];
    let more = elements.map(|name| format!("/api/http/middlewares/{name}@file"));
    let scripts = json(&moongate, "/api/scripts");
    let scripts = scripts.as_array().unwrap().iter().map(|script| {
        format!("/api/scripts/{}", script["name"].as_str().unwrap().replace('/', "%2F"))
    });
    let more = more.into_iter().chain(scripts).chain(["/debug/vars".to_owned()]);
    for path in asked.iter().cloned().chain(more) {
        let reply = get(&moongate, &path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let mut text = reply.text();
        if path == "/api/support-dump" {
            text = unpacked(&reply.body);
            assert!(text.contains("static-config.json") && text.contains("one@file"));
        }
        for secret in SECRETS {
            assert!(!text.contains(secret), "{path} tells {secret}: {text}");
        }
    }
}

/// The text of a packed archive, whose files are not compressed in themselves.
fn unpacked(packed: &[u8]) -> String {
    let mut child = std::process::Command::new("gzip")
        .arg("-dc")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, packed).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn what_is_shown_of_middlewares_is_what_is_no_secret() {
    let moongate = Moongate::start(PLANTED);
    let shown = |name: &str| json(&moongate, &format!("/api/http/middlewares/{name}@file"));
    assert_eq!(shown("auth")["basicAuth"]["users"], serde_json::json!(["xxxx"]));
    assert_eq!(shown("key")["apiKey"]["keys"], serde_json::json!({"me": "xxxx"}));
    let heads = &shown("heads")["headers"]["customRequestHeaders"];
    assert_eq!(heads["Authorization"], "xxxx");
    assert_eq!(shown("free")["lua"]["options"]["apiToken"], "xxxx");
    let servers = &json(&moongate, "/api/http/services/one@file")["loadBalancer"]["servers"];
    assert_eq!(servers[0]["url"], "http://xxxx@127.0.0.1:9");
}

#[test]
fn lists_are_paged_searched_and_counted() {
    let routers: String = (0..250)
        .map(|i| format!("    r{i:03}: {{rule: 'Host(`h{i}.test`)', service: s}}\n"))
        .collect();
    let moongate = Moongate::start(&format!(
        "http:\n  routers:\n{routers}  services:\n    s: {{loadBalancer: {{servers: [{{url: \
         'http://127.0.0.1:9'}}]}}}}\n"
    ));
    let reply = get(&moongate, "/api/http/routers?search=%40file&page=3&per_page=100");
    assert_eq!(reply.header("x-next-page"), Some("1"));
    assert_eq!(reply.header("x-total-count"), Some("250"));
    let page: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((page.len(), &page[0]["name"]), (50, &Value::from("r200@file")));
    let found = json(&moongate, "/api/http/routers?search=Host(%60h24.test%60)");
    assert_eq!((found.as_array().unwrap().len(), &found[0]["name"]), (1, &"r024@file".into()));
    let last = json(&moongate, "/api/http/routers?sortBy=name&direction=desc&per_page=1");
    assert_eq!(last[0]["name"], "r249@file");
    let used = json(&moongate, "/api/http/services/s@file");
    assert_eq!(used["usedBy"].as_array().unwrap().len(), 250);
}

#[test]
fn the_base_path_stands_in_front_of_everything() {
    let moongate = Moongate::with("{}", &["--api.basePath=/moon", "--api.debug"]);
    let status = |path: &str| get(&moongate, path).status;
    assert_eq!(status("/moon/api/version"), 200);
    assert_eq!(status("/moon/dashboard/"), 200);
    assert_eq!(status("/moon/debug/vars"), 200);
    assert_eq!(status("/api/version"), 404);
    assert_eq!(status("/dashboard/"), 404);
    let front = get(&moongate, "/moon/");
    assert_eq!(front.status, 301);
    assert!(front.header("location").unwrap().ends_with("/moon/dashboard/"), "{front:?}");
    let described = json(&moongate, "/moon/api/openapi.json");
    assert_eq!(described["servers"][0]["url"], "/moon");
}

#[test]
fn profiles_of_go_are_refused_by_name() {
    let moongate = Moongate::with("{}", &["--api.debug"]);
    let reply = get(&moongate, "/debug/pprof/heap");
    assert_eq!(reply.status, 501);
    assert!(reply.text().contains("Go's runtime"), "{}", reply.text());
    let vars = json(&moongate, "/debug/vars");
    assert!(vars["process"]["VmRSS"].as_str().unwrap().ends_with("kB"), "{vars}");
    let plain = Moongate::start("{}");
    assert_eq!(get(&plain, "/debug/vars").status, 404);
}

#[test]
fn the_dashboard_is_served_under_a_policy_and_not_sent_twice() {
    let moongate = Moongate::start("{}");
    let page = get(&moongate, "/dashboard/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let text = page.text();
    let names = text
        .split('"')
        .filter(|word| [".js", ".css", ".svg"].iter().any(|ending| word.ends_with(ending)));
    let names: BTreeSet<&str> = names.collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        assert_eq!(get(&moongate, &format!("/dashboard/{name}")).status, 200, "{name}");
    }
    let tag = page.header("etag").unwrap();
    let again = Client::connect(moongate.address("traefik")).send(
        "GET",
        "api.test",
        "/dashboard/",
        &[("If-None-Match", tag)],
        b"",
    );
    assert_eq!((again.status, again.body.len()), (304, 0));
    let bare = get(&moongate, "/dashboard");
    assert_eq!((bare.status, bare.header("location")), (302, Some("dashboard/")));
    let off = Moongate::with("{}", &["--api.dashboard=false"]);
    assert_eq!(get(&off, "/dashboard/").status, 404);
}

#[test]
fn the_api_behind_a_router_of_the_user_has_its_dashboard() {
    let config = "http: {routers: {all: {rule: 'Host(`moon.test`)', service: api@internal}}}";
    let moongate = Moongate::start(config);
    let get = |path: &str, headers: &[(&str, &str)]| {
        moongate.client().send("GET", "moon.test", path, headers, b"")
    };
    assert_eq!(get("/dashboard/", &[]).status, 200);
    assert_eq!(get("/dashboard/app.js", &[]).status, 200);
    assert_eq!(get("/api/version", &[]).status, 200);
    let front = get("/", &[]);
    assert_eq!((front.status, front.header("location")), (302, Some("/dashboard/")));
}

#[test]
fn certificates_are_told_without_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["shop.test".into(), "*.shop.test".into()]);
    let made = made.unwrap();
    let (certificate, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.display(), key.display());
    let moongate = Moongate::start(&format!(
        "tls: {{certificates: [{{certFile: '{certificate}', keyFile: '{key}'}}]}}"
    ));
    let all = json(&moongate, "/api/certificates?search=SHOP&sortBy=validUntil");
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    let shown = &all[0];
    assert_eq!(shown["sans"], serde_json::json!(["*.shop.test", "shop.test"]));
    assert_eq!((&shown["keyType"], &shown["keySize"]), (&"ECDSA".into(), &256.into()), "{shown}");
    assert_eq!(shown["signatureAlgorithm"], "ECDSA-SHA256");
    assert_eq!((&shown["version"], &shown["status"]), (&"v3".into(), &"enabled".into()));
    let name = shown["name"].as_str().unwrap();
    assert_eq!(name, shown["certFingerprint"].as_str().unwrap());
    assert_eq!(&json(&moongate, &format!("/api/certificates/{name}")), shown);
    assert_eq!(get(&moongate, "/api/certificates/none").status, 404);
}

#[test]
fn live_counters_are_of_what_is_served() {
    let backend = Backend::start("shop", Answer::Echo);
    let moongate = Moongate::start(&to(&backend));
    for _ in 0..3 {
        assert_eq!(moongate.get("any.test", "/").status, 200);
    }
    let path = "/api/live?router=all%40file&service=all%40file&router=none";
    // A request is counted when its answer's last byte is handed over.
    let live = until("three requests are counted", || {
        let live = json(&moongate, path);
        (live["entryPoints"]["web"]["requests"] == 3).then_some(live)
    });
    assert_eq!(live["routers"]["all@file"]["requests"], 3, "{live}");
    assert_eq!(live["services"]["all@file"]["requests"], 3, "{live}");
    assert_eq!(live["routers"]["none"]["requests"], 0, "{live}");
    let buckets = live["entryPoints"]["web"]["buckets"].as_array().unwrap();
    assert_eq!(buckets.last().unwrap()[1], 3, "{live}");
    assert!(live["entryPoints"]["web"]["seconds"].as_f64().unwrap() > 0.0, "{live}");
}

#[test]
fn a_request_is_explained_as_it_is_served() {
    let backend = Backend::start("shop", Answer::Echo);
    let moongate = Moongate::start(&format!(
        "{}\n    shop: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        to(&backend).replace(
            "  routers:\n",
            "  routers:\n    shop: {rule: 'Host(`shop.test`) && PathPrefix(`/api`)', service: \
             shop}\n    off: {rule: 'Host(`shop.test`)', service: nowhere}\n"
        ),
        backend.url()
    ));
    let port = moongate.address("web").port();
    let explain = |url: &str| json(&moongate, &format!("/api/explain?url={url}"));
    let said = explain(&format!("http://shop.test:{port}/api/x"));
    assert_eq!(said["outcome"], "served", "{said}");
    assert_eq!(said["entryPoint"]["name"], "web");
    assert_eq!(said["decisions"][0]["taken"]["name"], "shop@file");
    assert_eq!(said["service"]["members"][0]["name"], backend.url().as_str());
    assert_eq!(moongate.get("shop.test", "/api/x").status, 200);
    let others = said["decisions"][0]["others"].as_array().unwrap();
    let why = |name: &str| {
        let found = others.iter().find(|other| other["name"] == name);
        found.unwrap_or_else(|| panic!("{name}: {said}"))["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!((why("all@file"), why("off@file")), ("later".to_owned(), "disabled".to_owned()));
    let wrong = get(&moongate, "/api/explain?url=shop.test");
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("is no URL"), "{}", wrong.text());
}

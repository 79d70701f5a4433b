//! Every middleware that comes with Moongate: its example works, and a copy of its script under
//! another name, run as a user's, gives the same answers.
//!
//! An example is a file in `tests/middlewares`: what users write, which the reference shows, and
//! behind `---` requests with parts of what comes of them.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moongate::lua::builtins;
use serde_json::{Map, Value, json};
use support::{Answer, Backend, Moongate, Reply};

/// One middleware's example.
struct Example {
    kind: String,
    middlewares: Map<String, Value>,
    service: String,
    /// Headers, or the body, that no two answers have in common.
    varies: Vec<String>,
    requests: Vec<Value>,
}

fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/middlewares");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (example, rest) = text.split_once("\n---\n").unwrap();
        let read = |text: &str| serde_yaml::from_str::<Value>(text).unwrap();
        let (example, rest) = (read(example), read(rest));
        let texts = |value: &Value| {
            let texts = value.as_array().into_iter().flatten();
            texts.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        all.push(Example {
            kind: path.file_stem().unwrap().to_string_lossy().into_owned(),
            middlewares: example["middlewares"].as_object().unwrap().clone(),
            service: rest["service"].as_str().unwrap_or("app").to_owned(),
            varies: texts(&rest["varies"]),
            requests: rest["requests"].as_array().unwrap().clone(),
        });
    }
    all.sort_by(|a, b| a.kind.cmp(&b.kind));
    all
}

/// Under which name a copy of a script goes.
fn copy_of(kind: &str) -> String {
    format!("copyOf{kind}")
}

/// The same middlewares with copies of the scripts in the place of those that come with Moongate.
fn copied(example: &Example) -> Map<String, Value> {
    let middlewares = example.middlewares.iter().map(|(name, middleware)| {
        let (kind, options) = middleware.as_object().unwrap().iter().next().unwrap();
        (name.clone(), json!({"plugin": {copy_of(kind): options}}))
    });
    middlewares.collect()
}

/// What all of them run with.
struct Scene {
    folder: tempfile::TempDir,
    backends: BTreeMap<&'static str, Backend>,
}

const PAGE: &str = "<a href=http://shop.internal/x>page</a>\n";

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        write("www/index.html", b"home");
        write("www/404.html", b"lost");
        let places = [
            ("81.2.69.0/24", json!({"country": {"iso_code": "CH"}})),
            ("9.9.9.0/24", json!({"country": {"iso_code": "US"}})),
        ];
        write("places.mmdb", &support::mmdb::database(&places));
        for source in builtins() {
            write(&format!("scripts/{}.lua", copy_of(source.kind())), source.text.as_bytes());
        }
        let page = PAGE.repeat(100);
        let raw = |status: &str, more: &str, body: &str| {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\n\r\n");
            Answer::Raw((head + body).into_bytes())
        };
        let html = "Content-Type: text/html\r\nETag: \"1\"\r\n";
        let backends = BTreeMap::from([
            ("app", Backend::echo("app")),
            ("auth", Backend::echo("auth")),
            ("canary", Backend::echo("canary")),
            ("shadow", Backend::echo("shadow")),
            ("pages", Backend::echo("pages")),
            ("page", Backend::start("page", raw("200 OK", html, &page))),
            ("untyped", Backend::start("untyped", raw("200 OK", "", "<html><p>x</p>"))),
            ("broken", Backend::start("broken", raw("500 Broken", "", "broken"))),
        ]);
        Self { folder, backends }
    }

    /// A Moongate with a router for each example, and these middlewares.
    fn start(&self, examples: &[Example], make: fn(&Example) -> Map<String, Value>) -> Moongate {
        let (mut routers, mut middlewares) = (Map::new(), Map::new());
        for example in examples {
            let first = example.middlewares.keys().next().unwrap();
            let rule = format!("Host(`{}.test`)", example.kind.to_lowercase());
            let router = json!({"rule": rule, "service": example.service, "middlewares": [first]});
            routers.insert(example.kind.clone(), router);
            let count = middlewares.len();
            middlewares.extend(make(example));
            assert_eq!(middlewares.len(), count + example.middlewares.len(), "{}", example.kind);
        }
        let services: Map<String, Value> = self
            .backends
            .iter()
            .map(|(name, backend)| {
                let servers = json!([{"url": backend.url()}]);
                ((*name).to_owned(), json!({"loadBalancer": {"servers": servers}}))
            })
            .collect();
        let http = json!({"routers": routers, "middlewares": middlewares, "services": services});
        let folder = self.folder.path().display().to_string();
        let text = json!({ "http": http })
            .to_string()
            .replace("http://auth.internal", &self.backends["auth"].url())
            .replace("/srv/", &format!("{folder}/"));
        Moongate::with(
            &text,
            &[
                &format!("--scripts.directory={folder}/scripts"),
                "--entryPoints.web.forwardedHeaders.insecure=true",
                "--entryPoints.web.http.sanitizePath=true",
            ],
        )
    }

    /// What the servers have seen last, as text.
    fn seen(&self) -> String {
        let all = self.backends.values().filter(|backend| backend.count() > 0);
        all.map(|backend| backend.last().head.to_lowercase()).collect()
    }
}

fn ask(moongate: &Moongate, kind: &str, request: &Value) -> Reply {
    let (method, path) = request["send"].as_str().unwrap().split_once(' ').unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        headers.push((name.clone(), value.as_str().unwrap().to_owned()));
    }
    if request["token"].is_object() {
        headers.push(("Authorization".to_owned(), format!("Bearer {}", signed(&request["token"]))));
    }
    let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let repeated = "x".repeat(request["repeat"].as_u64().unwrap_or(0).try_into().unwrap());
    let body = request["body"].as_str().unwrap_or(&repeated);
    let host = format!("{}.test", kind.to_lowercase());
    moongate.client().send(method, &host, path, &headers, body.as_bytes())
}

/// A token with the secret of the example.
fn signed(claims: &Value) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(br#"{"alg":"HS256"}"#);
    let text = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"moon");
    let signature = encode(ring::hmac::sign(&key, text.as_bytes()).as_ref());
    format!("{text}.{signature}")
}

/// Headers and body as one text.
fn told(reply: &Reply) -> String {
    let mut body = reply.body.clone();
    if reply.header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&reply.body[..]);
        std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
        body = plain;
    }
    let headers = reply.headers.iter().map(|(n, v)| format!("{}: {v}\n", n.to_lowercase()));
    headers.collect::<String>() + &String::from_utf8_lossy(&body)
}

/// What two answers should have in common.
fn repeatable(reply: &Reply, varies: &[String]) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let is_own = |name: &str| name == "date" || varies.iter().any(|other| other == name);
    let headers = reply.headers.iter().map(|(n, v)| (n.to_lowercase(), v.clone()));
    let mut headers: Vec<_> = headers.filter(|(name, _)| !is_own(name)).collect();
    headers.sort();
    let body = if is_own("body") { Vec::new() } else { reply.body.clone() };
    (reply.status, headers, body)
}

#[test]
fn examples_work_and_copies_give_the_same_answers() {
    let (scene, examples) = (Scene::new(), examples());
    let own = scene.start(&examples, |example| example.middlewares.clone());
    let copies = scene.start(&examples, copied);
    for example in &examples {
        for request in &example.requests {
            let reply = ask(&own, &example.kind, request);
            let about = format!("{} {request}: {reply:?}", example.kind);
            assert_eq!(u64::from(reply.status), request["status"].as_u64().unwrap(), "{about}");
            if let Some(part) = request["answer"].as_str() {
                assert!(told(&reply).contains(part), "{about}");
            }
            if let Some(part) = request["seen"].as_str() {
                let seen = scene.seen();
                assert!(seen.contains(&part.to_lowercase()), "{about}\n{seen}");
            }
            let other = ask(&copies, &example.kind, request);
            assert_eq!(
                repeatable(&other, &example.varies),
                repeatable(&reply, &example.varies),
                "{about}"
            );
        }
    }
}

#[test]
fn every_middleware_has_an_example() {
    let mut kinds: Vec<_> = builtins().map(|source| source.kind().to_owned()).collect();
    kinds.sort();
    let shown: Vec<_> = examples().into_iter().map(|example| example.kind).collect();
    assert_eq!(shown, kinds);
}

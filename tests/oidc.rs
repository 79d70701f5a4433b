//! `oidc` against a provider made for the test, which checks what a provider must check and signs
//! its tokens.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use support::{Backend, Moongate, Reply, through};

/// What the provider has given out.
struct Provider {
    base: String,
    pair: EcdsaKeyPair,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests for logins by code: challenge, nonce, where they come from.
    codes: HashMap<String, (String, String, String)>,
    /// Refresh tokens that can be used once.
    refresh: HashSet<String>,
    count: usize,
    refreshed: usize,
    discovered: usize,
    /// Claims of the next tokens.
    more: Value,
    lives: u64,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, more)) = rest.split_first() {
        rest = more;
        match byte {
            b'%' => {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                out.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &rest[2..];
            }
            b'+' => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8(out).unwrap()
}

fn fields(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

impl Provider {
    fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (random, how) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        let provider = Arc::new(Self {
            base: format!("http://{}", listener.local_addr().unwrap()),
            pair: EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &random).unwrap(),
            state: Mutex::new(State { more: json!({}), lives: 3600, ..State::default() }),
        });
        let shared = Arc::clone(&provider);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(stream));
            }
        });
        provider
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let (mut line, mut length, mut authorization) = (String::new(), 0, String::new());
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) == 0 || header == "\r\n" {
                    break;
                }
                let (name, value) = header.trim().split_once(": ").unwrap_or_default();
                match name.to_lowercase().as_str() {
                    "content-length" => length = value.parse().unwrap(),
                    "authorization" => value.clone_into(&mut authorization),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let path = line.split(' ').nth(1).unwrap_or_default();
            let body = String::from_utf8(body).unwrap();
            let (status, answer) = self.answer(path, &authorization, &body);
            let text = answer.to_string();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", text.len());
            if stream.write_all((head + &text).as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, path: &str, authorization: &str, body: &str) -> (u16, Value) {
        match path {
            "/.well-known/openid-configuration" => {
                self.state.lock().discovered += 1;
                let at = |path: &str| format!("{}{path}", self.base);
                (
                    200,
                    json!({
                        "issuer": self.base, "authorization_endpoint": at("/authorize"),
                        "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
                        "end_session_endpoint": at("/leave"),
                        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                    }),
                )
            }
            "/keys" => {
                let point = self.pair.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
                let key = json!({"kty": "EC", "crv": "P-256", "kid": "1", "x": x, "y": y});
                (200, json!({ "keys": [key] }))
            }
            "/token" if authorization == format!("Basic {}", STANDARD.encode("shop:hush")) => {
                self.tokens(&fields(body))
            }
            "/token" => (401, json!({"error": "invalid_client"})),
            _ => (404, json!({})),
        }
    }

    /// What a user who logs in at the provider's page comes back with.
    fn log_in(&self, address: &str) -> String {
        let query = address.strip_prefix(&format!("{}/authorize?", self.base)).unwrap();
        let asked = fields(query);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(
            (asked["client_id"].as_str(), asked["scope"].as_str()),
            ("shop", "openid email")
        );
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut state = self.state.lock();
        state.count += 1;
        let code = format!("code/{}", state.count);
        let kept = (
            asked["code_challenge"].clone(),
            asked["nonce"].clone(),
            asked["redirect_uri"].clone(),
        );
        state.codes.insert(code.clone(), kept);
        let path = asked["redirect_uri"].strip_prefix("http://h").unwrap();
        format!("{path}?code={}&state={}", code.replace('/', "%2F"), asked["state"])
    }

    fn tokens(&self, asked: &HashMap<String, String>) -> (u16, Value) {
        let mut state = self.state.lock();
        let nonce = match asked["grant_type"].as_str() {
            "authorization_code" => {
                let Some(known) = state.codes.remove(&asked["code"]) else {
                    return (400, json!({"error": "invalid_grant"}));
                };
                let verifier = asked["code_verifier"].as_bytes();
                let challenge = ring::digest::digest(&ring::digest::SHA256, verifier);
                if encode(challenge) != known.0 || asked["redirect_uri"] != known.2 {
                    return (400, json!({"error": "invalid_grant"}));
                }
                Some(known.1)
            }
            "refresh_token" => {
                if !state.refresh.remove(&asked["refresh_token"]) {
                    return (400, json!({"error": "invalid_grant"}));
                }
                state.refreshed += 1;
                None
            }
            other => panic!("{other}"),
        };
        state.count += 1;
        let refresh = format!("refresh-{}", state.count);
        state.refresh.insert(refresh.clone());
        let mut claims = json!({
            "iss": self.base, "aud": "shop", "sub": "ann", "exp": now() + 3600, "iat": now(),
            "email": "ann@a.test", "nonce": nonce, "groups": ["staff"],
        });
        claims.as_object_mut().unwrap().extend(state.more.as_object().unwrap().clone());
        let access = format!("access-{}", state.count);
        (
            200,
            json!({
                "id_token": self.sign(&claims), "access_token": access, "refresh_token": refresh,
                "token_type": "Bearer", "expires_in": state.lives,
            }),
        )
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": "1"}).to_string();
        let signed = format!("{}.{}", encode(header), encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature))
    }
}

/// A browser with its cookies.
struct Browser<'a> {
    moongate: &'a Moongate,
    cookies: HashMap<String, String>,
}

impl Browser<'_> {
    fn get(&mut self, path: &str) -> Reply {
        self.send("GET", path, &[("Accept", "text/html")])
    }

    fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = headers.to_vec();
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        let reply = self.moongate.client().send(method, "h", path, &headers, b"");
        for (name, line) in &reply.headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                assert!(line.contains("HttpOnly") && line.contains("SameSite=Lax"), "{line}");
                let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
                if line.contains("Max-Age=0") {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        reply
    }

    /// Logs in, and returns the answer to the provider's way back.
    fn log_in(&mut self, provider: &Provider, path: &str) -> Reply {
        let away = self.get(path);
        assert_eq!(away.status, 302, "{away:?}");
        let back = provider.log_in(away.header("location").unwrap());
        self.get(&back)
    }
}

struct Scene {
    provider: Arc<Provider>,
    backend: Backend,
    moongate: Moongate,
}

impl Scene {
    fn new(more: &str) -> Self {
        let (provider, backend) = (Provider::start(), Backend::echo("a"));
        let session = "session: {secret: '0123456789'}";
        let client = "clientID: shop, clientSecret: hush, scopes: [openid, email]";
        let headers = "forwardHeaders: {X-Email: email}";
        let issuer = &provider.base;
        // What is built for tests takes its time.
        let limits = "limits: {cpu: 1s}";
        let options = format!("issuer: '{issuer}', {client}, {session}, {headers}, {more}");
        let dynamic = through(&format!("oidc: {{{options}}}, {limits}"), &backend.url());
        let moongate = Moongate::start(&dynamic);
        Self { provider, backend, moongate }
    }

    fn browser(&self) -> Browser<'_> {
        Browser { moongate: &self.moongate, cookies: HashMap::new() }
    }
}

#[test]
fn a_login_a_session_and_a_logout() {
    let scene = Scene::new("forwardAccessToken: true");
    let mut browser = scene.browser();
    let back = browser.log_in(&scene.provider, "/shop?item=1");
    assert_eq!((back.status, back.header("location")), (302, Some("http://h/shop?item=1")));
    assert_eq!(scene.backend.count(), 0);
    assert_eq!(browser.cookies.len(), 1, "{:?}", browser.cookies);
    browser.cookies.insert("mine".to_owned(), "1".to_owned());
    for _ in 0..4 {
        assert_eq!(browser.get("/shop?item=1").status, 200);
    }
    let seen = scene.backend.last();
    assert_eq!(seen.header("x-email"), Some("ann@a.test"));
    assert!(seen.header("authorization").unwrap().starts_with("Bearer access-"));
    assert_eq!(seen.header("cookie"), Some("mine=1"));
    assert!(!browser.cookies["oidc-session"].contains("ann"));
    assert_eq!(scene.provider.state.lock().discovered, 1);

    let away = browser.get("/oidc/logout");
    let location = away.header("location").unwrap();
    assert!(location.starts_with(&format!("{}/leave?", scene.provider.base)), "{location}");
    let told = fields(location.split_once('?').unwrap().1);
    assert_eq!(told["post_logout_redirect_uri"], "http://h/");
    assert!(told["id_token_hint"].contains('.'));
    assert!(!browser.cookies.contains_key("oidc-session"));
    assert_eq!(browser.get("/shop").status, 302);
}

#[test]
fn who_is_not_sent_to_the_login_page() {
    let scene = Scene::new("pkce: true");
    let mut browser = scene.browser();
    assert_eq!(browser.send("POST", "/", &[]).status, 401);
    assert_eq!(browser.send("GET", "/", &[("Accept", "application/json")]).status, 401);
    let script = [("Accept", "*/*"), ("X-Requested-With", "XMLHttpRequest")];
    assert_eq!(browser.send("GET", "/", &script).status, 401);
    assert_eq!(Scene::new("disableLogin: true").browser().get("/").status, 401);
    assert_eq!(scene.backend.count(), 0);
}

#[test]
fn logins_that_are_not_right() {
    let scene = Scene::new("pkce: true");
    let (mut ann, mut eve) = (scene.browser(), scene.browser());
    let away = ann.get("/");
    assert_eq!(away.status, 302, "{away:?}");
    let back = scene.provider.log_in(away.header("location").unwrap());
    // What was begun in one browser does not end in another.
    assert_eq!(eve.get(&back).status, 400);
    assert_eq!(ann.get("/oidc/callback?code=x&state=y").status, 400);
    let wrong = back.replace("code%2F", "code%2F9");
    assert_eq!(ann.get(&wrong).status, 502);
    let away = ann.get("/");
    let state =
        fields(away.header("location").unwrap().split_once('?').unwrap().1)["state"].clone();
    assert_eq!(ann.get(&format!("/oidc/callback?error=access_denied&state={state}")).status, 403);
    for more in [
        json!({"nonce": "other"}),
        json!({"aud": "another"}),
        json!({"iss": "https://else.test"}),
        json!({"exp": now() - 3600}),
        json!({"azp": "another"}),
        json!({"sub": null}),
    ] {
        scene.provider.state.lock().more = more.clone();
        assert_eq!(scene.browser().log_in(&scene.provider, "/").status, 401, "{more}");
    }
    // A cookie that somebody has made up is none.
    eve.cookies.insert("oidc-session".to_owned(), encode("{\"till\":9999999999}"));
    assert_eq!(eve.get("/").status, 302);
    assert_eq!(scene.backend.count(), 0);
}

#[test]
fn sessions_are_renewed() {
    let scene = Scene::new("pkce: true");
    scene.provider.state.lock().lives = 0;
    let mut browser = scene.browser();
    assert_eq!(browser.log_in(&scene.provider, "/").status, 302);
    let first = browser.cookies["oidc-session"].clone();
    // The same session from several tabs at once uses its token once.
    thread::scope(|scope| {
        let tabs: Vec<_> = (0..4)
            .map(|_| {
                let cookies = browser.cookies.clone();
                let mut tab = Browser { moongate: &scene.moongate, cookies };
                scope.spawn(move || tab.get("/").status)
            })
            .collect();
        for tab in tabs {
            assert_eq!(tab.join().unwrap(), 200);
        }
    });
    assert_eq!(scene.provider.state.lock().refreshed, 1);
    scene.provider.state.lock().lives = 3600;
    assert_eq!(browser.get("/").status, 200);
    assert_ne!(browser.cookies["oidc-session"], first);
    assert_eq!(browser.get("/").status, 200);
    assert_eq!(scene.provider.state.lock().refreshed, 2);

    // The provider has ended the session.
    scene.provider.state.lock().lives = 0;
    let mut other = scene.browser();
    assert_eq!(other.log_in(&scene.provider, "/").status, 302);
    scene.provider.state.lock().refresh.clear();
    assert_eq!(other.get("/").status, 302);
}

#[test]
fn long_sessions_and_claims() {
    let scene = Scene::new("claims: 'Contains(`groups`, `staff`)'");
    let groups: Vec<_> = (0..400).map(|n| format!("group-number-{n}")).collect();
    let mut all = groups.clone();
    all.push("staff".to_owned());
    scene.provider.state.lock().more = json!({ "groups": all });
    let mut browser = scene.browser();
    assert_eq!(browser.log_in(&scene.provider, "/").status, 302);
    assert!(browser.cookies.len() > 2, "{}", browser.cookies.len());
    assert!(browser.cookies.values().all(|value| value.len() <= 3500));
    assert_eq!(browser.get("/").status, 200);
    browser.get("/oidc/logout");
    assert_eq!(browser.cookies.len(), 0);
    scene.provider.state.lock().more = json!({"groups": ["guests"]});
    assert_eq!(browser.log_in(&scene.provider, "/").status, 302);
    assert_eq!(browser.get("/").status, 403);
}

//! `jwt` with keys that are fetched: once for all, again when they change, and kept when their
//! server is away.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use support::{Answer, Backend, Moongate, through};

/// Somebody who signs tokens.
struct Issuer {
    pair: EcdsaKeyPair,
    id: &'static str,
}

impl Issuer {
    fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        Self { pair: EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &random).unwrap(), id }
    }

    fn key(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": x, "y": y})
    }

    fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "kid": self.id, "typ": "JWT"});
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn set_of(issuers: &[&Issuer]) -> Answer {
    let keys: Vec<_> = issuers.iter().map(|issuer| issuer.key()).collect();
    let text = json!({ "keys": keys }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
    Answer::Raw((head + &text).into_bytes())
}

fn start(backend: &Backend, options: &str) -> Moongate {
    Moongate::start(&through(&format!("jwt: {{{options}}}"), &backend.url()))
}

fn ask(moongate: &Moongate, token: &str) -> support::Reply {
    let bearer = format!("Bearer {token}");
    moongate.client().send("GET", "h", "/", &[("Authorization", &bearer)], b"")
}

#[test]
fn keys_are_fetched_once_for_all() {
    let (first, second) = (Issuer::new("k1"), Issuer::new("k2"));
    let (backend, keys) = (Backend::echo("a"), Backend::start("keys", set_of(&[&first])));
    let url = format!("jwksUrl: '{}/jwks.json', forwardHeaders: {{X-User: sub}}", keys.url());
    let moongate = start(&backend, &url);
    let token = first.token(&json!({"sub": "ann"}));
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| ask(&moongate, &token))).collect();
        for client in clients {
            assert_eq!(client.join().unwrap().status, 200);
        }
    });
    assert_eq!(keys.count(), 1);
    assert_eq!(backend.last().header("x-user"), Some("ann"));
    assert_eq!(keys.last().line(), "GET /jwks.json HTTP/1.1");

    // The issuer exchanges its keys, and the first token of the new ones has them fetched.
    keys.answer(set_of(&[&second]));
    for _ in 0..4 {
        assert_eq!(ask(&moongate, &second.token(&json!({}))).status, 200);
    }
    assert_eq!(keys.count(), 2);
    for _ in 0..4 {
        assert_eq!(ask(&moongate, &token).status, 401);
    }
    assert_eq!(keys.count(), 2, "keys that are not there are not asked for each time");
    let refused = ask(&moongate, "nonsense");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
}

#[test]
fn without_keys_nobody_passes() {
    let backend = Backend::echo("a");
    let moongate = start(&backend, &format!("jwksUrl: '{}'", Backend::closed()));
    let token = Issuer::new("k1").token(&json!({}));
    assert_eq!([0; 3].map(|_| ask(&moongate, &token).status), [503, 503, 503]);
    assert_eq!(backend.count(), 0);
}

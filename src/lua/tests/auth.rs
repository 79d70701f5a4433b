//! The scripts that let requests pass or not.

use std::rc::Rc;

use md5::{Digest, Md5};
use serde_json::{Value, json};

use super::builtin::written;
use super::server::ASKED;
use super::support::*;
use crate::lua::{Flow, Instance, Vm};
use crate::message::{Parts, Request, Response};

fn run(kind: &str, options: &Value, request: Request) -> Flow {
    flow(written(kind, options), request)
}

fn challenge(response: &Response) -> &str {
    assert_eq!(response.status.as_u16(), 401);
    header(&response.headers, "www-authenticate").unwrap()
}

const SHA: &str = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=";

#[test]
fn basic_auth() {
    let users = json!({"users": [
        "bob:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        format!("# a comment\n\n ann:{SHA} \neve:password"),
    ]});
    let check = |authorization: &str, expect: Option<&str>| {
        let flow = run("basicAuth", &users, request("GET h/", &[("Authorization", authorization)]));
        let Some(user) = expect else {
            let response = answered(flow);
            assert_eq!(challenge(&response), "Basic realm=\"traefik\"", "{authorization}");
            assert_eq!(text(response), "401 Unauthorized\n");
            return;
        };
        let request = passed(flow);
        assert_eq!(request.exchange.record.borrow().user.as_deref(), Some(user), "{authorization}");
        assert_eq!(header(&request.headers, "authorization"), Some(authorization));
    };
    check("Basic Ym9iOnNlY3JldA==", Some("bob"));
    check("bASIC YW5uOnBhc3N3b3Jk", Some("ann"));
    // bob:wrong, ann:wrong, eve:password, joe:password, joe:secret, no colon, no base64.
    check("Basic Ym9iOndyb25n", None);
    check("Basic YW5uOndyb25n", None);
    check("Basic ZXZlOnBhc3N3b3Jk", None);
    check("Basic am9lOnBhc3N3b3Jk", None);
    check("Basic am9lOnNlY3JldA==", None);
    check("Basic YW5u", None);
    check("Basic !!!", None);
    check("Bearer YW5uOnBhc3N3b3Jk", None);
    check("", None);
}

#[test]
fn options_of_basic_auth() {
    let options = json!({
        "users": format!("ann:{SHA}"), "realm": "My \"Realm\"", "removeHeader": true,
        "headerField": "X-User",
    });
    let response = answered(run("basicAuth", &options, request("GET h/", &[])));
    assert_eq!(challenge(&response), "Basic realm=\"My \\\"Realm\\\"\"");
    let sent = [("Authorization", "Basic YW5uOnBhc3N3b3Jk"), ("X-User", "evil")];
    let request = passed(run("basicAuth", &options, request("GET h/", &sent)));
    assert_eq!(header(&request.headers, "x-user"), Some("ann"));
    assert_eq!(header(&request.headers, "authorization"), None);
    for users in ["ann", "ann:a:b"] {
        let vm = Vm::new().unwrap();
        let error = load(&vm, written("basicAuth", &json!({"users": [users]}))).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("a line is not of the form name:hash"), "{error}");
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of a parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> &'a str {
    let from = challenge.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    challenge[from..].split('"').next().unwrap()
}

fn proof(challenge: &str, password: &str, uri: &str, nc: &str) -> String {
    let (nonce, opaque) = (parameter(challenge, "nonce"), parameter(challenge, "opaque"));
    let ha1 = md5(&format!("ann:traefik:{password}"));
    let ha2 = md5(&format!("GET:{uri}"));
    let response = md5(&format!("{ha1}:{nonce}:{nc}:c:auth:{ha2}"));
    format!(
        "Digest username=\"ann\", realm=\"traefik\", nonce=\"{nonce}\", uri=\"{uri}\", \
         algorithm=MD5, qop=auth, nc={nc}, cnonce=\"c\", response=\"{response}\", \
         opaque=\"{opaque}\""
    )
}

async fn asked(instance: &Rc<Instance>, uri: &str, authorization: &str) -> Flow {
    let line = format!("GET h{uri}");
    instance.request(&context(), 0, request(&line, &[("Authorization", authorization)])).await
}

#[test]
fn digest_auth() {
    let user = format!("ann:traefik:{}", md5("ann:traefik:secret"));
    let options = json!({"users": [user], "headerField": "X-User", "removeHeader": true});
    block_on(async {
        // Two workers have a VM each, and one takes the other's nonces.
        let (vm, other) = (Vm::new().unwrap(), Vm::new().unwrap());
        let spec = std::sync::Arc::new(written("digestAuth", &options));
        let (one, two) = (vm.instance(&spec).await.unwrap(), other.instance(&spec).await.unwrap());
        let first = answered(asked(&one, "/x?y", "").await);
        let first = challenge(&first).to_owned();
        assert!(first.starts_with("Digest realm=\"traefik\", nonce=\""), "{first}");
        assert!(first.ends_with("algorithm=\"MD5\", qop=\"auth\""), "{first}");

        let right = |nc: &str| proof(&first, "secret", "/x?y", nc);
        let request = passed(asked(&one, "/x?y", &right("00000001")).await);
        assert_eq!(header(&request.headers, "x-user"), Some("ann"));
        assert_eq!(header(&request.headers, "authorization"), None);
        assert_eq!(request.exchange.record.borrow().user.as_deref(), Some("ann"));
        passed(asked(&two, "/x?y", &right("00000002")).await);

        let stale = answered(asked(&one, "/x?y", &right("00000001")).await);
        assert!(challenge(&stale).ends_with("qop=\"auth\", stale=true"), "{stale:?}");
        let foreign = first.replace(parameter(&first, "nonce"), &"0".repeat(56));
        let foreign = answered(asked(&one, "/x?y", &proof(&foreign, "secret", "/x?y", "1")).await);
        assert!(challenge(&foreign).ends_with("stale=true"), "{foreign:?}");

        for wrong in [
            proof(&first, "wrong", "/x?y", "00000003"),
            proof(&first, "secret", "/other", "00000003"),
            right("00000003").replace("qop=auth", "qop=none"),
            right("00000003").replace("MD5", "SHA-256"),
            right("00000003").replace("\"ann\"", "\"bob\""),
            right("00000003").replace("Digest", "Basic"),
            "Digest".to_owned(),
            "Digest ".to_owned(),
            "Digest username=\"ann".to_owned(),
        ] {
            let refused = answered(asked(&one, "/x?y", &wrong).await);
            assert!(challenge(&refused).ends_with("qop=\"auth\""), "{wrong}");
        }
        passed(asked(&one, "/x?y", &right("00000004")).await);
    });
}

#[test]
fn forward_auth_asks_with_the_requests_headers() {
    let sent = [
        ("X-Forwarded-For", "9.9.9.9, 127.0.0.1"),
        ("X-Forwarded-Host", "evil"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Server", "s"),
        ("X-Mine", "m"),
        ("Te", "trailers"),
    ];
    let check = |options: Value, expect: &str| {
        let mut all = json!({"address": "http://auth.test/check", "authResponseHeaders": [ASKED]});
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let mut sent = request("POST h:81/x?y=1", &sent);
        sent.body = "b".into();
        let request = passed(run("forwardAuth", &all, sent));
        assert_eq!(header(&request.headers, ASKED), Some(expect), "{options}");
        assert_eq!(block_on(Parts::from(request).body.collect(10)).unwrap(), "b");
    };
    let known = "x-forwarded-host=h:81; x-forwarded-method=POST";
    check(
        json!({}),
        &format!(
            "GET auth.test /check; x-forwarded-for=127.0.0.1; {known}; x-forwarded-proto=http; \
             x-forwarded-server=s; x-forwarded-uri=/x?y=1; x-mine=m; "
        ),
    );
    check(
        json!({"trustForwardHeader": false}),
        &format!(
            "GET auth.test /check; x-forwarded-for=127.0.0.1; {known}; x-forwarded-port=81; \
             x-forwarded-proto=http; x-forwarded-uri=/x?y=1; x-mine=m; "
        ),
    );
    check(
        json!({"trustForwardHeader": true}),
        "GET auth.test /check; x-forwarded-for=9.9.9.9, 127.0.0.1; x-forwarded-host=evil; \
         x-forwarded-method=POST; x-forwarded-port=81; x-forwarded-proto=https; \
         x-forwarded-server=s; x-forwarded-uri=/x?y=1; x-mine=m; ",
    );
    check(
        json!({
            "authRequestHeaders": ["x-none", "X-Forwarded-Host"], "trustForwardHeader": true,
            "preserveRequestMethod": true, "forwardBody": true,
        }),
        "POST auth.test /check; x-forwarded-for=127.0.0.1; x-forwarded-host=evil; \
         x-forwarded-method=POST; x-forwarded-port=81; x-forwarded-proto=http; \
         x-forwarded-uri=/x?y=1; b",
    );
}

#[test]
fn forward_auth_takes_over_headers() {
    let sent = [("X-User", "evil"), ("X-Auth-Role", "evil"), ("X-Gone", "evil"), ("X-Stay", "1")];
    let options = json!({
        "address": "http://a/?X-User=ann&X-Auth-Role=r&X-Auth-More=m&X-Other=o",
        "authResponseHeaders": ["x-user", "X-Gone"],
        "authResponseHeadersRegex": "^X-Auth-", "headerField": "X-User",
    });
    let request = passed(run("forwardAuth", &options, request("GET h/", &sent)));
    for (name, value) in [
        ("x-user", Some("ann")),
        ("x-auth-role", Some("r")),
        ("x-auth-more", Some("m")),
        ("x-other", None),
        ("x-gone", None),
        ("x-stay", Some("1")),
    ] {
        assert_eq!(header(&request.headers, name), value, "{name}");
    }
    assert_eq!(request.exchange.record.borrow().user.as_deref(), Some("ann"));
}

#[test]
fn forward_auth_refuses() {
    let check = |options: Value, status: u16, location: Option<&str>, body: &str| {
        let mut sent = request("POST h/", &[]);
        sent.body = "long".into();
        let response = answered(run("forwardAuth", &options, sent));
        assert_eq!(response.status.as_u16(), status, "{options}");
        assert_eq!(header(&response.headers, "location"), location, "{options}");
        assert_eq!(text(response), body, "{options}");
    };
    let body = "xxxxxxxxxx";
    check(json!({"address": "http://a/403"}), 403, None, body);
    let moved = "http://a:1/x/302?location=in";
    check(json!({"address": moved}), 302, Some("http://a:1/x/in"), body);
    let kept = json!({"address": moved, "preserveLocationHeader": true});
    check(kept, 302, Some("in"), body);
    let sign_in = |status: u16| {
        let address = format!("http://a/{status}");
        json!({"address": address, "authSigninURL": "https://s.test/in"})
    };
    check(sign_in(401), 302, Some("https://s.test/in"), "Found");
    check(sign_in(403), 403, None, body);
    check(json!({"address": "http://down.test"}), 500, None, "");
    check(json!({"address": "http://slow.test", "timeout": "10ms"}), 500, None, "");
    check(json!({"address": "http://a", "maxResponseBodySize": 9}), 401, None, "");
    let long = json!({"address": "http://a", "forwardBody": true, "maxBodySize": 3});
    check(long, 401, None, "");
}

#[test]
fn forward_auth_adds_cookies() {
    let options = json!({
        "address": "http://a/?cookie=t=2&cookie=s=3;secure",
        "addAuthCookiesToResponse": ["s"],
    });
    let response = answered(run("forwardAuth", &options, request("GET h/a", &[])));
    assert_eq!(header(&response.headers, "x-uri"), Some("/a"), "the service has answered");
    let cookies: Vec<_> = response.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["s=3;secure"]);
    let options = json!({"address": "http://a/?cookie=s=1"});
    passed(run("forwardAuth", &options, request("GET h/a", &[])));
}

#[test]
fn api_key() {
    let options = json!({
        "keys": {"ann": "k1", "bob": "k2"}, "headerAuthScheme": "Bearer", "query": "key",
        "cookie": "k", "header": "Authorization", "headerField": "X-Who", "removeKey": true,
    });
    let check = |line: &str, headers: &[(&str, &str)], expect: Option<(&str, &str)>| {
        let flow = run("apiKey", &options, request(line, headers));
        let Some((name, uri)) = expect else {
            assert_eq!(challenge(&answered(flow)), "Bearer", "{line} {headers:?}");
            return;
        };
        let request = passed(flow);
        assert_eq!(header(&request.headers, "x-who"), Some(name), "{line} {headers:?}");
        assert_eq!(header(&request.headers, "authorization"), None);
        assert_eq!(request.target.as_str(), uri);
        assert_eq!(request.exchange.record.borrow().user.as_deref(), Some(name));
    };
    check("GET h/", &[("Authorization", "bearer k1")], Some(("ann", "/")));
    check("GET h/?a=1&key=k2&b", &[], Some(("bob", "/?a=1&b")));
    check("GET h/?key=k%32", &[], Some(("bob", "/")));
    check("GET h/", &[("Cookie", "a=1; k=k2")], Some(("bob", "/")));
    check("GET h/", &[("Authorization", "k1")], None);
    check("GET h/", &[("Authorization", "Bearer k3")], None);
    check("GET h/?key=", &[], None);
    check("GET h/", &[], None);
    let cookies = [("Cookie", "a=1; k=k2; b=2")];
    let request = passed(run("apiKey", &options, request("GET h/", &cookies)));
    assert_eq!(header(&request.headers, "cookie"), Some("a=1; b=2"));
    let vm = Vm::new().unwrap();
    let error = load(&vm, written("apiKey", &json!({"keys": {"ann": ""}}))).unwrap_err();
    assert!(error.to_string().contains("keys.ann: is empty"), "{error}");
}

/// A signature of a POST to `/x?y` at that time.
fn signature(date: &str, headers: &str, secret: &str) -> String {
    let all = [("(request-target)", "post /x?y"), ("date", date), ("x-b", "1, 2"), ("x-c", "")];
    let value = |name: &str| all.iter().find(|(known, _)| *known == name).unwrap().1;
    let lines: Vec<_> = headers.split(' ').map(|name| format!("{name}: {}", value(name))).collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, lines.join("\n").as_bytes());
    let tag = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag);
    format!(
        "Hmac keyId=\"ann\", algorithm=\"hmac-sha256\", headers=\"{headers}\", signature=\"{tag}\""
    )
}

#[test]
fn hmac() {
    let options = json!({"keys": {"ann": "s"}, "headerField": "X-Who", "removeHeader": true});
    let ask = |date: &str, authorization: &str| {
        let headers =
            [("Date", date), ("X-B", "1"), ("X-B", "2"), ("Authorization", authorization)];
        run("hmac", &options, request("POST h/x?y", &headers))
    };
    let date = |seconds: u64| {
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        httpdate::fmt_http_date(time)
    };
    let now = date(0);
    let enough = "(request-target) date x-b";
    for (date, headers) in [(&now, "date (request-target)"), (&now, enough), (&date(200), enough)] {
        let request = passed(ask(date, &signature(date, headers, "s")));
        assert_eq!(header(&request.headers, "x-who"), Some("ann"));
        assert_eq!(header(&request.headers, "authorization"), None);
    }
    for (date, authorization) in [
        (&now, signature(&now, "date", "s")),
        (&now, signature(&now, "(request-target)", "s")),
        (&now, signature(&now, enough, "wrong")),
        (&now, signature(&now, "(request-target) date x-c", "s")),
        (&now, signature(&now, enough, "s").replace("ann", "bob")),
        (&now, signature(&now, enough, "s").replace("sha256", "sha512")),
        (&now, signature(&now, enough, "s").replace("Hmac", "Basic")),
        (&date(400), signature(&date(400), enough, "s")),
        (&"yesterday".to_owned(), signature("yesterday", enough, "s")),
        (&now, String::new()),
    ] {
        assert_eq!(challenge(&answered(ask(date, &authorization))), "Hmac", "{authorization}");
    }
}

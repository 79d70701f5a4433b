//! The scripts `jwt` and `split`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::builtin::written;
use super::support::*;
use crate::lua::{Flow, Shared, Vm};

/// A token with HS256 and the secret `moon`.
fn token(claims: &Value) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encode(br#"{"alg":"HS256"}"#);
    let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"moon");
    let signature = encode(ring::hmac::sign(&key, signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

fn options(more: &Value) -> Value {
    let mut all = json!({"signingSecret": "moon"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

fn ask(more: &Value, claims: &Value) -> Flow {
    let bearer = format!("bearer {}", token(claims));
    let sent = request("GET h/x", &[("Authorization", &bearer), ("X-User", "evil")]);
    flow(written("jwt", &options(more)), sent)
}

#[test]
fn claims_are_checked() {
    let check = |more: Value, claims: Value, expect: u16| {
        let status = match ask(&more, &claims) {
            Flow::Next(_) => 200,
            Flow::Done(response) => response.status.as_u16(),
        };
        assert_eq!(status, expect, "{more} {claims}");
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = now.as_secs();
    check(json!({}), json!({}), 200);
    check(json!({}), json!({"exp": now + 60, "nbf": now - 60}), 200);
    check(json!({}), json!({"exp": now - 5}), 401);
    check(json!({"clockSkew": "10s"}), json!({"exp": now - 5}), 200);
    check(json!({}), json!({"exp": "soon"}), 401);
    check(json!({}), json!({"nbf": now + 60}), 401);
    check(json!({"requireExpiration": true}), json!({}), 401);
    let issuers = json!({"issuers": ["a", "b"]});
    check(issuers.clone(), json!({"iss": "b"}), 200);
    check(issuers.clone(), json!({"iss": "c"}), 401);
    check(issuers, json!({}), 401);
    let audiences = json!({"audiences": ["shop"]});
    check(audiences.clone(), json!({"aud": ["x", "shop"]}), 200);
    check(audiences.clone(), json!({"aud": "shop"}), 200);
    check(audiences, json!({"aud": "shops"}), 401);
    check(json!({"algorithms": ["ES256"]}), json!({}), 401);
    let roles = json!({"requiredClaims": {"realm.roles": ["admin", "root"]}});
    check(roles.clone(), json!({"realm": {"roles": ["user", "root"]}}), 200);
    check(roles.clone(), json!({"realm": {"roles": ["user"]}}), 403);
    check(roles, json!({}), 403);
    let text = "Equals(`grp`, `admin`) && (Contains(`scp`, `deploy`) || Prefix(`sub`, `svc-`)) \
                && !SplitContains(`scope`, ` `, `ro`)";
    let condition = json!({ "claims": text });
    check(condition.clone(), json!({"grp": "admin", "scp": ["deploy"]}), 200);
    check(condition.clone(), json!({"grp": "admin", "sub": "svc-1", "scope": "a rom"}), 200);
    check(condition.clone(), json!({"grp": "admin", "sub": "svc-1", "scope": "a ro b"}), 403);
    check(condition.clone(), json!({"grp": "users", "scp": ["deploy"]}), 403);
    check(condition, json!({"grp": "admin"}), 403);
}

#[test]
fn what_the_server_is_told() {
    let more = json!({
        "forwardHeaders": {"X-User": "sub", "X-Roles": "roles", "X-None": "none", "X-N": "n"},
        "stripAuthorizationHeader": true,
    });
    let claims = json!({"sub": "ann", "roles": ["a", "b"], "n": 7});
    let got = passed(ask(&more, &claims));
    for (name, expect) in [
        ("x-user", Some("ann")),
        ("x-roles", Some("[\"a\",\"b\"]")),
        ("x-n", Some("7")),
        ("x-none", None),
        ("authorization", None),
    ] {
        assert_eq!(header(&got.headers, name), expect, "{name}");
    }
    assert_eq!(got.exchange.record.borrow().user.as_deref(), Some("ann"));
    // A claim that is not there, or could end a header, leaves nothing of what the client wrote.
    for claims in [json!({}), json!({"sub": "a\r\nX-Admin: 1"})] {
        let got = passed(ask(&more, &claims));
        assert_eq!(header(&got.headers, "x-user"), None);
    }
}

#[test]
fn where_tokens_are_found() {
    let text = token(&json!({}));
    let more =
        json!({"tokenQueryKey": "t", "tokenCookie": "jwt", "stripAuthorizationHeader": true});
    let spec = || written("jwt", &options(&more));
    let got = passed(flow(spec(), request(&format!("GET h/?a=1&t={text}&b"), &[])));
    assert_eq!(got.target.as_str(), "/?a=1&b");
    passed(flow(spec(), request("GET h/", &[("Cookie", &format!("jwt={text}"))])));
    let refused = answered(flow(spec(), request("GET h/", &[("Authorization", "Basic YTpi")])));
    assert_eq!(header(&refused.headers, "www-authenticate"), Some("Bearer"));
    let realm = options(&json!({"realm": "moon"}));
    let refused = answered(flow(written("jwt", &realm), request("GET h/", &[])));
    assert_eq!(header(&refused.headers, "www-authenticate"), Some("Bearer realm=\"moon\""));
    for (wrong, expect) in [
        (json!({"algorithms": ["HS256"]}), "needs one of"),
        (json!({"signingSecret": "!", "signingSecretBase64Encoded": true}), "is not base64"),
        (json!({"signingSecret": "a", "claims": "Nothing()"}), "Nothing"),
    ] {
        let vm = Vm::new().unwrap();
        let error = load(&vm, written("jwt", &wrong)).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

/// The arms that so many requests come to, over two workers.
fn arms(options: &Value, headers: &[(&str, &str)], times: usize) -> Vec<String> {
    let shared = Shared::new();
    let vms = [0, 1].map(|_| Vm::sharing(Arc::clone(&shared)).unwrap());
    let mut all = options.clone();
    all["armHeader"] = json!("X-Arm");
    let spec = written("split", &all);
    let instances = [0, 1].map(|worker: usize| load(&vms[worker], spec.clone()).unwrap());
    let ask = |turn: usize| {
        let flow = block_on(instances[turn % 2].request(&context(), 0, request("GET h/", headers)));
        match flow {
            Flow::Next(request) => header(&request.headers, "x-arm").unwrap().to_owned(),
            Flow::Done(response) => {
                let cookie = header(&response.headers, "set-cookie").unwrap();
                cookie.split(['=', ';']).nth(1).unwrap().to_owned()
            }
        }
    };
    (0..times).map(ask).collect()
}

fn counts(arms: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for arm in arms {
        *counts.entry(arm.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn split_by_weight_is_exact() {
    let options = json!({"arms": [{"name": "old", "weight": 9}, {"name": "new", "weight": 1}]});
    for ten in arms(&options, &[], 100).chunks(10) {
        assert_eq!(counts(ten), BTreeMap::from([("new", 1), ("old", 9)]));
    }
    let large = json!({"arms": [{"name": "a", "weight": 5000}, {"name": "b", "weight": 5000}]});
    let got = arms(&large, &[], 400);
    assert!((100..=300).contains(&counts(&got)["a"]), "{:?}", counts(&got));
}

#[test]
fn split_by_what_clients_send() {
    let two = json!([{"name": "old", "weight": 9}, {"name": "new", "weight": 0}, {"name": "b"}]);
    let all = |more: Value, headers: &[(&str, &str)]| {
        let mut options = json!({ "arms": two });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let got = arms(&options, headers, 20);
        let counts = counts(&got);
        if counts.len() == 1 { got[0].clone() } else { "several".to_owned() }
    };
    assert_eq!(all(json!({"header": "X-Try"}), &[("X-Try", "new")]), "new");
    assert_eq!(all(json!({"header": "X-Try"}), &[("X-Try", "none")]), "several");
    assert_eq!(all(json!({"header": "X-Try"}), &[]), "several");
    assert_eq!(all(json!({"cookie": {}}), &[("Cookie", "split=b")]), "b");
    // Who was with an arm that is taken away is dealt anew.
    assert_eq!(all(json!({"cookie": {}}), &[("Cookie", "split=new")]), "several");
    let by = json!({"stickyBy": {"header": "X-Who"}});
    let dealt: Vec<_> =
        (0..40).map(|who| all(by.clone(), &[("X-Who", &who.to_string())])).collect();
    assert!(!dealt.contains(&"several".to_owned()), "{dealt:?}");
    assert!(dealt.contains(&"b".to_owned()) && dealt.contains(&"old".to_owned()), "{dealt:?}");
    assert_eq!(all(by, &[]), "several");
}

#[test]
fn split_sets_a_cookie_and_calls_services() {
    let options = json!({
        "arms": [{"name": "new", "service": "echo"}],
        "cookie": {"name": "arm", "maxAge": "1h", "secure": true, "sameSite": "strict"},
    });
    let got = answered(flow(written("split", &options), request("GET h/x", &[])));
    assert_eq!(header(&got.headers, "x-uri"), Some("/x"));
    let cookie = header(&got.headers, "set-cookie").unwrap();
    assert!(cookie.starts_with("arm=new; "), "{cookie}");
    for part in ["Max-Age=3600", "Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let known = [("Cookie", "arm=new")];
    let got = answered(flow(written("split", &options), request("GET h/x", &known)));
    assert_eq!(header(&got.headers, "set-cookie"), None);
    let gone = json!({"arms": [{"name": "new", "service": "gone"}]});
    let got = answered(flow(written("split", &gone), request("GET h/x", &[])));
    assert_eq!(got.status.as_u16(), 503);
    for (wrong, expect) in [
        (json!([{"name": "a"}, {"name": "a"}]), "two are called a"),
        (json!([{"name": "a", "weight": 0}]), "at least one needs a weight"),
    ] {
        let vm = Vm::new().unwrap();
        let error = load(&vm, written("split", &json!({ "arms": wrong }))).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    }
}

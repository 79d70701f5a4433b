//! `mirrorDiff`: a server or a script in the shadow.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod support;

use support::{Answer, Backend, Moongate, through, until};

fn start(primary: &Backend, shadow: &str, options: &str) -> Moongate {
    let middleware = format!("mirrorDiff: {{service: shadow, countsPath: /counts{options}}}");
    let services = format!("    shadow: {{loadBalancer: {{servers: [{{url: '{shadow}'}}]}}}}\n");
    Moongate::start(&(through(&middleware, &primary.url()) + &services))
}

fn page(body: &str) -> Answer {
    let length = body.len();
    Answer::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
}

/// The counts once so many requests have been compared.
fn counts(moongate: &Moongate, requests: u64) -> serde_json::Value {
    until("the answers are compared", || {
        let told: serde_json::Value =
            serde_json::from_str(&moongate.get("h", "/counts").text()).ok()?;
        (told["requests"] == requests).then_some(told)
    })
}

#[test]
fn differences_are_counted() {
    let (primary, shadow) = (Backend::start("a", page("one")), Backend::start("b", page("one")));
    let moongate = start(&primary, &shadow.url(), "");
    for _ in 0..3 {
        assert_eq!(moongate.get("h", "/x").text(), "one");
    }
    assert_eq!(counts(&moongate, 3)["same"], 3);
    assert_eq!(shadow.last().header("x-moongate-shadow"), Some("true"));
    assert_eq!(primary.last().header("x-moongate-shadow"), None);
    shadow.answer(page("two"));
    assert_eq!(moongate.get("h", "/x").text(), "one");
    let told = counts(&moongate, 4);
    assert_eq!((&told["different"], &told["different body"]), (&1.into(), &1.into()));
    shadow.answer(Answer::Raw(b"HTTP/1.1 500 X\r\nContent-Length: 3\r\n\r\none".to_vec()));
    moongate.get("h", "/x");
    let told = counts(&moongate, 5);
    assert_eq!((&told["different status"], &told["different body"]), (&1.into(), &1.into()));
    // What changes something is not done twice.
    let before = shadow.count();
    assert_eq!(moongate.client().send("POST", "h", "/x", &[], b"b").status, 200);
    assert_eq!(counts(&moongate, 5)["same"], 3);
    assert_eq!(shadow.count(), before);
}

#[test]
fn a_slow_or_dead_shadow_is_nobodys_business() {
    let (primary, shadow) =
        (Backend::start("a", page("one")), Backend::start("b", Answer::Silence));
    let moongate = start(&primary, &shadow.url(), "");
    assert_eq!(moongate.get("h", "/x").text(), "one");
    let moongate = start(&primary, &Backend::closed(), "");
    assert_eq!(moongate.get("h", "/x").text(), "one");
    assert_eq!(counts(&moongate, 1)["failed"], 1);
}

#[test]
fn bodies_of_requests_and_a_script_in_the_shadow() {
    let (primary, shadow) = (Backend::start("a", page("one")), Backend::start("b", page("one")));
    let code = "return { response = function(res) res.headers[\"X-Edit\"] = \"yes\" end }";
    let edited = through(&format!("lua: {{code: '{code}'}}"), &shadow.url());
    let edited = Moongate::start(&edited);
    let with_script = format!("http://{}", edited.address("web"));
    let options = ", methods: [POST], headers: [X-Edit]";
    let moongate = start(&primary, &with_script, options);
    assert_eq!(moongate.client().send("POST", "h", "/x", &[], b"the body").status, 200);
    let told = counts(&moongate, 1);
    assert_eq!(told["different header X-Edit"], 1, "{told}");
    assert_eq!(shadow.last().body, b"the body");
    assert_eq!(primary.last().body, b"the body");
}

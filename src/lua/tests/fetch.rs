//! Requests of a script's own.

use serde_json::json;

use super::server::ASKED;
use super::support::*;
use crate::lua::InstanceSpec;
use crate::message::{Parts, Request};

/// What a hook made of this answers.
fn fetched(hook: &str, request: Request) -> crate::message::Response {
    let text = format!("return {{ request = function(req, ctx) {hook} end }}");
    answered(flow(spec(&text, json!({})), request))
}

#[test]
fn what_a_script_says_reaches_the_server() {
    let check = |call: &str, expect: &str| {
        let sent = request("POST h.test/x", &[("X-A", "1"), ("Content-Length", "4")]);
        let mut sent = sent;
        sent.body = "body".into();
        let got = fetched(&format!("return {call}"), sent);
        assert_eq!(header(&got.headers, ASKED), Some(expect), "{call}");
    };
    check("http.fetch('http://a.test')", "GET a.test /; ");
    check("http.fetch('http://a.test:81/x?y#z')", "GET a.test:81 /x?y; ");
    check(
        "http.fetch('http://u:p@a.test/', { method = 'PUT', body = 'b', headers = { b = '2' } })",
        "PUT a.test /; authorization=Basic dTpw; b=2; b",
    );
    check("http.fetch('http://a/', { headers = { Host = 'b.test' } })", "GET b.test /; ");
    check("http.fetch('http://a/', { headers = req.headers })", "GET a /; x-a=1; ");
    check("http.fetch('http://a/', { method = 'POST', body = req })", "POST a /; body");
    check("http.client({ link_local = true }):fetch('http://a/')", "GET a /; ");
    let copied = "(function() local h = req.headers:copy(); h['X-A'] = nil; h.b = 2; \
                  return http.fetch('http://a/', { headers = h }) end)()";
    check(copied, "GET a /; b=2; ");
}

#[test]
fn several_are_sent_at_once() {
    let call = "local all = http.all({
            { url = 'http://slow.test', timeout = '10ms' },
            { url = 'http://a.test/', method = 'PUT', body = 'b' },
            { url = 'http://a.test/404' },
        })
        local told = {}
        for _, one in ipairs(all) do
            table.insert(told, one.res and one.res.status .. one.res.headers['x-asked'] or one.kind)
        end
        return respond(200, table.concat(told, ' | '))";
    let told = text(fetched(call, request("GET h/", &[])));
    assert_eq!(told, "timeout | 200PUT a.test /; b | 404GET a.test /404; ");
    let told = text(fetched("return respond(200, #http.all({}))", request("GET h/", &[])));
    assert_eq!(told, "0");
}

#[test]
fn the_body_of_a_request_is_shared() {
    let text = "return { request = function(req) http.fetch('http://a/', { body = req }) end }";
    let mut sent = request("POST h/", &[]);
    sent.body = "shared".into();
    let passed = passed(flow(spec(text, json!({})), sent));
    assert_eq!(block_on(Parts::from(passed).body.collect(100)).unwrap(), "shared");
}

#[test]
fn services_are_asked_by_name() {
    for name in ["echo", "echo@file"] {
        let got =
            fetched(&format!("return http.fetch('service:{name}/x?y')"), request("GET h/", &[]));
        assert_eq!(header(&got.headers, "x-uri"), Some("/x?y"), "{name}");
    }
}

#[test]
fn what_goes_wrong_is_told() {
    let check = |call: &str, expect: &str| {
        let hook =
            format!("local res, why, kind = {call}; return respond(200, kind .. ': ' .. why)");
        let mut sent = request("POST h/", &[]);
        sent.body = "0123456789".into();
        assert_eq!(text(fetched(&hook, sent)), expect, "{call}");
    };
    check("http.fetch('http://down.test')", "failed: no available server");
    check(
        "http.fetch('http://slow.test', { timeout = '10ms' })",
        "timeout: there was no answer within 10ms",
    );
    check(
        "http.fetch('http://a', { body = req, request_max = 9 })",
        "request_too_large: the request's body is longer than 9 bytes",
    );
    check(
        "http.fetch('http://a', { response_max = 9 })",
        "response_too_large: the answer's body is longer than 9 bytes",
    );
}

#[test]
fn mistakes_of_scripts_are_errors() {
    let check = |call: &str, expect: &str| {
        let hook = format!(
            "local _, why = pcall(function() {call} end); return respond(200, tostring(why))"
        );
        let got = text(fetched(&hook, request("GET h/", &[])));
        assert!(got.contains(expect), "{call}: {got}");
    };
    check("http.fetch('a.test')", "it has no scheme");
    check("http.fetch('ftp://a.test')", "nobody speaks that");
    check("http.fetch('service:none/')", "there is no service \"none@file\"");
    check("http.fetch('http://a', { body = ctx })", "body must be a string or req");
    check("http.fetch('http://a', { retries = 1 })", "unknown option \"retries\"");
    check("http.fetch('http://a', { timeout = 'soon' })", "this is no duration");
    check("http.client({ tls = { ca = '/etc/passwd' } })", "tls.ca: this is no PEM text");
    check("http.client({ tls = { cert = '-----BEGIN' } })", "cert and key belong together");
    check("for _ = 1, 51 do http.fetch('http://a') end", "more than 50 requests");
    check("http.all({ { url = 'http://a', body = req } })", "http.all: body must be a string");
    check("http.all({ { url = 'ftp' } })", "it has no scheme");
    check("http.all({ { url = 'http://a', retries = 1 } })", "unknown option \"retries\"");
    let many = "local l = {} for i = 1, 51 do l[i] = { url = 'http://a' } end http.all(l)";
    check(many, "more than 50 requests");
}

#[test]
fn setup_cannot_fetch() {
    let vm = crate::lua::Vm::new().unwrap();
    let text = "return { setup = function() http.fetch('http://a') end }";
    let spec = InstanceSpec { ..spec(text, json!({})) };
    let error = load(&vm, spec).unwrap_err().to_string();
    assert!(error.contains("not in setup"), "{error}");
}

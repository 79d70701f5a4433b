//! The older syntax against requests.

use crate::rule::matcher::tests::matches_in;
use crate::rule::{Syntax, parse};

fn check(rule: &str, request: &str, expect: bool) {
    with(rule, request, &[], expect);
}

fn with(rule: &str, request: &str, headers: &[(&str, &str)], expect: bool) {
    let got = matches_in(Syntax::V2, rule, request, headers, "127.0.0.1");
    assert_eq!(got, expect, "{rule} {request} {headers:?}");
}

#[test]
fn hosts() {
    check("Host(`A.test`, `b.test`)", "GET a.test/", true);
    check("Host(`a.test`, `b.test.`)", "GET b.test/", true);
    check("Host(`a.test`)", "GET a.test./", true);
    check("Host(`a.test`, `b.test`)", "GET c.test/", false);
    check("Host(`a.test`)", "GET /", false);
    check("Host(`.`)", "GET /", false);
    check("HostHeader(`c.test`)", "GET c.test/", true);
    // Wildcards came with the present syntax.
    check("Host(`*.a.test`)", "GET x.a.test/", false);
    check("Host(`*`)", "GET a.test/", false);
    check("HostRegexp(`a.test`, `{sub:[a-z]+}.a.test`)", "GET a.test/", true);
    check("HostRegexp(`a.test`, `{sub:[a-z]+}.A.test`)", "GET x.a.test/", true);
    check("HostRegexp(`{sub:[A-Z]+}.a.test`)", "GET x.a.test/", true);
    check("HostRegexp(`{sub:[a-z]+}.a.test`)", "GET x1.a.test/", false);
    check("HostRegexp(`{sub:[a-z]+}.a.test`)", "GET x.axtest/", false);
    check("HostRegexp(`{sub}.a.test`)", "GET y.x.a.test/", false);
    check("HostRegexp(`{sub:.+}.a.test`)", "GET y.x.a.test/", true);
    check("HostRegexp(`{sub:.*}.a.test`)", "GET .a.test/", true);
    check("HostRegexp(`{any:.+}`)", "GET whatever/", true);
    check("HostRegexp(`a.test`)", "GET a.test./", false);
}

#[test]
fn paths() {
    let path = "Path(`/x/{id:[0-9]+}`, `/y`)";
    check(path, "GET h/x/12", true);
    check(path, "GET h/y", true);
    check(path, "GET h/x/ab", false);
    check(path, "GET h/x/12/", false);
    check(path, "GET h/x/12\n", false);
    check("Path(`/a.b`)", "GET h/axb", false);
    check("Path(`/{a}/{b}`)", "GET h/1/2", true);
    check("Path(`/{a}/{b}`)", "GET h/1/2/3", false);
    check("Path(`/{all:.*}`)", "GET h/1/2/3", true);
    check("Path(`/{n:[0-9]{2}}`)", "GET h/12", true);
    check("Path(`/{n:[0-9]{2}}`)", "GET h/123", false);
    check("Path(`/{n:(a|b)c}`)", "GET h/bc", true);
    check("Path(`/{n:a|b}c`)", "GET h/bc", true);
    check("PathPrefix(`/pre/{name}`)", "GET h/pre/foo/bar", true);
    check("PathPrefix(`/pre/{name}`)", "GET h/pre/", false);
    check("PathPrefix(`/p`, `/q`)", "GET h/qq", true);
}

#[test]
fn heads() {
    check("Method(`get`, `PURGE`)", "PURGE h/", true);
    check("Method(`get`, `PURGE`)", "GET h/", true);
    check("Method(`get`, `PURGE`)", "POST h/", false);
    let both = "Headers(`X-A`, `1`, `X-B`, `2`)";
    with(both, "GET h/", &[("x-a", "0"), ("x-a", "1"), ("x-b", "2")], true);
    with(both, "GET h/", &[("x-a", "1")], false);
    with("HeadersRegexp(`X-A`, `^[0-9]+$`)", "GET h/", &[("x-a", "12")], true);
    with("HeadersRegexp(`X-A`, `^[0-9]+$`)", "GET h/", &[("x-a", "x12")], false);
    check("ClientIP(`10.0.0.0/8`, `127.0.0.1`)", "GET h/", true);
    check("ClientIP(`10.0.0.0/8`, `::1`)", "GET h/", false);
}

#[test]
fn queries() {
    check("Query(`a=b`)", "GET h/?x&a=b", true);
    check("Query(`a=b`)", "GET h/?a=%62", true);
    // Only a parameter's first value counts.
    check("Query(`a=b`)", "GET h/?a=c&a=b", false);
    check("Query(`a=b`, `c=d`)", "GET h/?a=b", false);
    check("Query(`a=b`, `c=d`)", "GET h/?c=d&a=b", true);
    check("Query(`a=`)", "GET h/?a=anything", true);
    check("Query(`a=`)", "GET h/?b", false);
    check("Query(`a`, `b`)", "GET h/?a=b", true);
    check("Query(`id={id:[0-9]+}`)", "GET h/?id=12", true);
    check("Query(`id={id:[0-9]+}`)", "GET h/?id=x", false);
}

#[test]
fn errors_say_what_is_wrong() {
    for (rule, part) in [
        ("Header(`a`, `b`)", "unknown matcher Header, did you mean Headers?"),
        ("PathRegexp(`a`)", "unknown matcher PathRegexp"),
        ("Host()", "does not take 0 arguments"),
        ("Host(`a`, ``)", "an argument is empty"),
        ("Path(`a`)", "begin with a slash"),
        ("Path(`/{a`)", "unbalanced braces"),
        ("Path(`/a}`)", "unbalanced braces"),
        ("Path(`/{}`)", "lacks a name"),
        ("Path(`/{a:}`)", "lacks a name"),
        ("Path(`/{a:)(}`)", "is no regular expression"),
        ("Headers(`a`, `b`, `c`)", "in pairs"),
        ("Query(`a`)", "name=value"),
        ("Host(`b\u{fc}cher.de`)", "ASCII"),
        ("ClientIP(`::1`, `300.1.1.1`)", "300.1.1.1"),
    ] {
        let error = Syntax::V2.compile(&parse(rule).unwrap()).unwrap_err().to_string();
        assert!(error.contains(part), "{rule}: {error}");
    }
}

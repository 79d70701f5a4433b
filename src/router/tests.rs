//! The index holds to what trying the rules one by one answers.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Method};
use proptest::prelude::*;

use super::*;
use crate::headers::Headers;
use crate::rule::{HeadKey, Key, NoScripts, PathKey, Syntax, compile, parse};

/// A request of the alphabet that the rules are made of.
#[derive(Debug, Clone)]
struct Ask {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: Headers,
    client_ip: IpAddr,
}

impl Ask {
    fn facts(&self) -> Facts<'_> {
        Facts {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            client_ip: self.client_ip,
            scripts: &NoScripts,
        }
    }
}

/// A rule in its syntax.
type Written = (Syntax, String);

/// Priority 0 is the rule's length, as routers have it.
fn entries(rules: &[(i64, Written)]) -> Vec<Entry<usize>> {
    let entry = |(target, (priority, (syntax, rule))): (usize, &(i64, Written))| Entry {
        priority: if *priority == 0 { i64::try_from(rule.len()).unwrap() } else { *priority },
        precedence: target % 3,
        // Names do not come in the order of the rules.
        name: format!("r{}@file", (target * 7) % 11).into(),
        matcher: Arc::new(syntax.compile(&parse(rule).unwrap()).unwrap()),
        target,
    };
    rules.iter().enumerate().map(entry).collect()
}

fn any_host() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a.b", "b.b", "a.a.b", "c.d", "b", ".b"]).prop_map(str::to_owned)
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof!["/[ab/]{0,4}", Just("/ab".to_owned()), Just("/a/b".to_owned())]
}

fn any_call() -> impl Strategy<Value = String> {
    let value = "[12]";
    let regexp = prop::sample::select(vec![
        "a", "^b", "b$", "^a\\.", "c|d", "^.$", "^..$", "^...$", "a.b", "b.b", "x", "^$",
    ]);
    prop_oneof![
        4 => any_host().prop_map(|host| format!("Host(`{host}`)")),
        2 => any_host().prop_map(|host| format!("Host(`*.{}`)", host.trim_start_matches('.'))),
        1 => Just("Host(`*`)".to_owned()),
        3 => regexp.clone().prop_map(|regexp| format!("HostRegexp(`{regexp}`)")),
        3 => any_path().prop_map(|path| format!("Path(`{path}`)")),
        3 => any_path().prop_map(|path| format!("PathPrefix(`{path}`)")),
        1 => regexp.prop_map(|regexp| format!("PathRegexp(`{regexp}`)")),
        2 => prop::sample::select(vec!["GET", "post", "X"]).prop_map(|m| format!("Method(`{m}`)")),
        3 => ("X-[AB]", value).prop_map(|(name, v)| format!("Header(`{name}`, `{v}`)")),
        1 => ("X-[AB]", value).prop_map(|(name, v)| format!("HeaderRegexp(`{name}`, `{v}`)")),
        1 => ("[qr]", value).prop_map(|(name, v)| format!("Query(`{name}`, `{v}`)")),
        1 => "[qr]".prop_map(|name| format!("QueryRegexp(`{name}`)")),
        1 => value.prop_map(|v| format!("ClientIP(`10.0.{v}.0/24`)")),
    ]
}

/// Values between backticks, many to a matcher.
fn many(values: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(values, 1..4).prop_map(|values| format!("`{}`", values.join("`, `")))
}

fn any_older_call() -> impl Strategy<Value = String> {
    let variable = || prop::sample::select(vec!["{x}", "{x:a}", "{x:[ab]+}", "{x:.*}", "{x:a|b}"]);
    let host = prop_oneof![
        2 => (variable(), any_host()).prop_map(|(v, host)| format!("{v}.{host}")),
        1 => variable().prop_map(str::to_owned),
        1 => (any_host(), variable()).prop_map(|(host, v)| format!("{host}{v}")),
        1 => any_host(),
    ];
    let path = prop_oneof![
        2 => any_path(),
        2 => (any_path(), variable()).prop_map(|(path, v)| format!("{path}{v}")),
        1 => (variable(), any_path()).prop_map(|(v, path)| format!("/{v}{path}")),
    ];
    let method = prop::sample::select(vec!["GET", "post", "X"]).prop_map(str::to_owned);
    let header = || ("X-[AB]", "[12]").prop_map(|(name, value)| format!("{name}`, `{value}"));
    let query = ("[qr]", prop::sample::select(vec!["1", "2", "", "{x}", "{x:[12]+}"]))
        .prop_map(|(name, value)| format!("{name}={value}"));
    prop_oneof![
        4 => many(any_host()).prop_map(|args| format!("Host({args})")),
        3 => many(host).prop_map(|args| format!("HostRegexp({args})")),
        3 => many(path.clone()).prop_map(|args| format!("Path({args})")),
        3 => many(path).prop_map(|args| format!("PathPrefix({args})")),
        2 => many(method).prop_map(|args| format!("Method({args})")),
        3 => many(header()).prop_map(|args| format!("Headers({args})")),
        1 => many(header()).prop_map(|args| format!("HeadersRegexp({args})")),
        1 => many(query).prop_map(|args| format!("Query({args})")),
        1 => many("10\\.0\\.[12]\\.0/24").prop_map(|args| format!("ClientIP({args})")),
    ]
}

fn any_rule() -> impl Strategy<Value = Written> {
    prop_oneof![
        2 => combined(any_call()).prop_map(|rule| (Syntax::V3, rule)),
        1 => combined(any_older_call()).prop_map(|rule| (Syntax::V2, rule)),
    ]
}

fn combined(call: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    call.prop_recursive(3, 12, 3, |inner| {
        let many = || prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            3 => many().prop_map(|parts| format!("({})", parts.join(" && "))),
            2 => many().prop_map(|parts| format!("({})", parts.join(" || "))),
            1 => inner.prop_map(|part| format!("!{part}")),
        ]
    })
}

fn any_rules() -> impl Strategy<Value = Vec<(i64, Written)>> {
    let priority = prop_oneof![4 => Just(0), 1 => -3..4i64];
    prop::collection::vec((priority, any_rule()), 0..60)
}

fn any_ask() -> impl Strategy<Value = Ask> {
    let headers = prop::collection::vec((prop::sample::select(vec!["x-a", "x-b"]), "[12]"), 0..4);
    let query = prop::option::of("([qr]=?[12%&]{0,2}&?){0,2}");
    let host = prop_oneof![4 => any_host(), 1 => any_host().prop_map(|h| h + "."), 1 => ".{0,2}"];
    let method = prop::sample::select(vec!["GET", "POST", "X", "get"]);
    (method, host, any_path(), query, headers, 1..3u8).prop_map(
        |(method, host, path, query, pairs, net)| {
            let mut headers = Headers::new();
            for (name, value) in pairs {
                let value = HeaderValue::from_str(&value).unwrap();
                headers.append(HeaderName::from_static(name), value);
            }
            let (method, client_ip) = (method.parse().unwrap(), IpAddr::from([10, 0, net, 1]));
            Ask { method, host: host.to_lowercase(), path, query, headers, client_ip }
        },
    )
}

/// Whether a request meets a key, in the plainest way.
fn fits(key: &Key, facts: &Facts<'_>) -> bool {
    let host = facts.host.strip_suffix('.').unwrap_or(facts.host);
    let host = match &key.host {
        HostKey::Any => true,
        HostKey::Exact(wanted) => host == &**wanted,
        HostKey::Below(domain) => match host.strip_suffix(&format!(".{domain}")) {
            Some(label) => !label.is_empty() && !label.contains('.'),
            None => false,
        },
        HostKey::Regexp(regexp) => regex::Regex::new(regexp).unwrap().is_match(facts.host),
    };
    let path = match &key.path {
        PathKey::Any => true,
        PathKey::Exact(path) => facts.path == &**path,
        PathKey::Prefix(prefix) => facts.path.starts_with(&**prefix),
    };
    let head = match &key.head {
        HeadKey::Any => true,
        HeadKey::Method(method) => facts.method == method,
        HeadKey::Header(header) => {
            let mut values = facts.headers.get_all(&header.0).iter();
            values.any(|value| value.as_bytes() == &*header.1)
        }
    };
    host && path && head
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn finds_what_trying_one_by_one_finds(
        rules in any_rules(),
        kept in 0..60usize,
        asks in prop::collection::vec(any_ask(), 1..24),
    ) {
        let entries = entries(&rules);
        let table = Table::build(entries.clone());
        let before = Table::build(entries.iter().take(kept).cloned().collect());
        let after = Table::build_after(entries, Some(&before));
        for ask in &asks {
            let facts = ask.facts();
            let expect = table.find_all(&facts).next().map(|entry| &entry.target);
            prop_assert_eq!(table.find(&facts), expect, "{:?}", ask);
            prop_assert_eq!(after.find(&facts), expect, "{:?}", ask);
        }
    }

    #[test]
    fn keys_are_necessary_and_sufficient_where_they_say_so(
        (syntax, rule) in any_rule(),
        asks in prop::collection::vec(any_ask(), 1..24),
    ) {
        let matcher = syntax.compile(&parse(&rule).unwrap()).unwrap();
        for ask in &asks {
            let facts = ask.facts();
            let fitting: Vec<_> = matcher.keys().iter().filter(|key| fits(key, &facts)).collect();
            let matches = matcher.matches(&facts);
            prop_assert!(!matches || !fitting.is_empty(), "{} {:?}", rule, ask);
            prop_assert!(matches || fitting.iter().all(|key| !key.suffices), "{} {:?}", rule, ask);
        }
    }
}

/// Which of some routers answers `METHOD host/path`; routers are `name: rule`.
fn check(routers: &[(&str, &str, i64)], request: &str, expect: &str) {
    let entry = |(name, rule, priority): &(&str, &str, i64)| Entry {
        priority: if *priority == 0 { i64::try_from(rule.len()).unwrap() } else { *priority },
        precedence: 0,
        name: (*name).into(),
        matcher: Arc::new(compile(&parse(rule).unwrap()).unwrap()),
        target: (*name).to_owned(),
    };
    let table = Table::build(routers.iter().map(entry).collect());
    let (method, rest) = request.split_once(' ').unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let ask = Ask {
        method: method.parse().unwrap(),
        host: host.to_owned(),
        path: path.to_owned(),
        query: None,
        headers: Headers::new(),
        client_ip: IpAddr::from([127, 0, 0, 1]),
    };
    let got = table.find(&ask.facts()).map_or("none", String::as_str);
    assert_eq!(got, expect, "{request}");
}

#[test]
fn the_longer_rule_goes_first() {
    let routers = [
        ("short", "PathPrefix(`/foo`)", 0),
        ("long", "PathPrefix(`/foo/bar`)", 0),
        ("host", "Host(`h`) && PathPrefix(`/foo`)", 0),
    ];
    check(&routers, "GET x/foo", "short");
    check(&routers, "GET x/foo/bar", "long");
    check(&routers, "GET h/foo", "host");
    check(&routers, "GET h/foo/bar", "host");
    check(&routers, "GET h/", "none");
}

#[test]
fn explicit_priorities_beat_lengths() {
    let routers = [
        ("short", "PathPrefix(`/`)", 100),
        ("long", "PathPrefix(`/foo/bar`)", 0),
        ("neg", "PathPrefix(`/foo/bar/baz/very/long`)", -1),
        ("zero", "Host(`zero`) && PathPrefix(`/foo`)", 0),
    ];
    check(&routers, "GET x/foo/bar", "short");
    check(&routers, "GET x/foo/bar/baz/very/long", "short");
    check(&routers, "GET zero/foo", "short");
    check(&routers[1..], "GET x/foo/bar/baz/very/long", "long");
    check(&routers[2..], "GET x/foo/bar/baz/very/long", "neg");
}

#[test]
fn ties_go_by_name() {
    let routers = [
        ("bbb", "Path(`/x`) || Path(`/2`)", 0),
        ("aaa", "Path(`/x`) || Path(`/1`)", 0),
        ("zzz", "Path(`/x`) || Path(`/0`)", 0),
    ];
    check(&routers, "GET h/1", "aaa");
    check(&routers, "GET h/2", "bbb");
    check(&routers, "GET h/x", "aaa");
}

#[test]
fn precedence_goes_before_names() {
    let entry = |name: &str, priority, precedence| Entry {
        priority,
        precedence,
        name: name.into(),
        matcher: Arc::new(compile(&parse("PathPrefix(`/`)").unwrap()).unwrap()),
        target: name.to_owned(),
    };
    let order = |entries: Vec<Entry<String>>| {
        let ask = Ask {
            method: Method::GET,
            host: "h".to_owned(),
            path: "/".to_owned(),
            query: None,
            headers: Headers::new(),
            client_ip: IpAddr::from([127, 0, 0, 1]),
        };
        let table = Table::build(entries);
        table.find_all(&ask.facts()).map(|entry| entry.target.clone()).collect::<Vec<_>>()
    };
    let entries = vec![
        entry("a", 1, usize::MAX),
        entry("b", 1, 3),
        entry("d", 1, 1),
        entry("c", 1, 1),
        entry("z", 2, 9),
    ];
    assert_eq!(order(entries), ["z", "c", "d", "b", "a"]);
}

#[test]
fn operators_bind_as_in_go() {
    let routers = [
        ("a", "Host(`a.test`) || Host(`b.test`) && Path(`/x`)", 10),
        ("b", "(Host(`c.test`) || Host(`d.test`)) && Path(`/x`)", 10),
        ("n", "!(Host(`c.test`) || Host(`d.test`)) && !Path(`/y`) && Method(`DELETE`)", 10),
    ];
    check(&routers, "GET a.test/y", "a");
    check(&routers, "GET b.test/x", "a");
    check(&routers, "GET b.test/y", "none");
    check(&routers, "GET c.test/x", "b");
    check(&routers, "GET d.test/x", "b");
    check(&routers, "GET c.test/y", "none");
    check(&routers, "DELETE e.test/z", "n");
    check(&routers, "DELETE e.test/y", "none");
    check(&routers, "DELETE c.test/z", "none");
}

#[test]
fn wildcards_cover_one_label() {
    let routers = [("a", "Host(`*.example.com`)", 0), ("b", "Host(`*`)", 1)];
    check(&routers, "GET one.example.com/", "a");
    check(&routers, "GET two.one.example.com/", "b");
    check(&routers, "GET example.com/", "b");
    check(&routers, "GET anything.test/", "b");
    check(&routers, "GET /", "b");
}

#[test]
fn a_missing_host_fits_rules_without_host() {
    let routers = [("any", "PathPrefix(`/`)", 0), ("h", "Host(`h.test`)", 0)];
    check(&routers, "GET /", "any");
    // The rule without host is the longer one.
    check(&routers, "GET h.test/", "any");
}

#[test]
fn many_alternatives_are_all_found() {
    let hosts: Vec<_> = (0..16).map(|i| format!("Host(`h{i:02}.test`)")).collect();
    let rule = hosts.join(" || ");
    let routers = [("a", rule.as_str(), 0), ("b", "PathPrefix(`/`)", 315)];
    assert_eq!(rule.len(), 316);
    check(&routers, "GET h00.test/", "a");
    check(&routers, "GET h15.test/", "a");
    check(&routers, "GET h16.test/", "b");
}

#[test]
fn hosts_by_many_expressions_are_all_found() {
    let rules: Vec<_> = (0..600)
        .map(|i| (0, (Syntax::V3, format!("HostRegexp(`^[a-z]+[.]site{i:03}$`)"))))
        .collect();
    let table = Table::build(entries(&rules));
    for wanted in [0, 255, 256, 511, 599] {
        let (method, headers) = (Method::GET, Headers::new());
        let host = format!("shop.site{wanted:03}");
        let facts = Facts {
            method: &method,
            host: &host,
            path: "/",
            query: None,
            headers: &headers,
            client_ip: IpAddr::from([127, 0, 0, 1]),
            scripts: &NoScripts,
        };
        assert_eq!(table.find(&facts), Some(&wanted));
    }
}

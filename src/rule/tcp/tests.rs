//! Matchers of TCP routers, one by one.

use super::super::parse;
use super::*;

fn check(rule: &str, sni: &str, protocols: &[&str], ip: &str, expect: bool) {
    let protocols: Vec<Vec<u8>> = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let matcher = compile(&parse(rule).unwrap(), Syntax::V3).unwrap();
    let client_ip = ip.parse().unwrap();
    let facts = Facts { sni, protocols: &protocols, client_ip };
    assert_eq!(matcher.matches(&facts), expect, "{rule} {sni} {protocols:?} {ip}");
}

#[test]
fn server_names() {
    for (rule, sni, expect) in [
        ("HostSNI(`*`)", "", true),
        ("HostSNI(`*`)", "a.test", true),
        ("HostSNI(`A.Test`)", "a.test", true),
        ("HostSNI(`a.test.`)", "a.test", true),
        ("HostSNI(`a.test`)", "a.test.", true),
        ("HostSNI(`a.test`)", "", false),
        ("HostSNI(`a.test`)", "b.a.test", false),
        ("HostSNI(`*.a.test`)", "b.a.test", true),
        ("HostSNI(`*.a.test`)", "a.test", false),
        ("HostSNI(`*.a.test`)", "c.b.a.test", false),
        ("HostSNIRegexp(`^[a-z]+\\.re\\.test$`)", "foo.re.test", true),
        ("HostSNIRegexp(`^[a-z]+\\.re\\.test$`)", "f00.re.test", false),
        ("HostSNIRegexp(`.*`)", "", true),
        ("hostsni(`x.test`) || HOSTSNI(`y.test`)", "y.test", true),
        ("HostSNI(`x.test`) && !HostSNIRegexp(`x`)", "x.test", false),
    ] {
        check(rule, sni, &[], "::1", expect);
    }
}

#[test]
fn protocols_and_clients() {
    check("ALPN(`mqtt`)", "", &["h2", "mqtt"], "::1", true);
    check("ALPN(`mqtt`)", "", &["MQTT"], "::1", false);
    check("ALPN(`mqtt`)", "", &[], "::1", false);
    check("ClientIP(`127.4.0.0/16`)", "", &[], "127.4.5.6", true);
    check("ClientIP(`127.4.0.0/16`)", "", &[], "127.5.5.6", false);
    check("ClientIP(`127.0.0.2`)", "", &[], "::ffff:127.0.0.2", true);
    check("ClientIP(`::1`) && ALPN(`h2`)", "", &["h2"], "::1", true);
}

#[test]
fn names_for_the_index() {
    let check = |rule: &str, expect: &[Name]| {
        assert_eq!(compile(&parse(rule).unwrap(), Syntax::V3).unwrap().names(), expect, "{rule}");
    };
    let exact = |name: &str| Name::Exact(name.into());
    check("HostSNI(`A`)", &[exact("a")]);
    check("HostSNI(`*.b`)", &[Name::Below("b".into())]);
    check("HostSNI(`a`) || HostSNI(`b`)", &[exact("a"), exact("b")]);
    check("HostSNI(`a`) || ClientIP(`::1`)", &[Name::Any]);
    check("(HostSNI(`a`) || HostSNI(`b`)) && HostSNI(`a`)", &[exact("a")]);
    check("HostSNI(`a`) && ALPN(`h2`)", &[exact("a")]);
    check("!HostSNI(`a`)", &[Name::Any]);
    check("HostSNIRegexp(`a`)", &[Name::Any]);
}

#[test]
fn what_a_router_must_know() {
    let check = |rule: &str, needs_tls: bool, is_catch_all: bool| {
        let matcher = compile(&parse(rule).unwrap(), Syntax::V3).unwrap();
        assert_eq!((matcher.needs_tls(), matcher.is_catch_all()), (needs_tls, is_catch_all));
    };
    check("HostSNI(`*`)", false, true);
    check("hostsni(`*`)", false, true);
    check("HostSNI(`*`) && ClientIP(`::1`)", false, false);
    check("HostSNI(`a`)", true, false);
    check("HostSNI(`*`) || HostSNI(`a`)", true, false);
    check("ClientIP(`::1`)", false, false);
}

#[test]
fn errors_say_what_is_wrong() {
    for (rule, part) in [
        ("Host(`a.test`)", "unknown matcher Host"),
        ("hostSNI(`a`)", "unknown matcher"),
        ("HostSNI(`a`, `b`)", "HostSNI(`domain`) does not take 2 arguments"),
        ("HostSNI()", "does not take 0 arguments"),
        ("HostSNI(``)", "no host"),
        ("HostSNI(`a b`)", "no host"),
        ("HostSNI(`b\u{fc}cher.de`)", "ASCII"),
        ("HostSNIRegexp(`[`)", "HostSNIRegexp"),
        ("ALPN(`acme-tls/1`)", "challenges"),
        ("ClientIP(`300.1.1.1`)", "300.1.1.1"),
    ] {
        let error = compile(&parse(rule).unwrap(), Syntax::V3).unwrap_err().to_string();
        assert!(error.contains(part), "{rule}: {error}");
    }
}

#[test]
fn examples_of_the_catalogue_compile() {
    for syntax in Syntax::ALL {
        for kind in catalogue(syntax) {
            let tree = parse(kind.example).unwrap();
            assert!(compile(&tree, syntax).is_ok(), "{}", kind.example);
            assert!(tree.calls().iter().any(|call| call.name == kind.name), "{}", kind.example);
        }
    }
}

#[test]
fn the_older_syntax_has_lists_and_templates() {
    let check = |rule: &str, sni: &str, expect: bool| {
        let matcher = compile(&parse(rule).unwrap(), Syntax::V2).unwrap();
        let client_ip = "10.0.0.1".parse().unwrap();
        let facts = Facts { sni, protocols: &[b"mqtt".to_vec()], client_ip };
        assert_eq!(matcher.matches(&facts), expect, "{rule} {sni}");
    };
    for (rule, sni, expect) in [
        ("HostSNI(`a.test`, `B.test.`)", "b.test", true),
        ("HostSNI(`a.test`, `b.test`)", "c.test", false),
        ("HostSNI(`*`)", "", true),
        ("HostSNIRegexp(`{sub}.a.test`)", "b.a.test", true),
        ("HostSNIRegexp(`{sub}.a.test`)", "c.b.a.test", false),
        ("HostSNIRegexp(`{sub}.a.test`)", "b.a-test", false),
        ("HostSNIRegexp(`x.test`, `{n:[0-9]+}.a.test`)", "42.a.test", true),
        ("HostSNIRegexp(`x.test`, `{n:[0-9]+}.a.test`)", "b.a.test", false),
        ("HostSNIRegexp(`{any:.*}`)", "", true),
        ("ALPN(`h2`, `mqtt`) && ClientIP(`::1`, `10.0.0.0/8`)", "", true),
    ] {
        check(rule, sni, expect);
    }
    for (rule, part) in [
        ("HostSNI(`*.a.test`)", "no host"),
        ("HostSNI()", "does not take 0 arguments"),
        ("HostSNIRegexp(`{a`)", "unbalanced braces"),
        ("HostSNIRegexp(`{a:[}`)", "HostSNIRegexp"),
    ] {
        let error = compile(&parse(rule).unwrap(), Syntax::V2).unwrap_err().to_string();
        assert!(error.contains(part), "{rule}: {error}");
    }
}

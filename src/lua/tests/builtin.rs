//! The scripts that come with Moongate, with options as their schemas decode them.

use serde_json::{Value, json};

use super::support::*;
use crate::lua::{Flow, InstanceSpec, builtins, inspect};
use crate::message::Request;
use crate::schema::Source;

pub(super) fn builtin(kind: &str, options: Value) -> InstanceSpec {
    let source = builtins().find(|source| source.kind() == kind).unwrap();
    InstanceSpec { source: source.into(), ..spec("", options) }
}

/// With options as a user writes them.
pub(super) fn written(kind: &str, options: &Value) -> InstanceSpec {
    let spec = builtin(kind, Value::Null);
    let decoded = inspect(&spec.source).unwrap().schema.decode(options, Source::File).unwrap();
    InstanceSpec { options: decoded.options.into(), ..spec }
}

pub(super) fn run(kind: &str, options: Value, request: Request) -> Flow {
    flow(builtin(kind, options), request)
}

#[test]
fn all_are_sound() {
    assert!(builtins().count() >= 7);
    for source in builtins() {
        let info = inspect(&source).unwrap_or_else(|error| panic!("{error}"));
        let does = !info.hooks.is_empty() || info.expand.is_some() || info.alias_of.is_some();
        assert!(does, "{}", source.name);
        assert!(source.text.starts_with("-- "), "{}: say what it does", source.name);
    }
}

fn scheme_options(options: &Value) -> Value {
    let mut all = json!({
        "scheme": "https", "port": "", "permanent": false, "forcePermanentRedirect": false
    });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    all
}

#[test]
fn redirect_scheme() {
    let check = |line: &str, headers: &[(&str, &str)], options: &Value, expect: (u16, &str)| {
        let flow = run("redirectScheme", scheme_options(options), request(line, headers));
        let response = answered(flow);
        let location = header(&response.headers, "location").unwrap();
        assert_eq!((response.status.as_u16(), location), expect, "{line}");
    };
    let none = json!({});
    check("GET e.com/t/x?y=1", &[], &none, (302, "https://e.com/t/x?y=1"));
    check("GET e.com:8080/t", &[], &none, (302, "https://e.com/t"));
    check("POST e.com/t", &[], &none, (307, "https://e.com/t"));
    check("HEAD e.com/t", &[], &none, (307, "https://e.com/t"));
    check("GET e.com/p", &[], &json!({"permanent": true}), (301, "https://e.com/p"));
    check("PUT e.com/p", &[], &json!({"permanent": true}), (308, "https://e.com/p"));
    check("GET e.com/p", &[], &json!({"forcePermanentRedirect": true}), (308, "https://e.com/p"));
    check("GET e.com/q/a%20b", &[], &json!({"port": "8443"}), (302, "https://e.com:8443/q/a%20b"));
    check("GET e.com:81/d", &[], &json!({"port": "443"}), (302, "https://e.com/d"));
    check("GET [::1]:80/t", &[], &none, (302, "https://[::1]/t"));
    let https = [("X-Forwarded-Proto", "https")];
    check("GET e.com/", &https, &json!({"port": "8443"}), (302, "https://e.com:8443/"));
    for (line, proto) in
        [("GET e.com/", "https"), ("GET e.com:443/", "HTTPS"), ("GET e.com/", "wss")]
    {
        let request = request(line, &[("X-Forwarded-Proto", proto)]);
        passed(run("redirectScheme", scheme_options(&none), request));
    }
    let response = answered(run("redirectScheme", scheme_options(&none), request("GET a/", &[])));
    assert_eq!(header(&response.headers, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text(response), "Found");
}

fn rewritten(kind: &str, options: &Value, path: &str) -> Request {
    passed(run(kind, options.clone(), request(&format!("GET h{path}"), &[])))
}

fn options(regex: &str, new: &str, permanent: bool) -> Value {
    json!({"regex": regex, "replacement": new, "permanent": permanent})
}

#[test]
fn redirect_regex() {
    let old = options("^http://old\\.test/(.*)", "http://new.test/${1}", false);
    let moved = options("^https?://([^/]+)/perm(.*)$", "https://$1/moved$2", true);
    let check = |line: &str, options: &Value, status: u16, location: &str| {
        let response = answered(run("redirectRegex", options.clone(), request(line, &[])));
        let got = header(&response.headers, "location").unwrap();
        assert_eq!((response.status.as_u16(), got), (status, location), "{line}");
    };
    check("GET old.test/x/y?z=1", &old, 302, "http://new.test/x/y?z=1");
    check("POST old.test/form", &old, 307, "http://new.test/form");
    check("GET old.test/a%20b%2F", &old, 302, "http://new.test/a%20b%2F");
    check("GET h.test/perm/1", &moved, 301, "https://h.test/moved/1");
    check("POST h.test/perm/1", &moved, 308, "https://h.test/moved/1");
    for line in ["GET other.test/x", "GET old.test:8080/x"] {
        passed(run("redirectRegex", old.clone(), request(line, &[])));
    }
    let same = options("^(.*)$", "$1", false);
    passed(run("redirectRegex", same, request("GET h/x", &[])));
    let broken = options("^(.*)$", "http://h:port/", false);
    let got = answered(run("redirectRegex", broken, request("GET h/x", &[])));
    assert_eq!(got.status.as_u16(), 502);
}

#[test]
fn add_prefix() {
    for (prefix, path, expect) in [
        ("/foo", "/a?x=1", "/foo/a?x=1"),
        ("/foo", "/a/b%2Fc", "/foo/a/b%2Fc"),
        ("bar", "/b", "/bar/b"),
        ("/a b", "/%41", "/a%20b/A"),
        ("/a b", "/c%2Fd", "/a%20b/c/d"),
    ] {
        let got = rewritten("addPrefix", &json!({"prefix": prefix}), path);
        assert_eq!(got.target.as_str(), expect, "{prefix} {path}");
    }
}

#[test]
fn strip_prefix() {
    let options = json!({"prefixes": ["/foo", "/bar/"], "forceSlash": true});
    for (path, expect, prefix) in [
        ("/foo/x?y=1", "/x?y=1", Some("/foo")),
        ("/foo", "/", Some("/foo")),
        ("/foobar", "/bar", Some("/foo")),
        ("/bar/z", "/z", Some("/bar/")),
        ("/bar", "/bar", None),
        ("/other", "/other", None),
        ("/foo/a%2Fb", "/a%2Fb", Some("/foo")),
        ("/foo%2Fsecret", "/secret", Some("/foo")),
        ("/foo/foo/x", "/foo/x", Some("/foo")),
        ("/foo/", "/", Some("/foo")),
        ("/foo..x/y", "/..x/y", Some("/foo")),
    ] {
        let got = rewritten("stripPrefix", &options, path);
        assert_eq!(got.target.as_str(), expect, "{path}");
        assert_eq!(header(&got.headers, "x-forwarded-prefix"), prefix, "{path}");
    }
    for path in ["/foo./x", "/foo../x", "/foo..", "/foo%2F../x"] {
        let flow = run("stripPrefix", options.clone(), request(&format!("GET h{path}"), &[]));
        assert_eq!(answered(flow).status.as_u16(), 400, "{path}");
    }
}

#[test]
fn replace_path() {
    for (path, new, expect, replaced) in [
        ("/a/x?y=1", "/new", "/new?y=1", "/a/x"),
        ("/a%2Fb", "/new", "/new", "/a%2Fb"),
        ("/a%20b", "/new", "/new", "/a b"),
        ("/b", "/sp ace/%41", "/sp%20ace/A", "/b"),
        ("/b", "/x%2Fy", "/x%2Fy", "/b"),
    ] {
        let got = rewritten("replacePath", &json!({"path": new}), path);
        assert_eq!(got.target.as_str(), expect, "{path}");
        assert_eq!(header(&got.headers, "x-replaced-path"), Some(replaced), "{path}");
    }
    let flow = run("replacePath", json!({"path": "/%zz"}), request("GET h/", &[]));
    assert_eq!(answered(flow).status.as_u16(), 500);
}

#[test]
fn custom_headers() {
    let options = json!({
        "customRequestHeaders": {"X-Add": "1", "User-Agent": "me", "X-Gone": "", "Host": "o.test"},
        "customResponseHeaders": {"X-Res": "2", "X-Old": "", "X-Keep": "new", "Server": ""},
    });
    let sent = request("GET h/", &[("X-Gone", "bye"), ("X-Stay", "1"), ("User-Agent", "it")]);
    let got = passed(flow(written("headers", &options), sent));
    assert_eq!(&got.host[..], b"o.test");
    for (name, value) in
        [("x-add", Some("1")), ("user-agent", Some("me")), ("x-gone", None), ("x-stay", Some("1"))]
    {
        assert_eq!(header(&got.headers, name), value, "{name}");
    }
    let vm = crate::lua::Vm::new().unwrap();
    let instance = load(&vm, written("headers", &options)).unwrap();
    let mut response = crate::message::Response::new(http::StatusCode::OK);
    for (name, value) in [("x-old", "v"), ("x-keep", "k"), ("server", "s")] {
        response.headers.insert(name, http::HeaderValue::from_static(value));
    }
    let got = block_on(instance.response(&context(), response));
    for (name, value) in
        [("x-res", Some("2")), ("x-old", None), ("x-keep", Some("new")), ("server", None)]
    {
        assert_eq!(header(&got.headers, name), value, "{name}");
    }
    let error = load(&vm, written("headers", &json!({"frameDeny": false}))).unwrap_err();
    assert!(error.to_string().contains("headers: no option is set"), "{error}");
}

#[test]
fn chain_expands() {
    let source = builtins().find(|source| source.kind() == "chain").unwrap();
    assert_eq!(inspect(&source).unwrap().expand.as_deref(), Some("middlewares"));
}

//! The scripts that come with Moongate, with options as their schemas decode them.

use serde_json::{Value, json};

use super::support::*;
use crate::lua::{Flow, InstanceSpec, builtins, inspect};
use crate::message::Request;

fn builtin(kind: &str, options: Value) -> InstanceSpec {
    let source = builtins().find(|source| source.kind() == kind).unwrap();
    InstanceSpec { source: source.into(), ..spec("", options) }
}

fn run(kind: &str, options: Value, request: Request) -> Flow {
    flow(builtin(kind, options), request)
}

#[test]
fn all_are_sound() {
    assert!(builtins().count() >= 1);
    for source in builtins() {
        let info = inspect(&source).unwrap_or_else(|error| panic!("{error}"));
        assert!(!info.hooks.is_empty() || info.expand.is_some(), "{}", source.name);
        assert!(source.text.starts_with("-- "), "{}: say what it does", source.name);
    }
}

fn scheme_options(options: Value) -> Value {
    let mut all = json!({
        "scheme": "https", "port": "", "permanent": false, "forcePermanentRedirect": false
    });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    all
}

#[test]
fn redirect_scheme() {
    let check = |line: &str, headers: &[(&str, &str)], options: Value, expect: (u16, &str)| {
        let flow = run("redirectScheme", scheme_options(options), request(line, headers));
        let response = answered(flow);
        let location = header(&response.headers, "location").unwrap();
        assert_eq!((response.status.as_u16(), location), expect, "{line}");
    };
    let none = || json!({});
    check("GET e.com/t/x?y=1", &[], none(), (302, "https://e.com/t/x?y=1"));
    check("GET e.com:8080/t", &[], none(), (302, "https://e.com/t"));
    check("POST e.com/t", &[], none(), (307, "https://e.com/t"));
    check("HEAD e.com/t", &[], none(), (307, "https://e.com/t"));
    check("GET e.com/p", &[], json!({"permanent": true}), (301, "https://e.com/p"));
    check("PUT e.com/p", &[], json!({"permanent": true}), (308, "https://e.com/p"));
    check("GET e.com/p", &[], json!({"forcePermanentRedirect": true}), (308, "https://e.com/p"));
    check("GET e.com/q/a%20b", &[], json!({"port": "8443"}), (302, "https://e.com:8443/q/a%20b"));
    check("GET e.com:81/d", &[], json!({"port": "443"}), (302, "https://e.com/d"));
    check("GET [::1]:80/t", &[], none(), (302, "https://[::1]/t"));
    let https = [("X-Forwarded-Proto", "https")];
    check("GET e.com/", &https, json!({"port": "8443"}), (302, "https://e.com:8443/"));
    for (line, proto) in
        [("GET e.com/", "https"), ("GET e.com:443/", "HTTPS"), ("GET e.com/", "wss")]
    {
        let request = request(line, &[("X-Forwarded-Proto", proto)]);
        passed(run("redirectScheme", scheme_options(none()), request));
    }
    let response = answered(run("redirectScheme", scheme_options(none()), request("GET a/", &[])));
    assert_eq!(header(&response.headers, "content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(text(response), "Found");
}

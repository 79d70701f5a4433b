//! The scripts that name requests and stop them: `requestId`, `ipDenyList`, `maintenance`.

use serde_json::{Value, json};

use super::builtin::written;
use super::support::*;
use crate::lua::{Flow, Vm};

fn ask(kind: &str, options: &Value, line: &str, headers: &[(&str, &str)]) -> Flow {
    flow(written(kind, options), request(line, headers))
}

fn refused_options(kind: &str, options: &Value) -> String {
    let vm = Vm::new().unwrap();
    load(&vm, written(kind, options)).unwrap_err().to_string()
}

#[test]
fn denied_clients() {
    let own = json!({"sourceRange": ["127.0.0.0/8"]});
    let response = answered(ask("ipDenyList", &own, "GET h/", &[]));
    assert_eq!(response.status.as_u16(), 403);
    assert_eq!(text(response), "Forbidden");
    passed(ask("ipDenyList", &json!({"sourceRange": ["10.0.0.0/8", "::1"]}), "GET h/", &[]));

    let chosen = json!({
        "sourceRange": ["9.9.9.9"], "ipStrategy": {"depth": 1}, "rejectStatusCode": 404,
    });
    for (forwarded, expect) in
        [("9.9.9.9", Some(404)), ("9.9.9.9, 8.8.8.8", None), ("8.8.8.8, 9.9.9.9", Some(404))]
    {
        let got = ask("ipDenyList", &chosen, "GET h/", &[("X-Forwarded-For", forwarded)]);
        match expect {
            Some(status) => assert_eq!(answered(got).status.as_u16(), status, "{forwarded}"),
            None => drop(passed(got)),
        }
    }
    // Without an address at that place nobody passes.
    assert_eq!(answered(ask("ipDenyList", &chosen, "GET h/", &[])).status.as_u16(), 404);
    let none = refused_options("ipDenyList", &json!({"rejectStatusCode": 403}));
    assert!(none.contains("ipDenyList.sourceRange: is empty"), "{none}");
}

/// The id that the client is told.
fn id_of(options: &Value, headers: &[(&str, &str)]) -> String {
    let response = answered(ask("requestId", options, "GET h/", headers));
    header(&response.headers, "x-request-id").unwrap().to_owned()
}

#[test]
fn ids_of_requests() {
    let fits = |id: &str, pattern: &str| regex::Regex::new(pattern).unwrap().is_match(id);
    for (generator, pattern) in [
        ("uuid4", "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"),
        ("uuid7", "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"),
        ("hex", "^[0-9a-f]{32}$"),
    ] {
        let options = json!({"generator": generator});
        let (one, two) = (id_of(&options, &[]), id_of(&options, &[]));
        assert!(fits(&one, pattern), "{generator}: {one}");
        assert_ne!(one, two);
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let told = id_of(&json!({"generator": "uuid7"}), &[]).replace('-', "");
    let told = u64::from_str_radix(&told[..12], 16).unwrap();
    assert!(told.abs_diff(u64::try_from(now.as_millis()).unwrap()) < 60_000, "{told}");
}

#[test]
fn ids_that_come_with_requests() {
    let sent = [("X-Request-Id", "abc-1/2")];
    assert_eq!(id_of(&json!({}), &sent), "abc-1/2");
    assert_ne!(id_of(&json!({"keep": false}), &sent), "abc-1/2");
    for unfit in ["", "a b", "<script>", &"a".repeat(129)] {
        assert_ne!(id_of(&json!({}), &[("X-Request-Id", unfit)]), unfit);
    }
    let quiet = json!({"includeInResponse": false, "headerName": "X-Trace"});
    let request = passed(ask("requestId", &quiet, "GET h/", &[("X-Trace", "t1")]));
    assert_eq!(header(&request.headers, "x-trace"), Some("t1"));
    let request = passed(ask("requestId", &quiet, "GET h/", &[]));
    assert_eq!(header(&request.headers, "x-trace").unwrap().len(), 36);
}

#[test]
fn maintenance_answers() {
    let response = answered(ask("maintenance", &json!({"retryAfter": "90s"}), "GET h/x", &[]));
    assert_eq!(response.status.as_u16(), 503);
    for (name, value) in [
        ("retry-after", "90"),
        ("cache-control", "no-store"),
        ("content-type", "text/plain; charset=utf-8"),
    ] {
        assert_eq!(header(&response.headers, name), Some(value), "{name}");
    }
    assert_eq!(text(response), "Service Unavailable\n");

    let page = json!({"status": 200, "body": "<p>soon</p>", "contentType": "text/html"});
    let response = answered(ask("maintenance", &page, "GET h/x", &[]));
    assert_eq!(response.status.as_u16(), 200);
    assert_eq!(header(&response.headers, "content-type"), Some("text/html"));
    assert_eq!(header(&response.headers, "retry-after"), None);
    assert_eq!(text(response), "<p>soon</p>");

    let served = json!({"service": "echo"});
    let response = answered(ask("maintenance", &served, "GET h/x?y", &[]));
    assert_eq!(response.status.as_u16(), 503);
    assert_eq!(header(&response.headers, "x-uri"), Some("/x?y"));
    let missing = json!({"service": "gone"});
    assert_eq!(
        text(answered(ask("maintenance", &missing, "GET h/", &[]))),
        "Service Unavailable\n"
    );
}

#[test]
fn who_passes_maintenance() {
    let check = |options: Value, path: &str, headers: &[(&str, &str)], passes: bool| {
        let flow = ask("maintenance", &options, &format!("GET h{path}"), headers);
        assert_eq!(matches!(flow, Flow::Next(_)), passes, "{options} {path} {headers:?}");
    };
    check(json!({"enabled": false}), "/", &[], true);
    check(json!({"sourceRange": ["127.0.0.1"]}), "/", &[], true);
    check(json!({"sourceRange": ["10.0.0.1"]}), "/", &[], false);
    let paths = json!({"excludedPaths": ["/health", "/static/"]});
    for (path, passes) in [
        ("/health", true),
        ("/health/live", true),
        ("/healthy", false),
        ("/static/a", true),
        ("/static", false),
        ("/", false),
    ] {
        check(paths.clone(), path, &[], passes);
    }
    let key = json!({"bypassKey": "tide"});
    check(key.clone(), "/", &[("X-Maintenance-Key", "tide")], true);
    check(key.clone(), "/", &[("Cookie", "a=b; maintenance-key=tide")], true);
    check(key.clone(), "/", &[("X-Maintenance-Key", "ebb")], false);
    check(key, "/", &[], false);
    check(json!({"enabled": true}), "/", &[("X-Maintenance-Key", "nil")], false);
}

#[test]
fn maintenance_has_a_time() {
    let check = |from: &str, until: &str, expect: bool| {
        let options = json!({"from": from, "until": until});
        let flow = ask("maintenance", &options, "GET h/", &[]);
        assert_eq!(matches!(flow, Flow::Done(_)), expect, "{options}");
    };
    check("2020-01-01T00:00:00Z", "", true);
    check("2020-01-01T00:00:00+02:00", "2999-01-01T00:00:00Z", true);
    check("", "2020-01-01T00:00:00Z", false);
    check("2999-01-01T00:00:00Z", "", false);
    let until = json!({"until": "2999-01-01T00:00:00Z"});
    let response = answered(ask("maintenance", &until, "GET h/", &[]));
    let wait: u64 = header(&response.headers, "retry-after").unwrap().parse().unwrap();
    assert!(wait > 900 * 365 * 86_400, "{wait}");
    for wrong in ["tomorrow", "2020-01-01", "2020-01-01T00:00:00"] {
        let error = refused_options("maintenance", &json!({"from": wrong}));
        assert!(error.contains("from: is no time such as"), "{error}");
    }
}

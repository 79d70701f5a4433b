//! Lines of all formats, what is in them, and how they reach a file.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::*;
use crate::headers::Headers;
use crate::message::IngressRoute;
use crate::value::StatusRanges;

fn record(target: &str) -> AccessRecord<'_> {
    AccessRecord {
        client: SocketAddr::from(([127, 0, 0, 1], 4711)),
        forwarded_for: None,
        user: None,
        entrypoint: "web",
        method: "GET",
        target,
        protocol: "HTTP/1.1",
        scheme: "http",
        host: "a.test:81",
        received: 5,
        status: 200,
        sent: 3,
        router: Some("a@file"),
        service: Some("s@file"),
        ingress: None,
        origin: Some(Origin {
            url: "http://127.0.0.1:8080",
            duration: Duration::from_millis(1),
            status: 200,
            size: 6,
        }),
        retries: 0,
        tls: None,
        duration: Duration::from_micros(12_999),
        trace: None,
        headers: [None; 3],
        more: &[],
    }
}

/// The lines of a log of these requests.
fn logged(plan: AccessPlan, records: &[AccessRecord<'_>]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = AccessLog::open(AccessPlan { path: Some(path.clone()), ..plan }).unwrap();
    for record in records {
        log.record(record);
    }
    log.close();
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[track_caller]
fn check(plan: AccessPlan, record: &AccessRecord<'_>, expect: &str) {
    let time = regex::Regex::new(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\]").unwrap();
    let line = logged(plan, std::slice::from_ref(record)).remove(0);
    assert_eq!(time.replace(&line, "[T]"), expect);
}

#[test]
fn common_lines_are_traefiks() {
    check(
        AccessPlan::default(),
        &record("/a/x?y=1"),
        "127.0.0.1 - - [T] \"GET /a/x?y=1 HTTP/1.1\" 200 3 \"-\" \"-\" 1 \"a@file\" \
         \"http://127.0.0.1:8080\" 12ms",
    );
    let unrouted = AccessRecord {
        client: "[2001:db8::1]:1".parse().unwrap(),
        user: Some("joe"),
        router: None,
        service: None,
        origin: None,
        status: 404,
        sent: 19,
        ..record("/")
    };
    check(
        AccessPlan::default(),
        &unrouted,
        "2001:db8::1 - joe [T] \"GET / HTTP/1.1\" 404 19 \"-\" \"-\" 1 \"-\" \"-\" 12ms",
    );
    let hostile = AccessRecord {
        forwarded_for: Some("10.0.0.1, 10.0.0.2"),
        user: Some("a\"b\nc"),
        ..record("/\\\u{7f}\u{e9}")
    };
    check(
        AccessPlan { format: AccessFormat::GenericClf, ..AccessPlan::default() },
        &hostile,
        "10.0.0.1, 10.0.0.2 - a\\\"b\\x0ac [T] \"GET /\\\\\\x7f\u{e9} HTTP/1.1\" 200 3 \"-\" \"-\"",
    );
}

#[test]
fn fields_and_headers_are_kept_dropped_or_redacted() {
    let mut map = HeaderMap::new();
    map.append("user-agent", HeaderValue::from_static("agent \"1\""));
    map.append("referer", HeaderValue::from_static("http://ref.test/"));
    map.append("x-many", HeaderValue::from_static("1"));
    map.append("x-many", HeaderValue::from_static("2"));
    let headers = Headers::from(map);
    let mode = |name: &str, mode| (name.to_owned(), mode);
    let fields = FieldRules {
        names: BTreeMap::from([("clientusername".into(), false), ("duration".into(), false)]),
        headers: BTreeMap::from([
            mode("user-agent", HeaderMode::Keep),
            mode("referer", HeaderMode::Redact),
            mode("x-many", HeaderMode::Keep),
        ]),
        ..FieldRules::default()
    };
    let request = AccessRecord {
        user: Some("joe"),
        headers: [Some(&headers), None, Some(&headers)],
        ..record("/")
    };
    let plan = AccessPlan { fields: fields.clone(), ..AccessPlan::default() };
    check(
        plan.clone(),
        &request,
        "127.0.0.1 - - [T] \"GET / HTTP/1.1\" 200 3 \"REDACTED\" \"agent \\\"1\\\"\" 1 \"a@file\" \
         \"http://127.0.0.1:8080\" 0ms",
    );
    let plan = AccessPlan { format: AccessFormat::Json, ..plan };
    let line: Value = serde_json::from_str(&logged(plan, &[request])[0]).unwrap();
    assert_eq!(line["request_User-Agent"], "agent \"1\"");
    assert_eq!(line["request_X-Many"], "1,2");
    assert_eq!(line["downstream_Referer"], "REDACTED");
    assert_eq!(line.get("origin_X-Many"), None);
    assert_eq!(line.get("ClientUsername"), None);
    let nothing = FieldRules { default: false, ..fields };
    let plan = AccessPlan { format: AccessFormat::Json, fields: nothing, ..AccessPlan::default() };
    let line: Value = serde_json::from_str(&logged(plan, &[record("/")])[0]).unwrap();
    let names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["level", "msg", "time"]);
}

#[test]
fn json_lines_hold_all_fields() {
    let more = [("tenant".to_owned(), json!("a\u{1}b")), ("size".to_owned(), json!(7))];
    let ingress = IngressRoute {
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        service: "front".to_owned(),
        port: "http".to_owned(),
    };
    let request = AccessRecord {
        tls: Some(Encrypted { version: "1.3", cipher: "TLS_AES_128_GCM_SHA256", client: None }),
        trace: Some(("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")),
        more: &more,
        ingress: Some(&ingress),
        ..record("/a/x?y=1")
    };
    let plan = AccessPlan { format: AccessFormat::Json, ..AccessPlan::default() };
    let mut line: Value = serde_json::from_str(&logged(plan, &[request])[0]).unwrap();
    for time in ["StartUTC", "StartLocal", "time"] {
        let text = line.as_object_mut().unwrap().remove(time).unwrap();
        assert!(text.as_str().is_some_and(|text| text.ends_with('Z')), "{time}: {text}");
    }
    let expect = json!({
        "ClientAddr": "127.0.0.1:4711", "ClientHost": "127.0.0.1", "ClientPort": "4711",
        "ClientUsername": "-", "DownstreamContentSize": 3, "DownstreamStatus": 200,
        "Duration": 12_999_000, "GzipRatio": 2.0, "OriginContentSize": 6,
        "OriginDuration": 1_000_000, "OriginStatus": 200, "Overhead": 11_999_000,
        "RequestAddr": "a.test:81", "RequestContentSize": 5, "RequestCount": 1,
        "RequestHost": "a.test", "RequestMethod": "GET", "RequestPath": "/a/x?y=1",
        "RequestPort": "81", "RequestProtocol": "HTTP/1.1", "RequestScheme": "http",
        "RetryAttempts": 0, "RouterName": "a@file", "ServiceAddr": "127.0.0.1:8080",
        "ServiceName": "s@file", "ServiceURL": "http://127.0.0.1:8080",
        "SpanId": "b7ad6b7169203331", "span_id": "b7ad6b7169203331",
        "TraceId": "0af7651916cd43dd8448eb211c80319c",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "KubernetesIngressName": "web", "KubernetesIngressNamespace": "shop",
        "KubernetesServiceName": "front", "KubernetesServicePort": "http",
        "TLSCipher": "TLS_AES_128_GCM_SHA256", "TLSVersion": "1.3", "entryPointName": "web",
        "tenant": "a\u{1}b", "size": 7, "level": "info", "msg": "",
    });
    let numbers = |value: &Value| value.to_string().replace("2.0", "2");
    for (name, value) in expect.as_object().unwrap() {
        assert_eq!(numbers(&line[name]), numbers(value), "{name}");
    }
    assert_eq!(line.as_object().unwrap().len(), expect.as_object().unwrap().len());
}

#[test]
fn filters_keep_what_any_of_them_wants() {
    let statuses = StatusRanges::parse(["300-302", "500"]).unwrap();
    let filters = Filters { statuses, retried: true, longer_than: Some(Duration::from_secs(1)) };
    let of = |status| AccessRecord { status, ..record("/") };
    for (filters, record, expect) in [
        (Filters::default(), of(200), true),
        (filters.clone(), of(200), false),
        (filters.clone(), of(301), true),
        (filters.clone(), of(501), false),
        (filters.clone(), AccessRecord { retries: 1, ..of(200) }, true),
        (filters.clone(), AccessRecord { duration: Duration::from_secs(1), ..of(200) }, false),
        (filters, AccessRecord { duration: Duration::from_secs(2), ..of(200) }, true),
    ] {
        let lines = logged(AccessPlan { filters, ..AccessPlan::default() }, &[record]);
        assert_eq!(lines.len(), usize::from(expect), "{record:?}");
    }
}

fn open(path: &Path) -> io::Result<AccessLog> {
    AccessLog::open(AccessPlan { path: Some(path.to_owned()), ..AccessPlan::default() })
}

/// Waits until the file holds so many lines.
fn lines(path: &Path, count: usize) -> Vec<String> {
    let ends = Instant::now() + Duration::from_secs(10);
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        assert!(Instant::now() < ends, "{text:?} instead of {count} lines");
        std::thread::yield_now();
    }
}

#[test]
fn lines_come_soon_are_appended_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/access.log");
    let log = open(&path).unwrap();
    let began = Instant::now();
    log.record(&record("/one"));
    assert!(lines(&path, 1)[0].contains("\"GET /one HTTP/1.1\" 200 3 \"-\" \"-\" 1 "));
    // Far more than promised, for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(log);
    let log = open(&path).unwrap();
    log.record(&record("/two"));
    log.record(&record("/three"));
    log.close();
    let lines = lines(&path, 0);
    assert_eq!(lines.len(), 3);
    assert!(lines[2].contains("/three HTTP/1.1\" 200 3 \"-\" \"-\" 2 "), "{lines:?}");
    log.record(&record("/late"));
    log.close();
}

#[test]
fn a_rotated_file_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let old = folder.path().join("access.log.1");
    let log = open(&path).unwrap();
    log.record(&record("/one"));
    fs::rename(&path, &old).unwrap();
    log.reopen();
    lines(&old, 1);
    let ends = Instant::now() + Duration::from_secs(10);
    while !path.exists() {
        assert!(Instant::now() < ends);
    }
    log.record(&record("/two"));
    assert!(lines(&path, 1)[0].contains("/two"));
    assert_eq!(lines(&old, 1).len(), 1);
    assert!(open(folder.path()).is_err());
}

#[test]
fn many_threads_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = Arc::new(open(&path).unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for number in 0..2000 {
                    log.record(&record(&format!("/{thread}/{number}")));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    log.close();
    let lines = lines(&path, 0);
    assert_eq!(lines.len(), 8000);
    assert!(lines.iter().all(|line| line.starts_with("127.0.0.1 - - [")));
}

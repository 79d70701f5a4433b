//! The access log: what its lines hold of real requests.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests may fail")]

mod support;

use serde_json::Value;
use support::{Answer, Backend, Moongate, until};

/// The lines that a log has after these requests, in their order; `ask` makes the requests.
fn logged(dynamic: &str, flags: &[&str], count: usize, ask: impl Fn(&Moongate)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let to_file = format!("--accessLog.filePath={}", path.display());
    let flags: Vec<&str> = flags.iter().copied().chain([to_file.as_str()]).collect();
    let moongate = Moongate::with(dynamic, &flags);
    ask(&moongate);
    drop(moongate);
    // A stop loses nothing.
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), count, "{text}");
    lines
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
}

/// Routers over one server, with middlewares.
fn over(backend: &Backend, middlewares: &str) -> String {
    let url = backend.url();
    format!(
        "http:\n  routers:\n    a: {{rule: 'PathPrefix(`/a`)', service: s}}\n    \
         m: {{rule: 'PathPrefix(`/m`)', service: s, middlewares: [m]}}\n  \
         middlewares: {{m: {{{middlewares}}}}}\n  \
         services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}\n"
    )
}

#[test]
fn lines_count_bytes_and_time_of_both_sides() {
    let backend = Backend::echo("a");
    let dynamic = over(&backend, "compress: {minResponseBodyBytes: 1}");
    let body = "y".repeat(5000);
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let lines = logged(&dynamic, &["--accessLog.format=json"], 3, |moongate| {
        let mut client = moongate.client();
        client.send("POST", "example.test:81", "/a/../a/x?y=1", &[], b"hello");
        let body = vec![b'x'; 4000];
        backend.answer(Answer::Raw(large.clone().into_bytes()));
        client.send("POST", "h", "/m", &[("Accept-Encoding", "gzip")], &body);
        client.send("GET", "h", "/none", &[], b"");
    });
    let [plain, packed, none] = [0, 1, 2].map(|place| json(&lines[place]));
    assert_eq!(plain["RequestPath"], "/a/x?y=1");
    assert_eq!(
        (&plain["RequestHost"], &plain["RequestPort"]),
        (&"example.test".into(), &"81".into())
    );
    assert_eq!(plain["RequestContentSize"], 5);
    assert_eq!(plain["ServiceAddr"], backend.address().to_string());
    assert_eq!(plain["OriginContentSize"], plain["DownstreamContentSize"]);
    assert!(plain["Duration"].as_u64() >= plain["OriginDuration"].as_u64(), "{plain}");
    assert_eq!(plain.get("GzipRatio"), None);
    assert_eq!(packed["RequestContentSize"], 4000);
    assert_eq!(packed["OriginContentSize"], 5000);
    assert!(packed["DownstreamContentSize"].as_u64().unwrap() < 1000, "{packed}");
    assert!(packed["GzipRatio"].as_f64().unwrap() > 4.0, "{packed}");
    assert_eq!(none["DownstreamStatus"], 404);
    assert_eq!((&none["OriginStatus"], none.get("ServiceName")), (&0.into(), None));
    assert_eq!(none["RequestCount"], 3);
}

#[test]
fn headers_are_those_of_client_server_and_answer() {
    let backend = Backend::echo("a");
    let middleware =
        "headers: {customRequestHeaders: {X-In: b}, customResponseHeaders: {X-Out: c}}";
    let flags = [
        "--accessLog.format=json",
        "--accessLog.fields.headers.defaultMode=keep",
        "--accessLog.fields.headers.names.Authorization=redact",
        "--accessLog.fields.headers.names.user-agent=drop",
        "--accessLog.fields.queryParameters.defaultMode=drop",
        "--accessLog.fields.names.ClientUsername=drop",
        "--entryPoints.web.forwardedHeaders.insecure",
    ];
    let lines = logged(&over(&backend, middleware), &flags, 1, |moongate| {
        let headers = [
            ("X-In", "a"),
            ("Authorization", "Basic c2VjcmV0"),
            ("User-Agent", "agent"),
            ("X-Forwarded-For", "10.0.0.1, 10.0.0.2"),
        ];
        moongate.client().send("GET", "h", "/m?token=1", &headers, b"");
    });
    let line = json(&lines[0]);
    for (field, expect) in [
        ("request_X-In", "b"),
        ("downstream_X-Out", "c"),
        ("request_Authorization", "REDACTED"),
        ("RequestPath", "/m"),
        ("ClientHost", "10.0.0.1, 10.0.0.2"),
    ] {
        assert_eq!(line[field], expect, "{field} in {line}");
    }
    for field in ["request_User-Agent", "origin_X-Out", "ClientUsername"] {
        assert_eq!(line.get(field), None, "{line}");
    }
    assert!(!lines[0].contains("c2VjcmV0"));
    assert!(line.get("origin_Content-Length").is_some(), "{line}");
}

#[test]
fn scripts_add_fields_also_when_the_request_is_over() {
    let backend = Backend::echo("a");
    let folder = tempfile::tempdir().unwrap();
    let script = "return {\n\
        request = function(req, ctx) log.field('tenant', req.headers['X-Tenant']) end,\n\
        log = function(entry, ctx)\n\
          log.field('kilobytes', entry.bytes / 1024)\n\
          log.field('RouterName', 'mine')\n\
        end,\n}\n";
    std::fs::write(folder.path().join("fields.lua"), script).unwrap();
    let directory = format!("--scripts.directory={}", folder.path().display());
    let flags = ["--accessLog.format=json", &directory];
    let lines = logged(&over(&backend, "plugin: {fields: {}}"), &flags, 1, |moongate| {
        let reply = moongate.client().send("GET", "h", "/m", &[("X-Tenant", "acme")], b"");
        assert_eq!(reply.status, 200);
    });
    let line = json(&lines[0]);
    assert_eq!(line["tenant"], "acme");
    assert!(line["kilobytes"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!(line["RouterName"], "m@file");
}

#[test]
fn what_is_tried_again_is_counted_and_can_be_filtered() {
    let dynamic = format!(
        "http:\n  routers: {{m: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [m]}}}}\n  \
         middlewares: {{m: {{retry: {{attempts: 3, initialInterval: 1ms}}}}}}\n  \
         services: {{s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}}}\n",
        Backend::closed()
    );
    let flags = ["--accessLog.format=json", "--accessLog.filters.retryAttempts"];
    let lines = logged(&dynamic, &flags, 1, |moongate| {
        assert_eq!(moongate.get("h", "/").status, 502);
    });
    let line = json(&lines[0]);
    assert_eq!(line["RetryAttempts"], 2);
    assert_eq!(line["OriginStatus"], 502);
    let flags = ["--accessLog.filters.minDuration=1h", "--accessLog.filters.statusCodes=500-501"];
    logged(&dynamic, &flags, 0, |moongate| drop(moongate.get("h", "/")));
}

#[test]
fn a_wrong_option_is_named() {
    for (flag, expect) in [
        ("--accessLog.format=xml", "accesslog.format"),
        ("--accessLog.filters.statusCodes=5xx", "accessLog.filters.statusCodes: \"5xx\""),
        ("--accessLog.fields.headers.defaultMode=hide", "accesslog.fields.headers.defaultmode"),
        ("--metrics.prometheus.buckets=2,1", "metrics.prometheus.buckets: they must rise"),
        ("--metrics.prometheus.entryPoint=x", "metrics.prometheus.entryPoint: there is no"),
        ("--metrics.datadog", "not supported yet: metrics.datadog"),
    ] {
        let loaded =
            moongate::config::load(&[flag.to_owned()], &moongate::config::System::default());
        let error = match loaded {
            Err(error) => error.to_string(),
            Ok(loaded) => {
                moongate::config::Static::resolve(loaded.root, 1).unwrap_err().to_string()
            }
        };
        let found = error.to_ascii_lowercase().contains(&expect.to_ascii_lowercase());
        assert!(found, "{flag}: {error}");
    }
}

#[test]
fn a_client_that_leaves_is_logged() {
    let backend = Backend::start("a", Answer::Silence);
    let lines = logged(&over(&backend, "chain: {middlewares: []}"), &[], 1, |moongate| {
        let mut client = moongate.client();
        client.write(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
        until("the server has the request", || (backend.count() > 0).then_some(()));
        drop(client);
    });
    assert!(lines[0].contains("\"GET /a HTTP/1.1\" 499 0 "), "{lines:?}");
}

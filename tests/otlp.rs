//! Reports to a collector made of OpenTelemetry's published definitions: traces, metrics, logs,
//! over HTTP and over gRPC, and a collector that is away.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "tests may fail")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Backend, Moongate, until};

/// A running collector.
struct Collector {
    child: Child,
    folder: tempfile::TempDir,
    http: u16,
    grpc: u16,
}

impl Collector {
    fn start() -> Self {
        Self::with(&[])
    }

    /// With a certificate and its key.
    fn with(pair: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let collector = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/collector.py");
        let mut child = Command::new("python3")
            .arg(collector)
            .arg(folder.path().join("reports"))
            .args(pair)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut ports = line.split_whitespace().map(|port| port.parse().unwrap());
        let mut port = || ports.next().expect("the collector listens; tests/run installs it");
        let (http, grpc) = (port(), port());
        Self { child, folder, http, grpc }
    }

    /// All reports of a signal so far.
    fn reports(&self, signal: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("reports")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let all = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter(|report| report["signal"] == signal).collect()
    }

    fn spans(&self) -> Vec<Value> {
        let reports = self.reports("traces");
        let of = |report: &Value| all(report, &["report", "resourceSpans", "scopeSpans", "spans"]);
        reports.iter().flat_map(of).collect()
    }

    fn records(&self) -> Vec<Value> {
        let reports = self.reports("logs");
        let of =
            |report: &Value| all(report, &["report", "resourceLogs", "scopeLogs", "logRecords"]);
        reports.iter().flat_map(of).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is at the end of a way through objects and lists.
fn all(value: &Value, way: &[&str]) -> Vec<Value> {
    match (value, way) {
        (Value::Array(items), _) => items.iter().flat_map(|item| all(item, way)).collect(),
        (value, []) => vec![value.clone()],
        (value, [first, rest @ ..]) => value.get(*first).map_or(Vec::new(), |v| all(v, rest)),
    }
}

/// An attribute, as text.
fn attribute(of: &Value, key: &str) -> Option<String> {
    let attributes = of["attributes"].as_array()?;
    let found = attributes.iter().find(|attribute| attribute["key"] == key)?;
    let (_, value) = found["value"].as_object()?.iter().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn over(backend: &Backend, more: &str) -> String {
    let url = backend.url();
    format!(
        "http:\n  routers:\n    \
         a: {{rule: 'PathPrefix(`/a`)', service: s, middlewares: [m]{more}}}\n    \
         q: {{rule: 'PathPrefix(`/q`)', service: s, observability: {{tracing: false}}}}\n  \
         middlewares: {{m: {{addPrefix: {{prefix: /p}}}}}}\n  \
         services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}\n"
    )
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// Bytes as protobuf's JSON has them, in base64.
fn base64(hex: &str) -> String {
    use base64::Engine as _;
    let byte = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn traces_tell_the_way_of_a_request() {
    let (backend, collector) = (Backend::echo("a"), Collector::start());
    let endpoint = format!("--tracing.otlp.http.endpoint=http://127.0.0.1:{}", collector.http);
    let flags = [
        &endpoint,
        "--tracing.otlp.http.headers.X-Key=secret",
        "--tracing.serviceName=edge",
        "--tracing.resourceAttributes.site=north",
        "--tracing.capturedRequestHeaders=X-Tenant",
        "--tracing.capturedResponseHeaders=content-type",
        "--tracing.safeQueryParams=page",
        "--accessLog.format=json",
        "--accessLog.filePath=/dev/null",
    ];
    let detailed = ", observability: {traceVerbosity: detailed}";
    let moongate = Moongate::with(&over(&backend, detailed), &flags);
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let headers = [("traceparent", parent.as_str()), ("tracestate", "k=v"), ("X-Tenant", "acme")];
    let mut client = moongate.client();
    client.send("GET", "h.test", "/a?page=2&token=x", &headers, b"");
    client.send("GET", "h.test", "/q", &headers, b"");
    let spans = until("the spans are reported", || {
        let spans = collector.spans();
        (spans.len() >= 5).then_some(spans)
    });
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["GET", "Router", "AddPrefix", "Service", "ReverseProxy"]);
    let [whole, router, middleware, service, proxy] = [0, 1, 2, 3, 4].map(|place| &spans[place]);
    assert_eq!(whole["traceId"], base64(TRACE));
    assert_eq!(whole["parentSpanId"], base64("b7ad6b7169203331"));
    for (inner, outer) in
        [(router, whole), (middleware, router), (service, middleware), (proxy, service)]
    {
        assert_eq!(inner["parentSpanId"], outer["spanId"], "{inner}");
        assert_eq!(inner["traceId"], whole["traceId"]);
    }
    assert_eq!(whole["kind"], "SPAN_KIND_SERVER");
    assert_eq!(proxy["kind"], "SPAN_KIND_CLIENT");
    for (span, key, expect) in [
        (whole, "entry_point", "web"),
        (whole, "http.request.method", "GET"),
        (whole, "url.path", "/a"),
        (whole, "url.query", "page=2&token=REDACTED"),
        (whole, "server.address", "h.test"),
        (whole, "client.address", "127.0.0.1"),
        (whole, "http.response.status_code", "200"),
        (router, "traefik.router.name", "a@file"),
        (router, "traefik.service.name", "s@file"),
        (router, "http.route", "PathPrefix(`/a`)"),
        (middleware, "traefik.middleware.name", "m@file"),
        (service, "traefik.service.name", "s@file"),
        (proxy, "server.port", &backend.address().port().to_string()),
        (proxy, "url.full", &format!("{}/p/a?page=2&token=REDACTED", backend.url())),
    ] {
        assert_eq!(attribute(span, key).as_deref(), Some(expect), "{key} of {span}");
    }
    let tenant = attribute(whole, "http.request.header.x-tenant").unwrap();
    assert!(tenant.contains("acme"), "{tenant}");
    // A router that is not traced tells on what came.
    assert_eq!(backend.last().header("traceparent"), Some(parent.as_str()));
    let report = &collector.reports("traces")[0];
    assert_eq!(
        report["headers"]["x-key"].as_str().or(report["headers"]["X-Key"].as_str()),
        Some("secret")
    );
    let resource = all(report, &["report", "resourceSpans", "resource"]).remove(0);
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("edge"));
    assert_eq!(attribute(&resource, "site").as_deref(), Some("north"));
}

#[test]
fn a_minimal_trace_has_two_spans_and_servers_are_told() {
    let (backend, collector) = (Backend::echo("a"), Collector::start());
    let endpoint = format!("--tracing.otlp.grpc.endpoint=127.0.0.1:{}", collector.grpc);
    let flags = [&endpoint, "--tracing.otlp.grpc.insecure"];
    let moongate = Moongate::with(&over(&backend, ""), &flags);
    // One connection is on one worker, whose spans come in their order.
    let mut client = moongate.client();
    client.send("GET", "h", "/a", &[], b"");
    let told = backend.last().header("traceparent").unwrap().to_owned();
    client.send("GET", "h", "/none", &[], b"");
    let spans = until("the spans are reported", || {
        let spans = collector.spans();
        (spans.len() >= 3).then_some(spans)
    });
    let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["GET", "ReverseProxy", "GET"]);
    let parts: Vec<_> = told.split('-').collect();
    assert_eq!(spans[1]["spanId"], base64(parts[2]));
    assert_eq!((&spans[1]["traceId"], parts[3]), (&base64(parts[1]).into(), "01"));
    assert_eq!(attribute(&spans[2], "http.response.status_code").as_deref(), Some("404"));
    assert_eq!(spans[2].get("status"), None);
    assert_eq!(collector.reports("traces")[0]["over"], "grpc");
    // What is not to be traced by decision of the client is not.
    let parent = format!("00-{TRACE}-b7ad6b7169203331-00");
    moongate.client().send("GET", "h", "/a", &[("traceparent", &parent)], b"");
    assert_eq!(backend.last().header("traceparent"), Some(parent.as_str()));
    drop(moongate);
    assert_eq!(collector.spans().len(), 3);
}

#[test]
fn metrics_are_pushed_also_at_the_end() {
    for (protocol, flag) in
        [("http", "endpoint=http://127.0.0.1:"), ("grpc", "endpoint=127.0.0.1:")]
    {
        let (backend, collector) = (Backend::echo("a"), Collector::start());
        let port = if protocol == "http" { collector.http } else { collector.grpc };
        let endpoint = format!("--metrics.otlp.{protocol}.{flag}{port}");
        let insecure = "--metrics.otlp.grpc.insecure";
        let mut flags = vec![endpoint.as_str(), "--metrics.otlp.pushInterval=1h"];
        flags.extend((protocol == "grpc").then_some(insecure));
        let counting = "metrics.histogram('sizes', '', {1, 2}):observe(2)";
        let script = format!("return {{request = function() {counting} end}}");
        let dynamic = over(&backend, "").replace(
            "middlewares: {m: {addPrefix: {prefix: /p}}}",
            &format!("middlewares: {{m: {{lua: {{code: \"{script}\"}}}}}}"),
        );
        let moongate = Moongate::with(&dynamic, &flags);
        moongate.get("h", "/a");
        drop(moongate);
        let reports = collector.reports("metrics");
        assert_eq!(reports.len(), 1, "{protocol}");
        let metrics = all(&reports[0], &["report", "resourceMetrics", "scopeMetrics", "metrics"]);
        let named = |name: &str| {
            let found = metrics.iter().find(|metric| metric["name"] == name);
            found.unwrap_or_else(|| panic!("no {name} in {metrics:?}")).clone()
        };
        let count = named("traefik_service_requests_total");
        assert_eq!(count["sum"]["isMonotonic"], true);
        assert_eq!(count["sum"]["aggregationTemporality"], "AGGREGATION_TEMPORALITY_CUMULATIVE");
        let points = count["sum"]["dataPoints"].as_array().unwrap();
        assert_eq!(points.len(), 1);
        assert_eq!(points[0]["asDouble"], 1.0);
        assert_eq!(attribute(&points[0], "service").as_deref(), Some("s@file"));
        let asked = named("http.client.request.duration");
        let point = &asked["histogram"]["dataPoints"][0];
        assert_eq!(attribute(point, "server.address").as_deref(), Some("127.0.0.1"));
        let port = backend.address().port().to_string();
        assert_eq!(attribute(point, "server.port"), Some(port));
        let served = named("http.server.request.duration");
        let point = &served["histogram"]["dataPoints"][0];
        for (key, expect) in [
            ("server.address", "h"),
            ("network.protocol.version", "1.1"),
            ("url.scheme", "http"),
            ("http.response.status_code", "200"),
        ] {
            assert_eq!(attribute(point, key).as_deref(), Some(expect), "{point}");
        }
        let times = named("traefik_entrypoint_request_duration_seconds");
        let point = &times["histogram"]["dataPoints"][0];
        assert_eq!(point["explicitBounds"].as_array().unwrap().len(), 14);
        assert_eq!(point["bucketCounts"].as_array().unwrap().len(), 15);
        assert_eq!(point["count"], "1");
        // What scripts count themselves goes the same way.
        let sizes = named("moongate_script_sizes");
        assert_eq!(sizes["unit"], "1");
        let point = &sizes["histogram"]["dataPoints"][0];
        assert_eq!(point["sum"], 2.0);
        assert_eq!(point["count"], "1");
    }
}

#[test]
fn lines_of_the_access_log_belong_to_traces() {
    let (backend, collector) = (Backend::echo("a"), Collector::start());
    let traces = format!("--tracing.otlp.http.endpoint=http://127.0.0.1:{}", collector.http);
    let logs = format!("--accessLog.otlp.grpc.endpoint=127.0.0.1:{}", collector.grpc);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let file = format!("--accessLog.filePath={}", path.display());
    let flags =
        [&traces, &logs, &file, "--accessLog.otlp.grpc.insecure", "--experimental.otlpLogs=true"];
    let moongate = Moongate::with(&over(&backend, ""), &flags);
    moongate.get("h", "/a");
    drop(moongate);
    let (spans, records) = (collector.spans(), collector.records());
    assert_eq!(records.len(), 1);
    assert_eq!(attribute(&records[0], "RouterName").as_deref(), Some("a@file"));
    assert_eq!(attribute(&records[0], "DownstreamStatus").as_deref(), Some("200"));
    assert!(records[0]["body"]["stringValue"].as_str().unwrap().contains("\"GET /a HTTP/1.1\""));
    assert_eq!(records[0]["traceId"], spans[0]["traceId"]);
    assert_eq!(records[0]["spanId"], spans[0]["spanId"]);
    // Without dualOutput it is sent only.
    assert!(!path.exists());
    let dual = [&logs, &file, "--accessLog.otlp.grpc.insecure", "--accessLog.dualOutput"];
    drop(Moongate::with(&over(&backend, ""), &dual).get("h", "/a"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("GET /a "), "{text}");
    assert_eq!(collector.records().len(), 2);
}

#[test]
fn a_collector_is_reached_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = rcgen::CertificateParams::new(names).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let (cert, key) = (cert_file.display().to_string(), key_file.display().to_string());
    let (backend, collector) = (Backend::echo("a"), Collector::with(&[&cert, &key]));
    let traces = format!("--tracing.otlp.http.endpoint=https://localhost:{}", collector.http);
    let metrics = format!("--metrics.otlp.grpc.endpoint=localhost:{}", collector.grpc);
    let trust = [
        format!("--tracing.otlp.http.tls.ca={cert}"),
        format!("--metrics.otlp.grpc.tls.ca={cert}"),
    ];
    let moongate = Moongate::with(&over(&backend, ""), &[&traces, &metrics, &trust[0], &trust[1]]);
    moongate.get("h", "/a");
    drop(moongate);
    assert_eq!((collector.spans().len(), collector.reports("metrics").len()), (2, 1));
}

#[test]
fn a_collector_that_is_away_holds_up_nothing() {
    let backend = Backend::echo("a");
    let closed = Backend::closed();
    let (traces, logs) = (
        format!("--tracing.otlp.http.endpoint={closed}"),
        format!("--accessLog.otlp.http.endpoint={closed}"),
    );
    let moongate = Moongate::with(&over(&backend, ""), &[&traces, &logs]);
    let mut client = moongate.client();
    for _ in 0..6000 {
        assert_eq!(client.send("GET", "h", "/a", &[], b"").status, 200);
    }
    let began = Instant::now();
    drop(moongate);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn the_leveled_log_is_sent_beside_its_file() {
    let collector = Collector::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("router.log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_moongate"))
        .arg("--entryPoints.web.address=127.0.0.1:0")
        .args(["--log.level=INFO", "--log.otlp.resourceAttributes.site=north"])
        .arg(format!("--log.filePath={}", file.display()))
        .arg(format!("--log.otlp.http.endpoint=http://127.0.0.1:{}", collector.http))
        .stdin(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let is_applied = |record: &Value| record["body"]["stringValue"] == "configuration applied";
    let record = until("the log is sent", || collector.records().into_iter().find(is_applied));
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(
        (&record["severityNumber"], &record["severityText"]),
        (&"SEVERITY_NUMBER_INFO".into(), &"info".into(),)
    );
    assert_eq!(attribute(&record, "routers").as_deref(), Some("0"));
    let resource = all(&collector.reports("logs")[0], &["report", "resourceLogs", "resource"]);
    assert_eq!(attribute(&resource[0], "site").as_deref(), Some("north"));
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("INF configuration applied"), "{text}");
}

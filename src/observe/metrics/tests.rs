//! What is counted is what is told.

use super::*;
use crate::message::Protocol;

fn plan() -> MetricsPlan {
    MetricsPlan {
        entrypoints: true,
        routers: false,
        services: true,
        conventions: false,
        bounds: vec![1.2, 0.1, 0.3, 0.1, 0.2],
        headers: Vec::new(),
        names: vec!["web".into(), "traefik".into()],
    }
}

fn service(name: &str) -> OwnerRef<'_> {
    OwnerRef { level: Level::Service, name, service: "" }
}

fn counted(millis: u64, labels: &[Box<str>]) -> Counted<'_> {
    let duration = std::time::Duration::from_millis(millis);
    Counted { duration, received: 5, sent: 7, tls: None, labels }
}

fn text(metrics: &Metrics, labels: &[&str]) -> String {
    let export = Export {
        levels: vec![Level::Entrypoint, Level::Service],
        bounds: [0.1, 0.3].into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    let mut text = String::new();
    crate::numbers::print(&metrics.families(&export, &|_| true), &mut text);
    text
}

#[track_caller]
fn check(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|found| found == *line), "no {line} in\n{text}");
    }
}

#[test]
fn workers_are_added_up_and_printed_as_prometheus_reads_them() {
    let metrics = Metrics::new(plan());
    let ledgers = [metrics.ledger(), metrics.ledger()];
    let kind = Kind::new("GET", Protocol::Http, 200);
    for (ledger, millis) in ledgers.iter().cycle().zip([50, 100, 101, 250, 2000]) {
        ledger.count(service("a@file"), kind, &counted(millis, &[]));
    }
    let other = Kind::new("BREW", Protocol::Grpc, 14);
    let tls = Some(("1.3", "TLS_AES_128_GCM_SHA256"));
    let web = OwnerRef { level: Level::Entrypoint, name: "web", service: "" };
    ledgers[0].count(web, other, &Counted { tls, ..counted(1, &[]) });
    ledgers[1].count_retries(service("a@file"), 3);
    let connections = [0, 0, 1].map(|place| ledgers[1].gauge(place).unwrap().open());
    metrics.reloaded();
    let labels = r#"{code="200",method="GET",protocol="http",service="a@file"}"#;
    let bucket = |le: &str| labels.replace('}', &format!(",le=\"{le}\"}}"));
    let found = text(&metrics, &[]);
    let name = "traefik_service_request_duration_seconds";
    check(
        &found,
        &[
            &format!("traefik_service_requests_total{labels} 5"),
            &format!("traefik_service_requests_bytes_total{labels} 25"),
            &format!("traefik_service_responses_bytes_total{labels} 35"),
            &format!("# TYPE {name} histogram"),
            &format!("{name}_bucket{} 2", bucket("0.1")),
            &format!("{name}_bucket{} 4", bucket("0.3")),
            &format!("{name}_bucket{} 5", bucket("+Inf")),
            &format!("{name}_sum{labels} 2.501"),
            &format!("{name}_count{labels} 5"),
            "traefik_service_retries_total{service=\"a@file\"} 3",
            "traefik_entrypoint_requests_total{code=\"14\",entrypoint=\"web\",\
             method=\"EXTENSION_METHOD\",protocol=\"grpc\"} 1",
            "traefik_entrypoint_requests_tls_total{entrypoint=\"web\",\
             tls_cipher=\"TLS_AES_128_GCM_SHA256\",tls_version=\"1.3\"} 1",
            "traefik_open_connections{entrypoint=\"web\",protocol=\"TCP\"} 2",
            "traefik_config_reloads_total 1",
        ],
    );
    drop(connections);
    let found = text(&metrics, &[]);
    check(&found, &["traefik_open_connections{entrypoint=\"web\",protocol=\"TCP\"} 0"]);
}

#[test]
fn headers_can_be_labels_until_there_are_too_many() {
    let metrics = Metrics::new(plan());
    let ledger = metrics.ledger();
    let kind = Kind::new("GET", Protocol::Http, 200);
    for number in 0..1005 {
        let values = [Box::from(number.to_string()), Box::from("a\"b")];
        ledger.count(service("a@file"), kind, &counted(1, &values));
    }
    let found = text(&metrics, &["tenant", "agent"]);
    let labels = r#"agent="a\"b",code="200",method="GET",protocol="http",service="a@file""#;
    check(&found, &[&format!("traefik_service_requests_total{{{labels},tenant=\"7\"}} 1")]);
    assert!(found.contains(r#"tenant="overflow"} 5"#), "{found}");
}

#[test]
fn statuses_without_end_are_counted_together() {
    let metrics = Metrics::new(plan());
    let ledger = metrics.ledger();
    for code in 0..900 {
        let kind = Kind::new("GET", Protocol::Http, 100 + code);
        ledger.count(service("a@file"), kind, &counted(1, &[]));
    }
    let sums = metrics.sums();
    let (_, sums) = sums.of(Level::Service).next().unwrap();
    assert_eq!(sums.requests.len(), 129);
    assert_eq!(sums.requests.values().map(Totals::count).sum::<u64>(), 900);
}

#[test]
fn what_is_gone_is_forgotten() {
    let metrics = Metrics::new(plan());
    let ledger = metrics.ledger();
    let kind = Kind::new("GET", Protocol::Http, 200);
    for name in ["a@file", "b@file", "a@file"] {
        ledger.count(service(name), kind, &counted(1, &[]));
    }
    ledger.keep(|owner| *owner.name == *"b@file");
    assert_eq!(metrics.sums().of(Level::Service).count(), 1);
    ledger.count(service("a@file"), kind, &counted(1, &[]));
    let sums = metrics.sums();
    assert_eq!(sums.of(Level::Service).next().unwrap().1.requests[&kind].count(), 1);
}

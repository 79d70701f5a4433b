//! Metrics for Prometheus: names, labels and numbers of real requests.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

mod support;

use support::{Backend, Client, Moongate, until};

fn over(backend: &Backend, more: &str) -> String {
    let url = backend.url();
    format!(
        "http:\n  routers:\n    a: {{rule: 'PathPrefix(`/a`)', service: s}}\n    \
         m: {{rule: 'PathPrefix(`/m`)', service: s, middlewares: [m]}}\n    \
         q: {{rule: 'PathPrefix(`/q`)', service: s, observability: {{metrics: false}}}}\n{more}  \
         middlewares: {{m: {{addPrefix: {{prefix: /p}}}}}}\n  \
         services: {{s: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}}}\n"
    )
}

fn scrape(moongate: &Moongate) -> String {
    let mut client = Client::connect(moongate.address("traefik"));
    let reply = client.send("GET", "h", "/metrics", &[], b"");
    assert_eq!(reply.status, 200);
    assert!(reply.header("Content-Type").unwrap().starts_with("text/plain; version=0.0.4"));
    reply.text()
}

/// Waits until all of these lines are there.
#[track_caller]
fn check(moongate: &Moongate, lines: &[&str]) -> String {
    let missing = |text: &str| {
        let is_there = |line: &str| text.lines().any(|found| found == line);
        lines.iter().find(|line| !is_there(line)).map(ToString::to_string)
    };
    let mut last = String::new();
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the numbers are told", || {
            last = scrape(moongate);
            missing(&last).is_none().then_some(())
        });
    }));
    assert!(found.is_ok(), "no {:?} in\n{last}", missing(&last));
    last
}

#[test]
fn requests_are_counted_by_entrypoint_router_and_service() {
    let backend = Backend::echo("a");
    let flags = ["--metrics.prometheus", "--metrics.prometheus.addRoutersLabels"];
    let moongate = Moongate::with(&over(&backend, ""), &flags);
    let mut client = moongate.client();
    client.send("POST", "h", "/a", &[], b"12345");
    client.send("GET", "h", "/m", &[("Accept", "text/html, text/event-stream")], b"");
    client.send("BREW", "h", "/none", &[], b"");
    client.send("GET", "h", "/q", &[], b"");
    let labels = "code=\"200\",method=\"POST\",protocol=\"http\"";
    let text = check(
        &moongate,
        &[
            "traefik_entrypoint_requests_total{code=\"200\",entrypoint=\"web\",method=\"POST\",\
             protocol=\"http\"} 1",
            "traefik_entrypoint_requests_total{code=\"200\",entrypoint=\"web\",method=\"GET\",\
             protocol=\"sse\"} 1",
            "traefik_entrypoint_requests_total{code=\"404\",entrypoint=\"web\",\
             method=\"EXTENSION_METHOD\",protocol=\"http\"} 1",
            &format!(
                "traefik_router_requests_total{{{labels},router=\"a@file\",service=\"s@file\"}} 1"
            ),
            &format!("traefik_service_requests_total{{{labels},service=\"s@file\"}} 1"),
            &format!("traefik_service_requests_bytes_total{{{labels},service=\"s@file\"}} 5"),
            &format!(
                "traefik_service_request_duration_seconds_bucket{{{labels},service=\"s@file\",\
                 le=\"+Inf\"}} 1"
            ),
            "traefik_open_connections{entrypoint=\"web\",protocol=\"TCP\"} 1",
            "traefik_config_reloads_total 1",
        ],
    );
    // Neither the request that is not to be counted nor those for the numbers themselves.
    assert!(!text.contains("router=\"q@file\"") && !text.contains("entrypoint=\"traefik\",m"));
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
    let runs = "moongate_middleware_runs_total{middleware=\"m@file\",script=";
    assert!(text.lines().any(|line| line.starts_with(runs) && line.ends_with(" 1")), "{text}");
}

#[test]
fn labels_come_from_headers_and_internal_requests_count_if_asked() {
    let backend = Backend::echo("a");
    let flags = [
        "--metrics.prometheus.headerLabels.tenant=X-Tenant",
        "--metrics.prometheus.addServicesLabels=false",
        "--metrics.prometheus.buckets=0.5,7",
        "--metrics.addInternals",
    ];
    let moongate = Moongate::with(&over(&backend, ""), &flags);
    moongate.client().send("GET", "h", "/a", &[("X-Tenant", "acme")], b"");
    moongate.get("h", "/a");
    let labels = "code=\"200\",entrypoint=\"web\",method=\"GET\",protocol=\"http\"";
    let text = check(
        &moongate,
        &[
            &format!("traefik_entrypoint_requests_total{{{labels},tenant=\"acme\"}} 1"),
            &format!("traefik_entrypoint_requests_total{{{labels},tenant=\"\"}} 1"),
            &format!("traefik_entrypoint_request_duration_seconds_bucket{{{labels},le=\"7\"}} 2"),
        ],
    );
    assert!(!text.contains("le=\"0.1\"") && !text.contains("traefik_service_requests"), "{text}");
    let own = "traefik_entrypoint_requests_total{code=\"200\",entrypoint=\"traefik\"";
    until("its own requests count", || scrape(&moongate).contains(own).then_some(()));
}

#[test]
fn what_is_no_longer_configured_is_gone() {
    let backend = Backend::echo("a");
    let flags = ["--metrics.prometheus", "--metrics.prometheus.addRoutersLabels"];
    let moongate = Moongate::with(&over(&backend, ""), &flags);
    moongate.get("h", "/a");
    let gone = "router=\"a@file\"";
    until("the router is counted", || scrape(&moongate).contains(gone).then_some(()));
    moongate.configure(&over(&backend, "").replace("    a: ", "    b: "));
    until("the router is gone", || (!scrape(&moongate).contains(gone)).then_some(()));
    let text = scrape(&moongate);
    assert!(text.contains("traefik_service_requests_total{"), "{text}");
    assert!(text.contains("traefik_config_reloads_total 2"), "{text}");
    moongate.configure("http: [");
    let failed = "moongate_config_reload_failures_total 1";
    until("the failure is counted", || scrape(&moongate).contains(failed).then_some(()));
}

#[test]
fn tries_and_health_are_told() {
    let closed = Backend::closed();
    let dynamic = format!(
        "http:\n  routers: {{m: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [m]}}}}\n  \
         middlewares: {{m: {{retry: {{attempts: 3, initialInterval: 1ms}}}}}}\n  \
         services:\n    s: {{loadBalancer: {{servers: [{{url: '{closed}'}}]}}}}\n    \
         h: {{loadBalancer: {{servers: [{{url: '{closed}'}}], \
         healthCheck: {{path: /, interval: 50ms, timeout: 1s}}}}}}\n"
    );
    let moongate = Moongate::with(&dynamic, &["--metrics.prometheus"]);
    assert_eq!(moongate.get("h", "/").status, 502);
    let up = format!("traefik_service_server_up{{service=\"h@file\",url=\"{closed}\"}} 0");
    check(
        &moongate,
        &[
            "traefik_service_requests_total{code=\"502\",method=\"GET\",protocol=\"http\",\
             service=\"s@file\"} 3",
            "traefik_service_retries_total{service=\"s@file\"} 2",
            &up,
        ],
    );
}

#[test]
fn copies_are_counted_where_they_go() {
    let (main, copy) = (Backend::echo("a"), Backend::echo("b"));
    let dynamic = format!(
        "http:\n  routers:\n    m: {{rule: 'PathPrefix(`/m`)', service: m}}\n    \
         q: {{rule: 'PathPrefix(`/q`)', service: m, observability: {{metrics: false}}}}\n  \
         services:\n    m: {{mirroring: {{service: a, mirrors: [{{name: b, percent: 50}}]}}}}\n    \
         a: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n    \
         b: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        main.url(),
        copy.url(),
    );
    let moongate = Moongate::with(&dynamic, &["--metrics.prometheus"]);
    let mut client = moongate.client();
    // Of these the first is copied, and nobody counts it.
    client.send("GET", "h", "/q", &[], b"");
    client.send("GET", "h", "/q", &[], b"");
    for _ in 0..4 {
        client.send("POST", "h", "/m", &[], b"12345");
    }
    let labels = "code=\"200\",method=\"POST\",protocol=\"http\"";
    check(
        &moongate,
        &[
            &format!("traefik_service_requests_total{{{labels},service=\"a@file\"}} 4"),
            &format!("traefik_service_requests_total{{{labels},service=\"b@file\"}} 2"),
            &format!("traefik_service_requests_bytes_total{{{labels},service=\"b@file\"}} 10"),
            "traefik_entrypoint_requests_total{code=\"200\",entrypoint=\"web\",\
             method=\"POST\",protocol=\"http\"} 4",
        ],
    );
    assert_eq!(copy.count(), 3);
}

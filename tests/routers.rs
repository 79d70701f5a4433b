//! Routers: parents and children, disabled ones, who is in the access log, the older rule syntax.

mod support;

use support::{Backend, Moongate, until};

/// A configuration of routers, as YAML flow mappings, over one backend that is the service `s`.
fn over(backend: &Backend, routers: &[(&str, &str)]) -> String {
    let mut text = "http:\n  routers:\n".to_owned();
    for (name, router) in routers {
        text.push_str(&format!("    {name}: {{{router}}}\n"));
    }
    text.push_str(&format!(
        "  middlewares:\n    strip: {{stripPrefix: {{prefixes: [/api]}}}}\n    \
         role: {{headers: {{customRequestHeaders: {{X-Role: admin}}}}}}\n  \
         services:\n    s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        backend.url()
    ));
    text
}

fn check(moongate: &Moongate, asks: &[(&str, u16)]) {
    for (path, expect) in asks {
        assert_eq!(moongate.get("h", path).status, *expect, "{path}");
    }
}

fn errors(moongate: &Moongate, router: &str) -> Vec<String> {
    let reply = moongate.api(&format!("/api/http/routers/{router}@file"));
    let errors = reply["error"].as_array().cloned().unwrap_or_default();
    errors.iter().filter_map(|error| error.as_str()).map(str::to_owned).collect()
}

#[test]
fn children_see_what_their_parents_middlewares_left() {
    let backend = Backend::echo("a");
    let parent = "rule: 'PathPrefix(`/api`)', middlewares: [strip]";
    let middle = "rule: 'PathPrefix(`/v1`)', middlewares: [role], parentRefs: [parent]";
    let leaf = "rule: 'Path(`/v1/x`) && Header(`X-Role`, `admin`)', service: s, \
                parentRefs: [middle@file]";
    let other = "rule: 'Path(`/y`)', service: s, parentRefs: [parent]";
    let all = [("parent", parent), ("middle", middle), ("leaf", leaf), ("other", other)];
    let moongate = Moongate::start(&over(&backend, &all));
    check(
        &moongate,
        &[("/api/v1/x", 200), ("/api/y", 200), ("/api/v1/y", 404), ("/v1/x", 404), ("/y", 404)],
    );
    moongate.get("h", "/api/v1/x");
    let seen = backend.last();
    assert_eq!((seen.line(), seen.header("x-role")), ("GET /v1/x HTTP/1.1", Some("admin")));

    let leaf = moongate.api("/api/http/routers/leaf@file");
    assert_eq!(leaf["status"], "enabled");
    assert_eq!(leaf["parentRefs"], serde_json::json!(["middle@file"]));
    assert!(leaf["using"].is_null() && leaf["entryPoints"].is_null(), "{leaf}");
    assert_eq!(moongate.api("/api/http/routers/parent@file")["status"], "enabled");
}

#[test]
fn children_come_and_go_with_changes() {
    let backend = Backend::echo("a");
    let parent = ("parent", "rule: 'PathPrefix(`/api`)'");
    let x = ("x", "rule: 'Path(`/api/x`)', service: s, parentRefs: [parent]");
    let y = ("y", "rule: 'Path(`/api/y`)', service: s, parentRefs: [parent]");
    let moongate = Moongate::start(&over(&backend, &[parent, x]));
    check(&moongate, &[("/api/x", 200), ("/api/y", 404)]);
    moongate.configure(&over(&backend, &[parent, x, y]));
    until("the new child answers", || (moongate.get("h", "/api/y").status == 200).then_some(()));
    check(&moongate, &[("/api/x", 200)]);
    // A child's service changes, and its parent leads to the new one.
    let other = Backend::echo("b");
    moongate.configure(&over(&other, &[parent, x, y]));
    until("the child leads elsewhere", || {
        (moongate.get("h", "/api/x").header("x-backend") == Some("b")).then_some(())
    });
    moongate.configure(&over(&backend, &[x]));
    until("the child is gone with its parent", || {
        (moongate.get("h", "/api/x").status == 404).then_some(())
    });
    let told = errors(&moongate, "x");
    assert_eq!(told, ["parent router \"parent@file\" does not exist", "router is not reachable"]);
}

#[test]
fn slips_among_parents_and_children_are_told() {
    let backend = Backend::echo("a");
    let all = [
        ("empty", "rule: 'Path(`/1`)'"),
        ("both", "rule: 'Path(`/2`)', service: s"),
        ("below", "rule: 'Path(`/2`)', service: s, parentRefs: [both]"),
        ("top", "rule: 'PathPrefix(`/3`)'"),
        ("secure", "rule: 'Path(`/3`)', service: s, tls: {}, parentRefs: [top]"),
        ("bound", "rule: 'Path(`/3`)', service: s, entryPoints: [web], parentRefs: [top]"),
    ];
    let moongate = Moongate::start(&over(&backend, &all));
    for (router, expect) in [
        ("empty", "router has no service and no child routers"),
        ("both", "router has both a service and is referenced as a parent by other routers"),
        ("secure", "non-root router cannot have TLS configuration"),
        ("bound", "non-root router cannot have Entrypoints configuration"),
        ("top", "no child routers could be added to muxer (2 skipped)"),
    ] {
        let told = errors(&moongate, router);
        assert!(told.iter().any(|error| error.contains(expect)), "{router}: {told:?}");
    }
}

#[test]
fn disabled_routers_may_keep_their_requests() {
    let backend = Backend::echo("a");
    let all = [
        ("all", "rule: 'PathPrefix(`/`)', service: s"),
        ("guarded", "rule: 'PathPrefix(`/admin`)', service: s, middlewares: [missing]"),
        ("parent", "rule: 'PathPrefix(`/p/`)'"),
        ("child", "rule: 'PathPrefix(`/p/c`)', service: missing, parentRefs: [parent]"),
        ("broken", "rule: 'Path(`/broken', service: s"),
    ];
    let dynamic = over(&backend, &all);
    let falls = Moongate::start(&dynamic);
    check(&falls, &[("/admin", 200), ("/p/c", 200), ("/broken", 200)]);
    let rejects = Moongate::with(&dynamic, &["--core.disabledRouters=reject"]);
    check(&rejects, &[("/admin", 503), ("/p/c", 503), ("/p/d", 404), ("/x", 200)]);
    // A rule that cannot be read keeps nothing.
    check(&rejects, &[("/broken", 200)]);
    assert_eq!(rejects.api("/api/http/routers/guarded@file")["status"], "disabled");
}

#[test]
fn routers_and_entrypoints_may_stay_out_of_the_access_log() {
    let backend = Backend::echo("a");
    let all = [
        ("loud", "rule: 'Path(`/loud`)', service: s, observability: {accessLogs: true}"),
        ("quiet", "rule: 'Path(`/quiet`)', service: s, observability: {accessLogs: false}"),
        ("plain", "rule: 'Path(`/plain`)', service: s"),
        ("own", "rule: 'Path(`/ping`)', service: ping@internal"),
    ];
    let dynamic = over(&backend, &all);
    for (flags, expect) in [
        (&[][..], &["/loud", "/loud", "/none", "/plain"][..]),
        (&["--accessLog.addInternals"], &["/loud", "/loud", "/none", "/ping", "/plain"]),
        (&["--entryPoints.web.observability.accessLogs=false"], &["/loud", "/loud"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        let to_file = format!("--accessLog.filePath={}", log.display());
        let flags: Vec<&str> = flags.iter().copied().chain([to_file.as_str()]).collect();
        let moongate = Moongate::with(&dynamic, &flags);
        for path in ["/loud", "/quiet", "/plain", "/ping", "/none", "/loud"] {
            moongate.get("h", path);
        }
        let paths = || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let path = |line: &str| line.split('"').nth(1)?.split(' ').nth(1).map(str::to_owned);
            // Requests of other connections may be noted in another order.
            let mut paths: Vec<_> = text.lines().filter_map(path).collect();
            paths.sort();
            paths
        };
        let got = until("the requests are logged", || {
            let paths = paths();
            (paths.len() >= expect.len()).then_some(paths)
        });
        assert_eq!(got, expect, "{flags:?}");
    }
}

#[test]
fn the_access_log_names_parents_and_children() {
    let backend = Backend::echo("a");
    let all = [
        ("parent", "rule: 'PathPrefix(`/api`)'"),
        ("child", "rule: 'PathPrefix(`/api/x`)', service: s, parentRefs: [parent]"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let to_file = format!("--accessLog.filePath={}", log.display());
    let moongate = Moongate::with(&over(&backend, &all), &[to_file.as_str()]);
    moongate.get("h", "/api/x");
    let line = until("the request is logged", || {
        std::fs::read_to_string(&log).ok().filter(|text| text.ends_with('\n'))
    });
    assert!(line.contains("\"parent@file -> child@file\""), "{line}");
}

#[test]
fn entrypoints_that_add_something_show_routers_apart() {
    let backend = Backend::echo("a");
    let both = "rule: 'Path(`/x`)', service: s, entryPoints: [web, more], middlewares: [strip]";
    let one = "rule: 'Path(`/y`)', service: s, entryPoints: [more]";
    let dynamic = over(&backend, &[("both", both), ("one", one)]);
    let moongate = Moongate::with(
        &dynamic,
        &[
            "--entryPoints.more.address=127.0.0.1:0",
            "--entryPoints.more.http.tls=true",
            "--entryPoints.more.http.middlewares=role@file",
        ],
    );
    check(&moongate, &[("/x", 200), ("/y", 404)]);
    for (name, entrypoint, middlewares, options) in [
        ("both@file", "web", vec!["strip@file"], None),
        ("more-both@file", "more", vec!["role@file", "strip@file"], Some("default")),
        ("one@file", "more", vec!["role@file"], Some("default")),
    ] {
        let router = moongate.api(&format!("/api/http/routers/{name}"));
        assert_eq!(router["using"], serde_json::json!([entrypoint]), "{router}");
        assert_eq!(router["entryPoints"], router["using"], "{router}");
        assert_eq!(router["middlewares"], serde_json::json!(middlewares), "{router}");
        assert_eq!(router["tls"]["options"].as_str(), options, "{router}");
    }
}

#[test]
fn rules_may_be_written_in_the_older_syntax() {
    let backend = Backend::echo("a");
    let all = [
        ("old", "rule: 'PathPrefix(`/{a:[a-z]+}/`, `/9`)', service: s, ruleSyntax: v2"),
        ("new", "rule: 'Path(`/x{1}`)', service: s, ruleSyntax: v3"),
        ("typo", "rule: 'Path(`/typo`)', service: s, ruleSyntax: v9"),
        ("default", "rule: 'Path(`/1/{b}`)', service: s"),
    ];
    let dynamic = over(&backend, &all);
    let moongate = Moongate::start(&dynamic);
    check(
        &moongate,
        &[("/abc/d", 200), ("/9", 200), ("/x{1}", 200), ("/typo", 200), ("/1/2", 404)],
    );
    assert_eq!(moongate.api("/api/http/routers/old@file")["status"], "enabled");
    let moongate = Moongate::with(&dynamic, &["--core.defaultRuleSyntax=v2"]);
    check(&moongate, &[("/abc/d", 200), ("/x{1}", 200), ("/1/2", 200)]);
    assert_eq!(moongate.api("/api/http/routers/default@file")["ruleSyntax"], "v2");
}

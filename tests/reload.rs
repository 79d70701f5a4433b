//! Changes of the configuration under load: nothing is lost, and a bad one changes nothing.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use support::{Backend, Moongate, to, until};

/// How many changes are made under load.
const CHANGES: usize = 50;

#[test]
fn fifty_changes_under_load_lose_no_request() {
    let (a, b) = (Backend::echo("a"), Backend::echo("b"));
    let moongate = Moongate::start(&to(&a));
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (done, served) = (Arc::clone(&done), Arc::clone(&served));
            let mut client = moongate.client();
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let reply = client.send("GET", "h", "/", &[], b"");
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for change in 0..CHANGES {
        let (backend, name) = if change % 2 == 0 { (&b, "b") } else { (&a, "a") };
        moongate.configure(&to(backend));
        until("the change is served", || {
            (moongate.get("h", "/").header("x-backend") == Some(name)).then_some(())
        });
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert!(served.load(Ordering::Relaxed) > CHANGES);
}

#[test]
fn a_bad_configuration_keeps_the_last_good_one_and_says_so() {
    let (a, b) = (Backend::echo("a"), Backend::echo("b"));
    let moongate = Moongate::start(&to(&a));
    for bad in
        ["http: [", "http: {routers: {x: {rulle: y}}}", "http: {routers: 5}", "http: {rooters: {}}"]
    {
        moongate.configure(bad);
        // A good file after the bad one shows that the bad one has been seen and passed over.
        let extra = to(&a)
            .replace("all: {rule", "seen: {rule: 'Path(`/seen`)', service: all}\n    all: {rule");
        assert_eq!(moongate.get("h", "/").header("x-backend"), Some("a"), "{bad}");
        moongate.configure(&extra);
        until("the good file is served", || {
            moongate.api("/api/http/routers/seen@file")["status"].as_str().map(|_| ())
        });
        moongate.configure(&to(&a));
        until("the first file is served again", || {
            moongate.api("/api/http/routers/seen@file")["status"].is_null().then_some(())
        });
    }
    moongate.configure(&to(&b));
    until("the last file is served", || {
        (moongate.get("h", "/").header("x-backend") == Some("b")).then_some(())
    });
}

#[test]
fn the_weighted_order_stands_through_a_change_of_something_else() {
    let (a, b) = (Backend::echo("a"), Backend::echo("b"));
    let dynamic = |extra: &str| {
        format!(
            "http:\n  routers:\n    w: {{rule: 'Path(`/w`)', service: w}}\n{extra}  services:\n    \
             w: {{weighted: {{services: [{{name: a, weight: 3}}, {{name: b, weight: 1}}]}}}}\n    \
             a: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n    \
             b: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
            a.url(),
            b.url()
        )
    };
    let moongate = Moongate::start(&dynamic(""));
    let mut order = Vec::new();
    for round in 0..10 {
        for _ in 0..3 {
            order.push(moongate.get("h", "/w").header("x-backend").unwrap() == "a");
        }
        let name = format!("r{round}");
        moongate.configure(&dynamic(&format!("    {name}: {{rule: 'Path(`/x`)', service: a}}\n")));
        until("the change is served", || {
            moongate.api(&format!("/api/http/routers/{name}@file"))["status"].as_str().map(|_| ())
        });
    }
    for window in order.windows(4) {
        assert_eq!(window.iter().filter(|&&is_a| is_a).count(), 3, "{order:?}");
    }
}

/// A script that returns a configuration whose server is this one.
fn program(backend: &Backend) -> String {
    let url = backend.url();
    format!(
        "local servers = {{ {{ url = '{url}' }} }}\n\
         return {{ http = {{\n\
         routers = {{ all = {{ rule = 'PathPrefix(`/s`)', service = 'b' }} }},\n\
         services = {{ b = {{ loadBalancer = {{ servers = servers }} }} }},\n}} }}\n"
    )
}

#[test]
fn a_script_is_the_configuration_and_is_followed() {
    let (a, b) = (Backend::echo("a"), Backend::echo("b"));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("routes.lua");
    std::fs::write(&script, program(&a)).unwrap();
    let flag = format!("--providers.script.filename={}", script.display());
    let moongate = Moongate::in_folder(folder, "", &[&flag]);
    assert_eq!(moongate.get("h", "/s").header("x-backend"), Some("a"));
    let replace = |text: &str| {
        std::fs::write(moongate.file("next"), text).unwrap();
        std::fs::rename(moongate.file("next"), &script).unwrap();
    };
    for bad in ["error('no')\n", "while true do end\n", "return { http = { rooters = {} } }\n"] {
        replace(bad);
        // The good file behind it shows that the bad one has been passed over.
        assert_eq!(moongate.get("h", "/s").header("x-backend"), Some("a"), "{bad}");
    }
    replace(&program(&b));
    until("the changed script is served", || {
        (moongate.get("h", "/s").header("x-backend") == Some("b")).then_some(())
    });
    assert_eq!(moongate.api("/api/http/routers/all@script")["provider"], "script");
}

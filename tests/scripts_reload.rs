//! Many new versions of many scripts under load: no request fails, and memory stays flat.
//!
//! `RELOADS` and `ROUTES` ask for more than the plain run does; the figures in the documentation
//! are of 1000 and 100. A process of its own, since memory is the process's.

mod support;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use support::{Moongate, until};

/// Reloads before memory is looked at: pools and allocator have their size by then.
const WARM_UP: usize = 8;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A version of a script; the table makes it weigh something.
fn script(version: usize) -> String {
    format!(
        "local words = {{}} for i = 1, 200 do words[i] = 'w{version}-' .. i end return {{ setup = \
         function() return words end, request = function(req, ctx) return respond(200, \
         ctx.state[200]) end }}"
    )
}

fn dynamic(routes: usize, version: usize) -> String {
    let mut text = String::from("http:\n  routers:\n");
    let mut middlewares = String::new();
    for route in 0..routes {
        let _ = writeln!(
            text,
            "    r{route}: {{rule: 'Path(`/{route}`)', service: noop@internal, middlewares: [m{route}]}}"
        );
        let _ = writeln!(middlewares, "    m{route}: {{lua: {{code: \"{}\"}}}}", script(version));
    }
    text + "  middlewares:\n" + &middlewares
}

/// Resident memory of this process in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn many_versions_fail_no_request_and_leave_memory_flat() {
    let (reloads, routes) = (number("RELOADS", 40), number("ROUTES", 20));
    let moongate = Moongate::start(&dynamic(routes, 0));
    let done = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..2)
        .map(|number| {
            let (done, served) = (Arc::clone(&done), Arc::clone(&served));
            let mut client = moongate.client();
            thread::spawn(move || {
                let mut route = number;
                while !done.load(Ordering::Relaxed) {
                    route = (route + 1) % routes;
                    let reply = client.send("GET", "h", &format!("/{route}"), &[], b"");
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut before = 0;
    for version in 1..=reloads {
        moongate.configure(&dynamic(routes, version));
        let word = format!("w{version}-200");
        until("the version is served", || (moongate.get("h", "/0").text() == word).then_some(()));
        if version == WARM_UP.max(reloads / 10).min(reloads) {
            before = resident_bytes();
        }
        if version % (reloads / 10).max(1) == 0 {
            println!("after {version} reloads {} KiB", resident_bytes() / 1024);
        }
    }
    let after = resident_bytes();
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let served = served.load(Ordering::Relaxed);
    let (before_kib, after_kib) = (before / 1024, after / 1024);
    assert!(served > reloads);
    // Small processes move by some pages in any case.
    let most = before + before / 20 + (2 << 20);
    assert!(after <= most, "{before_kib} KiB before, {after_kib} KiB after {reloads} reloads");
    println!(
        "{reloads} reloads of {routes} routes, {served} requests, none failed; resident \
         {before_kib} KiB before, {after_kib} KiB after"
    );
}

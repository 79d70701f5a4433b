//! Scripts that mean no good, beside good ones on one worker: every request of both is answered,
//! and the good ones do not wait for the others.

mod support;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::Moongate;

/// What scripts may try, by name.
const EVIL: &[(&str, &str)] = &[
    ("loop", "while true do end"),
    ("caught", "while true do pcall(function() while true do end end) end"),
    ("nested", "local function f() pcall(f) pcall(f) end f()"),
    ("pattern", "string.find(string.rep('a', 30000), string.rep('a*', 30) .. 'b')"),
    ("replaced", "string.gsub(string.rep('a', 100000), '.-.-.-b', 'x')"),
    ("large", "local s = string.rep('x', 1073741824) return respond(200, s)"),
    ("doubled", "local s = 'x' while true do s = s .. s end"),
    ("deep", "local function f(n) return 1 + f(n + 1) end f(1)"),
    ("many", "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end"),
    ("wrapped", "local f = coroutine.wrap(function() while true do end end) while true do f() end"),
    (
        "sorted",
        "local t = {} for i = 1, 50000 do t[i] = i end \
         while true do table.sort(t, function() return true end) end",
    ),
    ("tables", "local t = {} while true do t = { t, t, {} } end"),
    (
        "metamethod",
        "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) return t[1]",
    ),
    ("closed", "error(setmetatable({}, { __tostring = function() while true do end end }))"),
];

/// The longest that a good request may take while others compute up to their limits. The limit of a
/// hook is 10 ms; what is beyond it is the machine's, which has other guests.
const LONGEST: Duration = Duration::from_secs(2);

fn dynamic() -> String {
    let mut routers = String::from("http:\n  routers:\n");
    let mut middlewares = String::from("  middlewares:\n");
    for (name, body) in EVIL.iter().chain(&[("good", "return respond(200, 'good')")]) {
        let _ = writeln!(
            routers,
            "    {name}: {{rule: 'Path(`/{name}`)', service: noop@internal, middlewares: [{name}]}}"
        );
        let _ = writeln!(
            middlewares,
            "    {name}:\n      lua:\n        code: \"return {{ request = function() {body} \
             end }}\""
        );
    }
    routers + &middlewares
}

#[test]
fn every_evil_request_is_answered_and_good_ones_do_not_wait() {
    let moongate = Moongate::with(&dynamic(), &["--workers=1"]);
    let done = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&done);
    let mut client = moongate.client();
    let good = thread::spawn(move || {
        let mut took = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let reply = client.send("GET", "h", "/good", &[], b"");
            assert_eq!((reply.status, reply.text().as_str()), (200, "good"));
            took.push(began.elapsed());
        }
        took
    });
    for _ in 0..3 {
        for (name, _) in EVIL {
            let reply = moongate.get("h", &format!("/{name}"));
            assert!([200, 418, 500].contains(&reply.status), "{name}: {}", reply.text());
            if !["replaced", "large", "wrapped", "closed"].contains(name) {
                assert_eq!(reply.status, 500, "{name}: {}", reply.text());
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut took = good.join().unwrap();
    took.sort();
    let longest = took.last().copied().unwrap_or_default();
    assert!(took.len() > EVIL.len(), "{} good requests", took.len());
    assert!(longest < LONGEST, "{longest:?}");
}

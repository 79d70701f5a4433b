//! Programs that would run for ever, or take all memory, are stopped in time.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::*;
use crate::lua::{Flow, Shared, Vm};
use crate::message::Failure;

/// Each is the body of a `request` hook.
const RUNAWAYS: &[&str] = &[
    "while true do end",
    "repeat until false",
    "for i = 1, 1e12 do end",
    "local function f() return f() end f()",
    "local function f() f() f() end f()",
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(error) end",
    "local function f() pcall(f) pcall(f) end f()",
    "local function f() return pcall(f) end while true do f() end",
    "local function f() xpcall(f, f) f() end f()",
    "xpcall(function() while true do end end, function() while true do end end)",
    "pcall(function() while true do end end) while true do end",
    "coroutine.wrap(function() while true do end end)()",
    "while true do coroutine.wrap(function() coroutine.yield() end)() end",
    "local f = coroutine.wrap(function() while true do coroutine.yield() end end) \
     while true do f() end",
    "local function f() coroutine.wrap(f)() end pcall(f) while true do pcall(f) end",
    "local co co = coroutine.create(function() while true do pcall(function() while true do end \
     end) end end) while true do coroutine.resume(co) end",
    "local s = ('a'):rep(40) return s:find(('a*'):rep(40) .. 'b')",
    "local s = ('a'):rep(5000) return s:find(('.-'):rep(30) .. 'b')",
    "return ('x'):rep(30000):gsub('(x*)*y', '')",
    "return ('a'):rep(10000):gsub(('a?'):rep(30) .. ('a'):rep(30) .. 'b', 'c')",
    "for _ in ('a'):rep(1e6):gmatch('.-b') do end",
    "('a'):rep(1e6):gsub('.', function() while true do end end)",
    "local t = {} for i = 1, 1000 do t[i] = i end \
     table.sort(t, function(a, b) while true do end end)",
    "local t = {} for i = 1, 5e4 do t[i] = (i * 7919) % 50021 end \
     while true do table.sort(t, function(a, b) return a < b end) end",
    "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) return t[1]",
    "local t = setmetatable({}, { __index = function() while true do end end }) return t.x",
    "local t = setmetatable({}, { __eq = function() while true do end end }) \
     return t == setmetatable({}, getmetatable(t))",
    "local t = setmetatable({}, { __tostring = function() while true do end end }) \
     return tostring(t)",
    "local s = 'x' while true do s = s .. s end",
    "local s = '' while true do s = s .. 'x' end",
    "return ('x'):rep(1e9)",
    "local s = ('x'):rep(1e6) while true do s = s:rep(10) end",
    "local t = {} for i = 1, 1e4 do t[i] = ('x'):rep(1e4) end return table.concat(t)",
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "return table.create(1e9, 0)",
    "return buffer.create(1e9)",
    "while true do buffer.create(1e6) end",
    "local t = {} while true do table.insert(t, 1, 0) end",
    "return ('x'):rep(1e5):split(''), (function() while true do end end)()",
    "while true do local f = function() end end",
    "for k in pairs(req.headers) do while true do end end",
    "while true do req.headers.a = 'x' end",
    "while true do re.compile('a') end",
    "return table.move({}, 1, 2e9, 2)",
    "local s = ('a'):rep(2 ^ 20) return s:find(('a'):rep(2 ^ 19) .. 'b', 1, true)",
    "local s = ('a'):rep(2 ^ 20) return s:split(('a'):rep(2 ^ 19) .. 'b')",
    "return table.sort(table.create(2 ^ 21, 1))",
    "return #table.concat(table.create(2 ^ 21, 'x'), ('y'):rep(20))",
    "return table.unpack({}, 1, 1e9)",
    "local t = table.create(2 ^ 21, 1) while true do table.remove(t, 1) end",
    "local t = table.create(2 ^ 21, 1) while true do table.find(t, 2) end",
    "return utf8.len(('a'):rep(3e7))",
    "local b = buffer.create(6e7) while true do buffer.fill(b, 0, 1) end",
    "local t = {} for i = 1, 1e6 do t[i] = 'a' end return json.encode(t)",
    "return json.encode(table.create(2 ^ 21, 'a'))",
    "return ('a'):rep(6e7):upper():reverse()",
    "while true do crypto.sha512(('x'):rep(1e6)) end",
];

#[test]
fn runaway_programs_are_stopped() {
    let vm = Vm::new().unwrap();
    let good = "return { request = function(req) req.headers.a = 'x' end }";
    let good = load(&vm, spec(good, json!({}))).unwrap();
    for body in RUNAWAYS {
        let script = format!("return {{ request = function(req, ctx) {body} end }}");
        let instance = load(&vm, spec(&script, json!({}))).unwrap();
        let began = Instant::now();
        let flow = block_on(instance.request(&context(), 0, request("GET a/", &[("B", "1")])));
        let took = began.elapsed();
        let Flow::Done(response) = flow else { panic!("{body}: passed") };
        assert!(matches!(response.failure, Some(Failure::Script { .. })), "{body}: {response:?}");
        if took > Duration::from_millis(60) {
            println!("{took:>10.1?}  {body}");
        }
        // The limit is 10 ms of computing; the rest is for whatever else runs on the same cores.
        assert!(took < Duration::from_millis(1500), "{body}: {took:?}");
        let next = passed(block_on(good.request(&context(), 0, request("GET a/", &[]))));
        assert_eq!(header(&next.headers, "a"), Some("x"), "after {body}");
    }
}

#[test]
fn computing_is_limited_in_setup_and_top_level_too() {
    let vm = Vm::new().unwrap();
    for script in ["while true do end", "return { setup = function() while true do end end }"] {
        let error = load(&vm, spec(script, json!({}))).unwrap_err();
        assert!(error.to_string().contains("t.lua:1: it computed longer"), "{error}");
    }
}

#[test]
fn waiting_is_not_computing() {
    let script = "return { request = function() for i = 1, 15 do time.sleep(0.001) end end }";
    passed(flow(spec(script, json!({})), request("GET a/", &[])));
}

#[test]
fn waiting_is_limited_where_asked() {
    let script = "return { request = function() time.sleep(60) end }";
    let mut spec = spec(script, json!({}));
    spec.limits.wait = Some(Duration::from_millis(5));
    assert_eq!(answered(flow(spec, request("GET a/", &[]))).status.as_u16(), 500);
}

#[test]
fn a_long_computation_lets_others_in_between() {
    let vm = Vm::new().unwrap();
    let script = "return { request = function() while true do end end }";
    let slow = load(&vm, spec(script, json!({}))).unwrap();
    let others = block_on(async {
        let others = std::rc::Rc::new(std::cell::Cell::new(0));
        let counter = std::rc::Rc::clone(&others);
        let other = tokio::task::spawn_local(async move {
            loop {
                counter.set(counter.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        slow.request(&context(), 0, request("GET a/", &[])).await;
        other.abort();
        others.get()
    });
    assert!(others >= 4, "{others}");
}

#[test]
fn a_script_that_always_fails_is_not_run_for_a_while() {
    let text = "local runs = 0
        return { request = function(req)
          runs = runs + 1
          if req.path == '/good' then return respond(200) end
          error('on purpose')
        end }";
    let shared = Shared::new();
    let vm = Vm::sharing(std::sync::Arc::clone(&shared)).unwrap();
    block_on(async {
        let spec = std::sync::Arc::new(spec(text, json!({})));
        let instance = vm.instance(&spec).await.unwrap();
        for _ in 0..25 {
            let answer = answered(instance.request(&context(), 0, request("GET a/", &[])).await);
            assert_eq!(answer.status, 500);
        }
        let good = instance.request(&context(), 0, request("GET a/good", &[])).await;
        assert_eq!(answered(good).status, 500);
        let figures = shared.figures(spec.id).unwrap();
        assert_eq!((figures.runs, figures.failures, figures.refused), (20, 20, 6));
        assert_eq!(figures.open_on, 1);
        let last = figures.last_failure.unwrap();
        assert_eq!(last.hook, "request");
        assert!(last.error.contains("t.lua:5: on purpose"), "{last:?}");
    });
}

#[test]
fn failures_that_are_few_do_not_stop_a_script() {
    let text = "return { request = function(req)
          if req.path == '/bad' then error('on purpose') end
          return respond(200)
        end }";
    let vm = Vm::new().unwrap();
    block_on(async {
        let instance = vm.instance(&std::sync::Arc::new(spec(text, json!({})))).await.unwrap();
        for _ in 0..40 {
            instance.request(&context(), 0, request("GET a/bad", &[])).await;
            for _ in 0..2 {
                let good = instance.request(&context(), 0, request("GET a/", &[])).await;
                assert_eq!(answered(good).status, 200);
            }
        }
    });
}

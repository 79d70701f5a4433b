//! `timer.every`: work that no request asks for.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::support::*;
use crate::lua::testing::{Find, Outcome, TestOptions, run_tests};
use crate::lua::{InstanceId, InstanceSpec, ScriptSource, Shared, Vm};

/// Runs a test of a script.
fn check(script: &str, body: &str) {
    let text = format!("local sut = [[{script}]]\nit('does', function()\n{body}\nend)");
    let source = ScriptSource { name: "t_test.lua".into(), text: text.into() };
    let find: Find = Rc::new(|text| Ok(ScriptSource { name: "sut.lua".into(), text: text.into() }));
    let report = run_tests(&source, find, &TestOptions::default()).unwrap();
    assert_eq!(report.cases[0].outcome, Outcome::Passed);
}

#[test]
fn a_function_is_called_again_and_again() {
    check(
        "local seen = store.open('seen')
         return {
           setup = function()
             timer.every('1m', function(ctx)
               local res = http.fetch('https://list.test/')
               seen:set('list', res:body() .. ctx.name)
             end)
           end,
           request = function() return respond(200, seen:get('list') or 'none') end,
         }",
        "local count = 0
         local known = script(sut, { name = 'm', fetch = function()
           count = count + 1
           return 'v' .. count
         end })
         expect(known:send().body).to_be('none')
         advance('61s')
         expect(known:send().body).to_be('v1m@test')
         advance('3m')
         expect(known:send().body).to_be('v4m@test')",
    );
}

#[test]
fn a_failure_is_told_and_the_next_call_comes() {
    check(
        "local count = 0
         return {
           setup = function()
             timer.every('10s', function()
               count = count + 1
               if count == 1 then error('once') end
               if count == 2 then time.sleep('1h') end
             end)
           end,
           request = function() return respond(200, tostring(count)) end,
         }",
        "local known = script(sut)
         advance('11s')
         local r = known:send()
         expect(r.body).to_be('1')
         -- The second call is given up after a minute.
         advance('78s')
         expect(known:send().body).to_be('2')
         advance('2s')
         expect(known:send().body).to_be('3')",
    );
}

#[test]
fn mistakes_are_told_in_setup() {
    let fails = |call: &str, expect: &str| {
        let text = format!("return {{ setup = function() {call} end }}");
        let error = load(&Vm::new().unwrap(), spec(&text, json!({}))).unwrap_err().to_string();
        assert!(error.contains(expect), "{call}: {error}");
    };
    fails("timer.every('1ms', print)", "an interval is 10ms at least");
    fails("timer.every('soon', print)", "this is no duration");
    fails("timer.every('1s', print, { all = true })", "unknown option \"all\"");
    fails("for _ = 1, 17 do timer.every('1s', print) end", "16 timers at most");
    let text = "return { request = function()
        local _, why = pcall(timer.every, '1s', print)
        return respond(200, tostring(why))
    end }";
    let told = answered(flow(spec(text, json!({})), request("GET h/", &[])));
    assert!(self::text(told).contains("timers are begun in setup"));
}

/// How often a script's timer has rung after a minute on two workers, and a minute after the first
/// of them has let go.
fn rung(options: &str) -> (f64, f64) {
    let script = format!(
        "local s = store.open('s')
         return {{
           setup = function() timer.every('1s', function() s:incr('n') end{options}) end,
           request = function() return respond(200, tostring(s:get('n'))) end,
         }}"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let shared = Shared::new();
    let vms = [0, 1].map(|_| Vm::sharing(Arc::clone(&shared)).unwrap());
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let spec = InstanceSpec { id: InstanceId(7), ..spec(&script, json!({})) };
        let spec = Arc::new(spec);
        let first = vms[0].instance(&spec).await.unwrap();
        let second = vms[1].instance(&spec).await.unwrap();
        let minute = || async {
            // The clock goes on at once while everything waits.
            let limit = Duration::from_millis(60_500);
            assert!(tokio::time::timeout(limit, std::future::pending::<()>()).await.is_err());
            let flow = second.request(&context(), 0, request("GET h/", &[])).await;
            let body = answered(flow).body.collect(100).await.unwrap();
            String::from_utf8_lossy(&body).parse::<f64>().unwrap()
        };
        let before = minute().await;
        drop(first);
        (before, minute().await - before)
    })
}

#[test]
fn one_worker_calls_or_each() {
    let (both, alone) = rung("");
    assert!((both - 60.0).abs() < f64::EPSILON, "{both}");
    // The other one takes over; at the first look the place may not be free yet.
    assert!((59.0..=61.0).contains(&alone), "{alone}");
    let (both, alone) = rung(", { each = true }");
    assert!((both - 120.0).abs() < f64::EPSILON, "{both}");
    assert!((59.0..=61.0).contains(&alone), "{alone}");
}

//! `store:once`: computed by one, used by all.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;

use super::support::*;
use crate::lua::testing::{Find, Outcome, TestOptions, run_tests};
use crate::lua::{Shared, Vm};

#[test]
fn of_all_workers_requests_one_computes() {
    let script = "local s = store.open('s')
        return { request = function()
            local value = s:once('k', { ttl = '1m' }, function()
                time.sleep('20ms')
                return 'computed ' .. s:incr('count')
            end)
            return respond(200, value)
        end }";
    let shared = Shared::new();
    let vms = [0, 1].map(|_| Vm::sharing(Arc::clone(&shared)).unwrap());
    block_on(async {
        let spec = Arc::new(spec(script, json!({})));
        let mut asking = Vec::new();
        for vm in &vms {
            let instance = vm.instance(&spec).await.unwrap();
            for _ in 0..10 {
                let (instance, cx) = (Rc::clone(&instance), context());
                asking.push(async move { instance.request(&cx, 0, request("GET h/", &[])).await });
            }
        }
        for flow in futures_util::future::join_all(asking).await {
            let body = answered(flow).body.collect(100).await.unwrap();
            assert_eq!(body, "computed 1");
        }
    });
}

#[test]
fn who_goes_away_lets_another_compute() {
    let script = "local s = store.open('s')
        return { request = function(req)
            return respond(200, s:once('k', { ttl = '1m' }, function()
                if req.path == '/slow' then time.sleep('1h') end
                return req.path
            end))
        end }";
    let vm = Vm::new().unwrap();
    block_on(async {
        let instance = vm.instance(&Arc::new(spec(script, json!({})))).await.unwrap();
        let slow_context = context();
        let slow = instance.request(&slow_context, 0, request("GET h/slow", &[]));
        let other_context = context();
        let other = instance.request(&other_context, 0, request("GET h/other", &[]));
        tokio::select! {
            biased;
            _ = slow => panic!("it waits for an hour"),
            () = tokio::task::yield_now() => {}
        }
        // What the first one held ends with its exchange.
        drop(slow_context);
        let body = answered(other.await).body.collect(100).await.unwrap();
        assert_eq!(body, "/other");
    });
}

/// Runs a test of scripts; what it says when it fails.
fn check(body: &str) {
    let script = "local s = store.open('s')
        return { request = function(req, ctx)
            local value, why = s:once('k', { ttl = '1m', stale = '1h' }, function()
                local res, failure = http.fetch('https://a.test/')
                if not res then return nil, failure end
                if res.status ~= 200 then error('status ' .. res.status, 0) end
                return res:body()
            end)
            return respond(200, value or ('nothing: ' .. why))
        end }";
    let text = format!("local sut = [[{script}]]\nit('does', function()\n{body}\nend)");
    let source = crate::lua::ScriptSource { name: "t_test.lua".into(), text: text.into() };
    let find: Find =
        Rc::new(|text| Ok(crate::lua::ScriptSource { name: "sut.lua".into(), text: text.into() }));
    let report = run_tests(&source, find, &TestOptions::default()).unwrap();
    assert_eq!(report.cases[0].outcome, Outcome::Passed);
}

#[test]
fn what_is_stale_is_used_when_nothing_newer_can_be_had() {
    check(
        "local answer = 'one'
         local known = script(sut, { fetch = function() return answer end })
         expect(known:send().body).to_be('one')
         answer = 'two'
         advance('59s')
         expect(known:send().body).to_be('one')
         advance('2s')
         expect(known:send().body).to_be('two')
         advance('2m')
         answer = { status = 500 }
         expect(known:send().body).to_be('two')
         expect(known:logs()[1].message).to_be('store:once keeps what is stale')
         expect(known:logs()[1].fields.reason).to_be('status 500')
         answer = { failure = 'refused' }
         expect(known:send().body).to_be('two')
         advance('2h')
         expect(known:send().body).to_contain('nothing: ')
         answer = { status = 500 }
         local r = known:send()
         expect(r.status).to_be(500)
         expect(r.error).to_contain('status 500')",
    );
}

#[test]
fn options_are_checked() {
    let fails = |options: &str, expect: &str| {
        let script = format!(
            "local s = store.open('s') return {{ request = function()
                local _, why = pcall(s.once, s, 'k', {options}, function() return 1 end)
                return respond(200, tostring(why))
            end }}"
        );
        let told = text(answered(flow(spec(&script, json!({})), request("GET h/", &[]))));
        assert!(told.contains(expect), "{options}: {told}");
    };
    fails("{}", "ttl is missing");
    fails("{ ttl = 'soon' }", "this is no duration");
    fails("{ ttl = 1, times = 2 }", "unknown option \"times\"");
}

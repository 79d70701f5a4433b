//! A script that holds too much is stopped, and its neighbours do not notice.

use std::sync::Arc;

use serde_json::json;

use super::support::*;
use crate::lua::{Instance, InstanceId, Shared, Vm};

#[test]
fn a_leak_does_not_disturb_its_neighbours() {
    let vm = Vm::new().unwrap();
    let leaking = "local all = {} return { request = function(req) \
                   all[#all + 1] = ('x'):rep(1000) .. #all req.headers.n = #all end }";
    let mut leaking = spec(leaking, json!({}));
    leaking.limits.memory_bytes = 8 << 20;
    let leaking = load(&vm, leaking).unwrap();
    let counting = "local n = 0 return { request = function(req) n = n + 1 req.headers.n = n end }";
    let counting = load(&vm, spec(counting, json!({}))).unwrap();
    let (mut stopped, mut most) = (0, 0);
    block_on(async {
        for n in 1..=40_000 {
            let got = leaking.request(&context(), 0, request("GET a/", &[])).await;
            stopped += usize::from(matches!(got, crate::lua::Flow::Done(_)));
            let got = passed(counting.request(&context(), 0, request("GET a/", &[])).await);
            assert_eq!(header(&got.headers, "n"), Some(n.to_string().as_str()));
            most = most.max(vm.used_bytes());
        }
    });
    assert!((2..=10).contains(&stopped), "stopped {stopped} times");
    assert!(most < 32 << 20, "{most} bytes");
}

#[test]
fn garbage_alone_does_not_stop_a_script() {
    let vm = Vm::new().unwrap();
    let script = "return { request = function(req) local t = {} for i = 1, 20 do \
                  t[i] = ('x'):rep(5000) .. i end end }";
    let mut spec = spec(script, json!({}));
    spec.limits.memory_bytes = 4 << 20;
    let instance = load(&vm, spec).unwrap();
    block_on(async {
        for _ in 0..2_000 {
            passed(instance.request(&context(), 0, request("GET a/", &[])).await);
        }
    });
}

#[test]
fn instances_that_are_dropped_give_their_memory_back() {
    let vm = Vm::new().unwrap();
    let script = "local t = {} for i = 1, 1000 do t[i] = { i } end \
                  return { request = function() return respond(200, tostring(#t)) end }";
    let once = || drop(load(&vm, spec(script, json!({}))).unwrap());
    (0..300).for_each(|_| once());
    let before = vm.used_bytes();
    (0..3_000).for_each(|_| once());
    assert!(vm.used_bytes() < before * 2, "{before} -> {}", vm.used_bytes());
}

#[test]
fn what_a_script_holds_is_told_of_it_alone() {
    let shared = Shared::new();
    let vm = Vm::sharing(Arc::clone(&shared)).unwrap();
    let large = "local kept = {} for i = 1, 1000 do kept[i] = ('x'):rep(1000) .. i end \
                 return { request = function(req) if req.path == '/more' then \
                 for i = 1, 100 do kept[#kept + 1] = ('y'):rep(10000) .. #kept end end end }";
    let large = load(&vm, spec(large, json!({}))).unwrap();
    let mut small = spec("return { request = function(req) end }", json!({}));
    small.id = InstanceId(7);
    let small = load(&vm, small).unwrap();
    let held = |of: &Instance| shared.figures(of.spec().id).unwrap().held_bytes;
    assert!((1_000_000..8_000_000).contains(&held(&large)), "{}", held(&large));
    assert!(held(&small) < 100_000, "{}", held(&small));
    block_on(async {
        for _ in 0..16 {
            passed(large.request(&context(), 0, request("GET a/more", &[])).await);
        }
    });
    assert!(held(&large) > 16_000_000, "{}", held(&large));
}

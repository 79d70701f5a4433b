//! What scripts hold of messages, and what becomes of it.

use std::time::Duration;

use serde_json::json;

use super::support::*;
use crate::lua::Vm;

/// What a `request` hook answers.
fn check(body: &str, expect: &str) {
    let script = format!("return {{ request = function(req, ctx)\n{body}\nend }}");
    let got = answered(flow(spec(&script, json!({})), request("GET a.test/x", &[("A", "1")])));
    assert_eq!(text(got), expect, "{body}");
}

/// The error of a part of a script.
fn check_error(part: &str, expect: &str) {
    let body = format!(
        "local ok, why = pcall(function() {part} end)\n\
         return respond(200, tostring(ok) .. ' ' .. tostring(why))"
    );
    let script = format!("return {{ request = function(req, ctx)\n{body}\nend }}");
    let got = answered(flow(spec(&script, json!({})), request("GET a.test/x", &[("A", "1")])));
    let got = text(got);
    assert!(got.starts_with("false ") && got.contains(expect), "{part}: {got}");
}

#[test]
fn objects_are_what_they_seem() {
    check("return respond(200, type(req) .. type(req.headers) .. type(respond(1 + 200)))", {
        "userdatauserdatauserdata"
    });
    check("return respond(200, tostring(req == req and req.headers == req.headers))", "true");
    check("return respond(200, tostring(req == req.headers))", "false");
    check("local get = req.headers.get return respond(200, get(req.headers, 'a'))", "1");
    check("return respond(200, req.headers.a .. tostring(req.headers[('n'):rep(100)]))", "1nil");
    check("req.headers[('n'):rep(100)] = 5 return respond(200, req.headers[('n'):rep(100)])", "5");
    check("req.headers.b = true return respond(200, req.headers.b)", "true");
    check("return respond(200, (next({ a = 1 })) .. #table.pack(pairs({})))", "a2");
}

#[test]
fn responses_are_limited_in_number() {
    let body = "return { request = function()\n\
                local kept\n\
                local ok, why = pcall(function()\n\
                for _ = 1, 5000 do kept = respond(200, 'kept') end\n\
                end)\n\
                return not ok and why:find('responses at most') and kept\n\
                end }";
    let mut spec = spec(body, json!({}));
    spec.limits.cpu = Duration::from_secs(10);
    assert_eq!(text(answered(flow(spec, request("GET a.test/x", &[])))), "kept");
}

#[test]
fn wrong_uses_are_told_with_their_place() {
    for (part, expect) in [
        ("return req.nope", "t.lua:2: there is no field \"nope\""),
        ("req.nope = 1", "t.lua:2: there is no field \"nope\" that can be assigned"),
        ("req.headers.a = {}", "t.lua:2: a header's value must be text, got table"),
        ("return req.headers['a b']", "cannot be the name of a header"),
        ("return req.headers.get(1)", "methods are called with a colon"),
        ("return req.headers.get(req)", "these are no headers"),
        ("return req.headers:get()", "expected a string, got nil"),
        ("return respond('x')", "expected a whole number, got string"),
        ("return respond(200.5)", "expected a whole number, got number"),
        ("return redirect({})", "expected a string, got table"),
        ("return req[1]", "there is no field"),
        ("return crypto.hmac('md4', 'k', 'm')", "unknown algorithm \"md4\""),
        ("for _ in pairs(nil) do end", "t.lua:2: invalid argument #1 to 'pairs'"),
        ("for _ in pairs(req) do end", "there is no field \"pairs\""),
        ("setmetatable(req, {})", "t.lua:2"),
        ("table.sort({ 2, 1 }, function(a, b) time.sleep(0.001) return a < b end)", "table.sort"),
    ] {
        check_error(part, expect);
    }
}

#[test]
fn a_response_ends_with_its_hook() {
    let vm = Vm::new().unwrap();
    let script = "local kept return { request = function(req, ctx)\n\
                  if kept then return respond(200, tostring(pcall(function() return kept.status \
                  end))) end\nlocal other, mine = respond(201, 'a'), respond(202, 'b')\n\
                  kept = other return mine end }";
    let instance = load(&vm, spec(script, json!({}))).unwrap();
    let first = answered(block_on(instance.request(&context(), 0, request("GET a/", &[]))));
    assert_eq!((first.status.as_u16(), text(first).as_str()), (202, "b"));
    let second = answered(block_on(instance.request(&context(), 0, request("GET a/", &[]))));
    assert_eq!(text(second), "false");
    let early = load(&vm, spec("local r = respond(200) return {}", json!({}))).unwrap_err();
    assert!(early.to_string().contains("while a hook runs"), "{early}");
}

#[test]
fn a_coroutine_is_as_new_for_the_next_hook() {
    let vm = Vm::new().unwrap();
    let script = "return { request = function(req, ctx)\n\
                  local deep = function(f, n)\n\
                  if n > 0 then return 1 + f(f, n - 1) end return 0 end\n\
                  if req.path == '/deep' then return respond(200, tostring(deep(deep, 5000))) end\n\
                  if req.path == '/fail' then error('no') end\n\
                  if req.path == '/yield' then coroutine.yield(1, 2) end\n\
                  return respond(200, 'ok') end }";
    let instance = load(&vm, spec(script, json!({}))).unwrap();
    for (path, expect) in [
        ("/deep", "5000"),
        ("/", "ok"),
        ("/fail", "Internal"),
        ("/", "ok"),
        ("/yield", "ok"),
        ("/", "ok"),
    ] {
        let sent = request(&format!("GET a{path}"), &[]);
        let got = text(answered(block_on(instance.request(&context(), 0, sent))));
        assert!(got.starts_with(expect), "{path}: {got}");
    }
}

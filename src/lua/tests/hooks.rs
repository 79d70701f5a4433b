//! What hooks see, return and wait for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::support::*;
use crate::lua::{Flow, OnError, ScriptError, Vm, inspect};
use crate::message::Failure;

/// The body of `request`, run once; what it returns as text is the answer's body.
fn check_on(request: crate::message::Request, body: &str, expect: &str) {
    let script = format!("return {{ request = function(req, ctx)\n{body}\nend }}");
    let got = match flow(spec(&script, json!({"a": 1, "l": [], "m": {"x": "y"}})), request) {
        Flow::Done(response) => {
            assert!(response.failure.is_none(), "{body}: {:?}", response.failure);
            text(response)
        }
        Flow::Next(request) => panic!("{body}: passed {request:?}"),
    };
    assert_eq!(got, expect, "{body}");
}

fn check(expression: &str, expect: &str) {
    let request = request(
        "GET a.test:80/p%20q/a%2Fb?x=1&y=a+b&x=2",
        &[("X-A", "1"), ("x-a", "2"), ("Cookie", "s=\"v\"; t=w"), ("Cookie", "u=x")],
    );
    check_on(request, &format!("return respond(200, tostring({expression}))"), expect);
}

#[test]
fn request_fields() {
    check("req.method", "GET");
    check("req.scheme", "http");
    check("req.host", "a.test:80");
    check("req.hostname", "a.test");
    check("req.port", "80");
    check("req.path", "/p q/a/b");
    check("req.raw_path", "/p%20q/a%2Fb");
    check("req.query", "x=1&y=a+b&x=2");
    check("req.uri", "/p%20q/a%2Fb?x=1&y=a+b&x=2");
    check("req.url", "http://a.test/p%20q/a%2Fb?x=1&y=a+b&x=2");
    check("req.version", "1.1");
    check("req.remote_ip", "127.0.0.1");
    check("req.tls", "nil");
    check("ctx.name", "m@file");
    check("ctx.options.a", "1");
    check("ctx.options.m.x", "y");
    check("#ctx.options.l", "0");
    check("pcall(function() ctx.options.a = 2 end)", "false");
}

#[test]
fn predicates() {
    let compile = |text: &str, facts: &str| {
        format!(
            "(function() local p = predicate.compile('{text}', {{ \
             Tries = {{ returns = 'number' }}, Down = {{ returns = 'boolean' }}, \
             Twice = {{ returns = 'number', arguments = 1 }} }}) \
             return p:test({facts}) end)()"
        )
    };
    check(&compile("Tries() < 3 && Down()", "{ Tries = 2, Down = true }"), "true");
    check(&compile("Tries() < 3 && Down()", "{ Tries = 3 }"), "false");
    check(&compile("Twice(2.5) == 5", "{ Twice = function(n) return n * 2 end }"), "true");
    check(&format!("pcall(function() return {} end)", compile("Up()", "{}")), "false");
    check(&format!("pcall(function() return {} end)", compile("Down()", "{}")), "false");
}

#[test]
fn headers_and_cookies() {
    check("req.headers['x-a']", "1, 2");
    check("req.headers:get('X-A')", "1");
    check("table.concat(req.headers:all('x-a'), '|')", "1|2");
    check("req.headers['nope']", "nil");
    check("req.headers['Host']", "a.test:80");
    check("req.headers:get('host')", "a.test:80");
    check("req.headers.cookie", "s=\"v\"; t=w; u=x");
    check("req.cookies.s .. req.cookies['t'] .. req.cookies.u", "vwx");
    check("req.cookies.none", "nil");
    let walk = "local names = {} for n, v in pairs(req.headers) do names[#names + 1] = n .. '=' .. \
                v end return respond(200, table.concat(names, '|'))";
    let two = request("GET a/", &[("B", "1"), ("C", "2")]);
    check_on(two, walk, "host=a|b=1|c=2");
    let set = "req.headers['A'] = 'x' req.headers:add('A', 5) req.headers['B'] = nil \
               req.headers.host = 'other' return respond(200, req.headers.a .. \
               tostring(req.headers.b) .. req.host)";
    check_on(request("GET a/", &[("B", "1")]), set, "x, 5nilother");
}

#[test]
fn wrong_values_are_refused() {
    for wrong in [
        "req.headers['a b'] = 'x'",
        "req.headers.a = 'x\\r\\nY: 1'",
        "req.headers.a = {}",
        "req.host = 'a b'",
        "req.method = 'A B'",
        "req.raw_path = '/%zz'",
        "req.nope = 1",
        "ctx.options = {}",
        "return ctx.option",
        "string.rep = nil",
        "math.huge = 1",
        "log.info = nil",
    ] {
        let call = format!("pcall(function() {wrong} end)");
        check(&call, "false");
    }
}

#[test]
fn modules() {
    check("crypto.hmac('sha256', 'k', 'm', 'hex')", &hmac_hex());
    check(
        "crypto.hmac_key('sha256', 'k'):sign('m', 'hex') == crypto.hmac('sha256','k','m','hex')",
        "true",
    );
    check(
        "crypto.sha256('', 'hex')",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    check("crypto.equal('a', 'a') and not crypto.equal('a', 'b')", "true");
    check("(function() local n = crypto.random(3, 5) return n >= 3 and n <= 5 end)()", "true");
    check("#crypto.random_bytes(7)", "7");
    check("base64.encode('a\\0?') .. base64.encode('a\\0?>', 'base64url')", "YQA/YQA_Pg");
    check("base64.decode('YQA_Pg==') == 'a\\0?>'", "true");
    check("hex.encode('\\1\\255') .. tostring(hex.decode('0'))", "01ffnil");
    check(
        "json.encode({ b = { 1, 2.5 }, a = json.list({}), c = 'x\"' })",
        r#"{"a":[],"b":[1,2.5],"c":"x\""}"#,
    );
    check("json.encode(json.decode('{\"a\":[],\"b\":{}}'))", r#"{"a":[],"b":{}}"#);
    check("select(2, json.decode('{')) ~= nil", "true");
    check(
        "url.encode('a b&/') .. url.decode('%2F') .. tostring(url.decode('%2'))",
        "a%20b%26%2F/nil",
    );
    check("url.parse_query(req.query).x[2] .. url.parse_query(req.query).y[1]", "2a b");
    check("url.parse('HTTPS://u:p@h:81/p?q#f').port", "81");
    check("select(2, url.parse('http://h:x/'))", "the port is no number");
    check("re.compile('^/(.)[^/]*(/.*)$'):match(req.raw_path)", "p");
    check("re.compile('b+'):find('aabb')", "3");
    check("re.compile('([a-z])(\\\\d)'):replace('a1b2', '${2}$1-$$')", "1a-$2b-$");
    check("re.compile('x'):test('axa')", "true");
    check("pcall(re.compile, '(')", "false");
    check("re.compile('^\\\\Qa.b\\\\E$'):test('a.b')", "true");
    check("type(os.time()) .. type(os.clock()) .. os.date('!%Y', 0)", "numbernumber1970");
    check(
        "tostring(os.execute) .. tostring(io) .. tostring(require) .. tostring(loadstring)",
        "nilnilnilnil",
    );
}

fn hmac_hex() -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"k");
    let tag = ring::hmac::sign(&key, b"m");
    tag.as_ref().iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat()
}

#[test]
fn assigning_rewrites() {
    let script = "return { request = function(req) req.path = '/n w' req.query = 'a b' \
                  req.method = 'PUT' req.host = 'h:1' end }";
    let got = passed(flow(spec(script, json!({})), request("GET a/x?y", &[])));
    assert_eq!(got.target.as_str(), "/n%20w?a%20b");
    assert_eq!((got.method.as_str(), &got.host[..]), ("PUT", &b"h:1"[..]));
}

#[test]
fn verdicts_are_closed() {
    for (body, part) in [
        ("return 5", "must return nil or a response"),
        ("return req", "must return nil or a response"),
        ("error('no')", "t.lua:1: no"),
        ("local x = nil; return x.y", "t.lua:1:"),
        ("return respond(99)", "99 is not a status"),
        ("ctx.next(); return ctx.next()", "sent the request on already"),
        ("ctx.next(); return respond(200, req.path)", "this request is over"),
    ] {
        let script = format!("return {{ request = function(req, ctx) {body} end }}");
        let (flow, log) = logged(|| flow(spec(&script, json!({})), request("GET a/", &[])));
        let response = answered(flow);
        let Some(Failure::Script { id }) = &response.failure else { panic!("{body}: no failure") };
        assert!(log.contains(part), "{body}: {log}");
        assert!(log.contains(&**id) && log.contains("t.lua") && log.contains("m@file"), "{log}");
        assert_eq!(response.status.as_u16(), 500);
    }
}

/// What a test writes to the log.
fn logged<T>(test: impl FnOnce() -> T) -> (T, String) {
    let buffer = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let writer = Arc::clone(&buffer);
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || Writer(Arc::clone(&writer)))
        .finish();
    let result = tracing::subscriber::with_default(subscriber, test);
    let text = String::from_utf8(buffer.lock().clone()).unwrap();
    (result, text)
}

struct Writer(Arc<parking_lot::Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn on_error() {
    let script = "return { request = function(req) req.headers.a = 'x' req.path = '/n' error('no') \
                  end, response = function(res) res.status = 500 res.headers.b = 'x' \
                  res.body = 'new' error('no') end }";
    let mut skipping = spec(script, json!({}));
    skipping.on_error = OnError::Skip;
    let got = passed(flow(skipping.clone(), request("GET a/old", &[("A", "1")])));
    assert_eq!((got.target.as_str(), header(&got.headers, "a")), ("/old", Some("1")));
    let vm = Vm::new().unwrap();
    let instance = load(&vm, skipping).unwrap();
    let mut response = crate::message::plain(http::StatusCode::OK, "old");
    response.headers.insert("b", http::HeaderValue::from_static("1"));
    let got = block_on(instance.response(&context(), response));
    assert_eq!((got.status.as_u16(), header(&got.headers, "b")), (200, Some("1")));
    assert_eq!(text(got), "old");

    let mut answering = spec(script, json!({}));
    answering.on_error = OnError::Answer { status: 503, body: "later".to_owned() };
    let got = answered(flow(answering, request("GET a/", &[])));
    assert_eq!(got.status.as_u16(), 503);
    assert!(matches!(got.failure, Some(Failure::Script { .. })));
    assert_eq!(text(got), "later");
}

#[test]
fn next_wraps_around() {
    let script = "return { request = function(req, ctx) req.path = '/b' local res = ctx.next() \
                  res.headers.a = res.headers['x-uri'] .. res.status \
                  res.cookies:set('c', 'v', { path = '/' }) return res end }";
    let vm = Vm::new().unwrap();
    let instance = load(&vm, spec(script, json!({}))).unwrap();
    for after in [Duration::ZERO, Duration::from_millis(5)] {
        let cx = context_with(after);
        let got = answered(block_on(instance.request(&cx, 3, request("GET a/x", &[]))));
        assert_eq!(header(&got.headers, "a"), Some("/b200"));
        assert_eq!(header(&got.headers, "x-position"), Some("3"));
        assert_eq!(header(&got.headers, "set-cookie"), Some("c=v; Path=/"));
        assert_eq!(text(got), "echo");
    }
    let silent = spec("return { request = function(req, ctx) ctx.next() end }", json!({}));
    assert_eq!(text(answered(flow(silent, request("GET a/x", &[])))), "echo");
}

#[test]
fn hooks_wait() {
    let script = "return { setup = function(o) time.sleep(0.001) return { n = o.n } end, \
                  request = function(req, ctx) time.sleep('5ms') return respond(200, \
                  tostring(ctx.state.n)) end, response = function(res, ctx) \
                  time.sleep(0.005) res.status = 201 end }";
    let vm = Vm::new().unwrap();
    let instance = load(&vm, spec(script, json!({"n": 7}))).unwrap();
    let began = Instant::now();
    let got = answered(block_on(instance.request(&context(), 0, request("GET a/", &[]))));
    assert!(began.elapsed() >= Duration::from_millis(5));
    let got = block_on(instance.response(&context(), got));
    assert_eq!(got.status.as_u16(), 201);
    assert_eq!(text(got), "7");
}

#[test]
fn waiting_in_an_own_coroutine_is_refused() {
    for body in [
        "coroutine.wrap(function() time.sleep(1) end)()",
        "coroutine.wrap(function() ctx.next() end)()",
        "local co = coroutine.create(function() time.sleep(1) end) \
         local ok, why = coroutine.resume(co) error(why)",
    ] {
        let script = format!("return {{ request = function(req, ctx) {body} end }}");
        let (flow, log) = logged(|| flow(spec(&script, json!({})), request("GET a/", &[])));
        assert_eq!(answered(flow).status.as_u16(), 500);
        assert!(log.contains("cannot wait inside a coroutine of its own"), "{body}: {log}");
    }
    let error = load(&Vm::new().unwrap(), spec("time.sleep(1) return {}", json!({})));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("t.lua:1") && text.contains("while a script is loaded"), "{text}");
}

#[test]
fn a_kept_object_does_not_show_another_request() {
    let script = "local kept return { request = function(req, ctx) \
                  if kept then return respond(200, \
                  tostring(pcall(function() return kept.path end)) .. \
                  tostring(pcall(function() return kept.headers.a end))) end \
                  kept = req end }";
    let vm = Vm::new().unwrap();
    let instance = load(&vm, spec(script, json!({}))).unwrap();
    passed(block_on(instance.request(&context(), 0, request("GET a/1", &[]))));
    let got = answered(block_on(instance.request(&context(), 0, request("GET a/2", &[]))));
    assert_eq!(text(got), "falsefalse");
}

#[test]
fn a_dropped_hook_ends_its_objects() {
    let script = "local kept return { request = function(req, ctx) \
                  if kept then return respond(200, \
                  tostring(pcall(function() return kept.path end))) \
                  end kept = req ctx.next() end }";
    let vm = Vm::new().unwrap();
    let instance = load(&vm, spec(script, json!({}))).unwrap();
    for after in [Duration::from_mins(1), Duration::ZERO] {
        block_on(async {
            let cx = context_with(after);
            let hook = instance.request(&cx, 0, request("GET a/1", &[]));
            let _ = tokio::time::timeout(Duration::from_millis(2), hook).await;
        });
    }
    let got = answered(block_on(instance.request(&context(), 0, request("GET a/2", &[]))));
    assert_eq!(text(got), "false");
}

#[test]
fn scripts_share_vars_and_nothing_else() {
    let vm = Vm::new().unwrap();
    let first = "leak = 1 return { request = function(req, ctx) ctx.vars.a = 'x' end }";
    let second = "return { request = function(req, ctx) return respond(200, ctx.vars.a .. \
                  tostring(leak)) end }";
    let (first, second) = (spec(first, json!({})), spec(second, json!({})));
    let (first, second) = (load(&vm, first).unwrap(), load(&vm, second).unwrap());
    let cx = context();
    let next = passed(block_on(first.request(&cx, 0, request("GET a/", &[]))));
    assert_eq!(text(answered(block_on(second.request(&cx, 1, next)))), "xnil");
}

#[test]
fn inspects() {
    let info = inspect(&source(
        "log.info('inert') return { schema = { a = { type = 'string' } }, expand = 'a', \
         setup = function() end, request = function() end }",
    ));
    let info = info.unwrap();
    assert_eq!(info.expand.as_deref(), Some("a"));
    assert_eq!(info.hooks, ["setup", "request"]);
    for (text, part) in [
        ("return {", "t.lua:1"),
        ("\nerror('x')", "t.lua:2: x"),
        ("return 5", "t.lua: the script: expected a table"),
        ("return { request = 5 }", "request: expected a function"),
        ("return { reqest = function() end }", "unknown key \"reqest\""),
        ("while true do end", "computed longer"),
        ("return { schema = { a = print } }", "schema: a function cannot"),
    ] {
        let error = inspect(&source(text)).unwrap_err();
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
    assert!(matches!(inspect(&source("return {")), Err(ScriptError::Compile(_))));
}

#[test]
fn the_reference_page_names_every_entry() {
    let page = crate::lua::api::reference();
    for section in crate::lua::api::sections() {
        for entry in section.entries {
            assert!(page.contains(entry.signature), "{}", entry.name);
            assert!(entry.signature.contains(entry.name), "{}", entry.name);
            let chunk = mlua::Lua::new().load(entry.example).into_function();
            assert!(chunk.is_ok(), "{}: {:?}", entry.name, chunk.err());
        }
    }
}

#[test]
fn the_benchmark_script_runs() {
    let script = r#"
return {
  request = function(req, ctx)
    local find, sub = string.find, string.sub
    local token = req.cookies["session"]
    if not token then return respond(401, "") end
    local dot = find(token, "|", 1, true)
    local payload, sig = sub(token, 1, dot - 1), sub(token, dot + 1)
    if crypto.hmac("sha256", ctx.options.key, payload, "base64url") ~= sig then
      return respond(401, "", { ["x-auth-error"] = "bad signature" })
    end
    req.headers["x-user"] = payload
  end,
}"#;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret");
    let tag = ring::hmac::sign(&key, b"u1");
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let sig = base64::Engine::encode(&engine, tag);
    let options = json!({"key": "secret"});
    let good = request("GET a/", &[("Cookie", &format!("session=u1|{sig}"))]);
    let got = passed(flow(spec(script, options.clone()), good));
    assert_eq!(header(&got.headers, "x-user"), Some("u1"));
    let bad = request("GET a/", &[("Cookie", "session=u1|x")]);
    let got = answered(flow(spec(script, options.clone()), bad));
    assert_eq!(header(&got.headers, "x-auth-error"), Some("bad signature"));
    assert_eq!(answered(flow(spec(script, options), request("GET a/", &[]))).status.as_u16(), 401);
}

//! Tests of what test files are written with.

use std::rc::Rc;

use super::*;

/// A script that is called `sut` (which is under test) and does whatever the tests ask for.
const SUT: &str = "
local function never() return 1 end
return {
  schema = { word = { type = 'string', default = 'hello' } },
  request = function(req, ctx)
    log.info('saw', { path = req.path })
    if req.path == '/fail' then error('on purpose') end
    if req.path == '/time' then
      local began = os.clock()
      time.sleep('90s')
      return respond(200, os.date('!%H:%M') .. ' ' .. (os.clock() - began))
    end
    if req.path == '/fetch' then
      local res, why = http.fetch('https://api.test/x?y', { timeout = '1s' })
      return respond(200, res and res:body() or why)
    end
    if req.path == '/service' then return ctx.service('other') or respond(404) end
    if req.path == '/loop' then while true do end end
    req.headers['X-Word'] = ctx.options.word
  end,
  response = function(res) res.headers['X-Back'] = 'yes' end,
}";

fn run(text: &str) -> FileReport {
    let source = ScriptSource { name: "t_test.lua".into(), text: text.into() };
    let find: Find = Rc::new(|name| match name {
        "sut" => Ok(ScriptSource { name: "sut.lua".into(), text: SUT.into() }),
        _ => Err(format!("no script {name}")),
    });
    let options = TestOptions { coverage: true, ..TestOptions::default() };
    run_tests(&source, find, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// The failures of a test's body; empty when it passes.
fn failure(body: &str) -> String {
    let report = run(&format!("it('does', function()\n{body}\nend)"));
    match &report.cases[0].outcome {
        Outcome::Passed => String::new(),
        Outcome::Failed(why) => why.clone(),
    }
}

#[test]
fn a_script_runs_with_everything_around_it_played() {
    for body in [
        "local r = run('sut', { options = { word = 'x' } }) expect(r.status).to_be(200)
         expect(r.request.headers['X-Word']).to_be('x') expect(r.headers['x-back']).to_be('yes')",
        "local r = run('sut', { request = { method = 'POST', body = 'b', url = '/p?q=1' },
           upstream = function(req) return { status = 201, body = req.method .. req.body } end })
         expect(r.body).to_be('POSTb') expect(r.status):to_equal(201)
         expect(#r.upstream).to_be(1) expect(r.request.url).to_be('http://test.example/p?q=1')",
        "local r = run('sut', {
           request = '/fetch', fetch = { ['https://api.test/x'] = 'fetched' } })
         expect(r.body).to_be('fetched') expect(r.fetched[1].query).to_be('y')",
        "local r = run('sut', {
           request = '/fetch', fetch = { ['https://api.*'] = { delay = '2s' } } })
         expect(r.body).to_contain('1s')",
        "local r = run('sut', { request = '/service', services = { other = 'there' } })
         expect(r.body).to_be('there')",
        "expect(run('sut', { request = '/service' }).status).to_be(404)",
        "local r = run('sut', { request = '/fail' }) expect(r.status).to_be(500)
         expect(r.error).to_contain('sut.lua:7: on purpose')",
        "local s = script('sut') s:send('/a') s:send('/b')
         expect(s:logs()[2].fields.path).to_be('/b')",
        "local r = run('sut', { request = '/loop', limits = { cpu = '5ms' }, onError = 'skip' })
         expect(r.status).to_be(200) expect(r.error).to_contain('limit')",
    ] {
        assert_eq!(failure(body), "", "{body}");
    }
}

#[test]
fn the_clock_goes_on_only_while_something_waits() {
    for body in [
        "expect(run('sut', { request = '/time' }).body).to_be('00:01 90')",
        "local r = run('sut', { request = '/time', now = 1000000000 })
         expect(r.body).to_match('^01:48 90') expect(r.took).to_be_near(90)",
        "local began = now() advance('1h') expect(now() - began).to_be_near(3600)",
    ] {
        assert_eq!(failure(body), "", "{body}");
    }
}

#[test]
fn failures_say_where_and_what() {
    for (body, part) in [
        ("expect(1).to_be(2)", "t_test.lua:2: expected 1 to be 2"),
        ("expect({ a = 1 }).to_equal({ a = 2 })", "expected {\"a\":1} to equal {\"a\":2}"),
        ("expect('abc').never.to_contain('b')", "expected \"abc\" never to contain \"b\""),
        ("expect(function() end).to_fail()", "to fail"),
        ("expect(function() error('x') end).to_fail('y')", "to fail with \"y\""),
        ("run('nothing')", "no script nothing"),
        ("run('sut', { option = {} })", "\"option\" is no part of a script's test"),
        ("run('sut', { options = { words = 1 } })", "words"),
        ("run('sut', { request = '/fetch' })", "the test says nothing of"),
        ("run('sut', { upstream = function() error('broken test') end })", "broken test"),
        ("while true do end", "computed longer"),
    ] {
        let told = failure(body);
        assert!(told.contains(part), "{body}: {told:?}");
    }
}

#[test]
fn groups_have_names_and_what_stands_around_their_tests() {
    let report = run("local order = {}
        before_each(function() order[#order + 1] = 'outer' end)
        describe('a', function()
          before_each(function() order[#order + 1] = 'inner' end)
          after_each(function() order[#order + 1] = 'after' end)
          describe('b', function()
            it('one', function() error('one') end)
          end)
        end)
        it('two', function()
          expect(order).to_equal({ 'outer', 'inner', 'after', 'outer' })
        end)");
    let names: Vec<_> = report.cases.iter().map(|c| (c.group.as_str(), c.name.as_str())).collect();
    assert_eq!(names, [("a b", "one"), ("", "two")]);
    assert_eq!(report.failed(), 1);
    assert_eq!(report.cases[1].outcome, Outcome::Passed);
}

#[test]
fn lines_that_ran_are_counted() {
    let report = run("it('runs', function() run('sut') end)");
    let scripts: Vec<_> = report.coverage.scripts().collect();
    let [(name, ran, all, missed)] = &scripts[..] else { panic!("{scripts:?}") };
    assert_eq!(*name, "sut.lua");
    assert_eq!(ran + missed.len(), *all);
    assert!(missed.contains(&9) && !missed.contains(&6), "{missed:?}");
}

#[test]
fn a_filter_leaves_others_out_and_a_broken_file_says_where() {
    let source = |text: &str| ScriptSource { name: "t_test.lua".into(), text: text.into() };
    let find = || -> Find { Rc::new(|_| Err(String::new())) };
    let options = TestOptions { filter: Some("b t".into()), ..TestOptions::default() };
    let text = "describe('b', function() it('two', function() end) end) it('x', function() end)";
    let report = run_tests(&source(text), find(), &options).unwrap();
    assert_eq!(report.cases.len(), 1);
    let broken = run_tests(&source("\nlocal x = nil\nx.y = 1"), find(), &options).unwrap_err();
    assert!(broken.to_string().contains("t_test.lua:3"), "{broken}");
}

#[test]
fn the_hook_for_the_end_of_a_request_runs() {
    let source = ScriptSource {
        name: "t_test.lua".into(),
        text: "it('logs', function()
            local s = script([[
              local served = metrics.counter('served')
              return { request = function(req, ctx) ctx.vars.seen = req.path end,
                log = function(entry, ctx)
                  served:inc({ status = entry.status })
                  log.info('served', { uri = entry.uri, seen = ctx.vars.seen, bytes = entry.bytes })
                end }]], { upstream = { status = 201, body = 'four' } })
            s:send('GET /x?y')
            expect(s:logs()[1].fields).to_equal({ uri = '/x?y', seen = '/x', bytes = 4 })
            expect(s:metrics()).to_contain('moongate_script_served{status=\"201\"} 1')
          end)"
            .into(),
    };
    let find: Find = Rc::new(|text| Ok(ScriptSource { name: "s.lua".into(), text: text.into() }));
    let report = run_tests(&source, find, &TestOptions::default()).unwrap();
    assert_eq!(report.cases[0].outcome, Outcome::Passed);
}

#[test]
fn a_handshake_is_judged() {
    let source = ScriptSource {
        name: "t_test.lua".into(),
        text: "it('judges', function()
            local s = script([[return { tls = function(hello)
                if hello.ja4 == 'bad' or hello.remote_ip == '192.0.2.9' then hello:close() end
                if hello.alpn[1] == 'acme' then hello:certificate('a.test') end
                if hello:certificate('none.test') then hello:close() end
                if hello.sni == 'wrong' then return true end
              end }]])
            expect(s:handshake({ ja4 = 'bad' }).closed).to_be(true)
            expect(s:handshake({ peer = '192.0.2.9' }).closed).to_be(true)
            local named = s:handshake({ alpn = { 'acme', 'h2' }, certificates = { 'a.test' } })
            expect(named).to_equal({ closed = false, certificate = 'a.test' })
            expect(s:handshake({ alpn = { 'acme' } })).to_equal({ closed = false })
            local wrong = s:handshake({ sni = 'wrong' })
            expect(wrong.closed).to_be(true)
            expect(wrong.error).to_contain('tls must return nothing, got boolean')
          end)"
            .into(),
    };
    let find: Find = Rc::new(|text| Ok(ScriptSource { name: "s.lua".into(), text: text.into() }));
    let report = run_tests(&source, find, &TestOptions::default()).unwrap();
    assert_eq!(report.cases[0].outcome, Outcome::Passed);
}

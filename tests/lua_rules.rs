//! Scripts that rules and services ask: `Lua(...)`, and `hashBy.lua`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]
#![allow(missing_docs)]

mod support;

use support::{Backend, Moongate, until};

const SCRIPTS: &[(&str, &str)] = &[
    ("canary", "return { match = function(req, ctx) return req.headers['X-Canary'] == 'yes' end }"),
    ("fails", "return { match = function() error('no') end }"),
    ("endless", "return { match = function() while true do end end }"),
    ("endless2", "return { match = function() while true do pcall(function() end) end end }"),
    ("waits", "return { match = function(req) return req:text() == '' end }"),
    ("wrong", "return { match = function() return 1 end }"),
    (
        "changes",
        "return { match = function(req) req.headers['X-Changed'] = 'yes' return true end }",
    ),
    ("nothing", "return { request = function() end }"),
    ("key", "return { balance = function(req) return req.headers['X-Key'] end }"),
    (
        "place",
        "return { balance = function(req, ctx, servers)
          if #servers ~= 3 or not servers[1].up or servers[2].weight ~= 1 then error('servers') end
          return tonumber(req.headers['X-Place'])
        end }",
    ),
];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in SCRIPTS {
        std::fs::write(folder.path().join(format!("{name}.lua")), text).unwrap();
    }
    folder
}

fn start(folder: tempfile::TempDir, dynamic: &str) -> Moongate {
    let directory = format!("--scripts.directory={}", folder.path().display());
    Moongate::in_folder(folder, dynamic, &[&directory])
}

fn routers(rules: &[(&str, &str)], backends: &[&Backend]) -> String {
    let mut text = "http:\n  routers:\n".to_owned();
    for (number, (rule, service)) in rules.iter().enumerate() {
        text += &format!("    r{number}: {{rule: '{rule}', service: {service}}}\n");
    }
    text += "  services:\n";
    for backend in backends {
        let (name, url) = (backend.name(), backend.url());
        text += &format!("    {name}: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}\n");
    }
    text
}

#[test]
fn a_script_decides_who_is_routed() {
    let (yes, no) = (Backend::echo("yes"), Backend::echo("no"));
    for (rule, headers, expect) in [
        ("Host(`h`) && Lua(`canary`)", &[("X-Canary", "yes")][..], "yes"),
        ("Host(`h`) && Lua(`canary`)", &[("X-Canary", "no")], "no"),
        ("Host(`h`) && Lua(`canary`)", &[], "no"),
        ("Lua(`canary`) || Path(`/other`)", &[("X-Canary", "yes")], "yes"),
        ("Path(`/`) && !Lua(`canary`)", &[], "yes"),
        ("Path(`/`) && lua(`canary.lua`)", &[("X-Canary", "yes")], "yes"),
        ("Path(`/`) && Lua(`fails`)", &[], "no"),
        ("Path(`/`) && Lua(`endless`)", &[], "no"),
        ("Path(`/`) && Lua(`endless2`)", &[], "no"),
        ("Path(`/`) && Lua(`waits`)", &[], "no"),
        ("Path(`/`) && Lua(`wrong`)", &[], "no"),
        ("Path(`/`) && Lua(`changes`)", &[], "yes"),
        // What cannot be used disables its router alone.
        ("Path(`/`) && Lua(`nobody`)", &[], "no"),
        ("Path(`/`) && Lua(`nothing`)", &[], "no"),
    ] {
        let rules = [(rule, "yes"), ("PathPrefix(`/`)", "no")];
        let moongate = start(folder(), &routers(&rules, &[&yes, &no]));
        let mut client = moongate.client();
        for _ in 0..2 {
            let reply = client.send("GET", "h", "/", headers, b"");
            assert_eq!(reply.header("x-backend"), Some(expect), "{rule} {headers:?}");
        }
    }
    assert_eq!(yes.last().header("x-changed"), None, "what a rule looks at stays as it is");
}

#[test]
fn what_cannot_be_used_is_told() {
    let backend = Backend::echo("a");
    let rules = [("Lua(`nobody`)", "a"), ("Lua(`nothing`)", "a"), ("Lua(`addPrefix`)", "a")];
    let moongate = start(folder(), &routers(&rules, &[&backend]));
    for (router, reason) in [
        ("r0", "there is no script \"nobody\""),
        ("r1", "it has no hook `match`"),
        ("r2", "it needs options"),
    ] {
        let shown = moongate.api(&format!("/api/http/routers/{router}@file"));
        let error = shown["error"][0].as_str().unwrap_or_default();
        assert!(error.contains(reason), "{router}: {error}");
    }
}

#[test]
fn a_changed_script_is_taken_and_a_broken_one_is_not() {
    let (yes, no) = (Backend::echo("yes"), Backend::echo("no"));
    let folder = folder();
    let path = folder.path().join("own.lua");
    let returns = |value: &str| {
        std::fs::write(&path, format!("return {{ match = function() return {value} end }}"))
    };
    returns("false").unwrap();
    let rule = format!("Path(`/`) && Lua(`{}`)", path.display());
    let rules = [(rule.as_str(), "yes"), ("PathPrefix(`/`)", "no")];
    let moongate = start(folder, &routers(&rules, &[&yes, &no]));
    let answers = |name: &str| moongate.get("h", "/").header("x-backend") == Some(name);
    assert!(answers("no"));
    returns("true").unwrap();
    until("the new script is asked", || answers("yes").then_some(()));
    returns("(").unwrap();
    until("the broken script is told of", || {
        let shown = moongate.api("/api/http/routers/r0@file");
        shown["error"][0].as_str().filter(|e| e.contains("the last good version")).map(|_| ())
    });
    assert!(answers("yes"));
}

fn balancer(by: &str, backends: &[&Backend]) -> String {
    let servers: Vec<_> = backends.iter().map(|b| format!("{{url: '{}'}}", b.url())).collect();
    format!(
        "http:\n  routers:\n    r: {{rule: 'PathPrefix(`/`)', service: s}}\n  services:\n    \
         s: {{loadBalancer: {{strategy: hrw, hashBy: {{{by}}}, servers: [{}]}}}}\n",
        servers.join(", ")
    )
}

/// Who answers requests that differ in a header.
fn spread(moongate: &Moongate, name: &str, values: &[&str]) -> Vec<String> {
    let mut client = moongate.client();
    let mut ask = |value: &str| {
        let reply = client.send("GET", "h", &format!("/?{name}={value}"), &[(name, value)], b"");
        reply.header("x-backend").unwrap_or("none").to_owned()
    };
    values.iter().map(|value| ask(value)).collect()
}

#[test]
fn equal_values_go_to_the_same_server() {
    let backends: Vec<_> = ["a", "b", "c"].iter().map(|name| Backend::echo(name)).collect();
    let backends: Vec<_> = backends.iter().collect();
    let values: Vec<String> = (0..30).map(|n| format!("v{n}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    for (by, name) in [("header: X-Key", "X-Key"), ("query: X-Key", "X-Key"), ("lua: key", "X-Key")]
    {
        let moongate = start(folder(), &balancer(by, &backends));
        let first = spread(&moongate, name, &values);
        assert_eq!(first, spread(&moongate, name, &values), "{by}");
        for backend in &backends {
            assert!(first.iter().any(|name| name == backend.name()), "{by}: {first:?}");
        }
    }
    let moongate = start(folder(), &balancer("cookie: id", &backends));
    let cookies: Vec<String> = values.iter().map(|value| format!("id={value}")).collect();
    let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
    let first = spread(&moongate, "Cookie", &cookies);
    assert_eq!(first, spread(&moongate, "Cookie", &cookies));
}

#[test]
fn a_script_may_choose_the_server_itself() {
    let backends: Vec<_> = ["a", "b", "c"].iter().map(|name| Backend::echo(name)).collect();
    let backends: Vec<_> = backends.iter().collect();
    let moongate = start(folder(), &balancer("lua: place", &backends));
    assert_eq!(spread(&moongate, "X-Place", &["1", "3", "2", "1"]), ["a", "c", "b", "a"]);
    // A place that there is not is as good as none: the client's address decides.
    let other = spread(&moongate, "X-Place", &["0", "4", "-1", "1.5", "x"]);
    assert!(other.iter().all(|name| *name == other[0]) && other[0] != "none", "{other:?}");
}

#[test]
fn a_service_needs_a_script_that_chooses() {
    let backend = Backend::echo("a");
    for (by, reason) in [
        ("lua: nobody", "there is no script"),
        ("lua: canary", "it has no hook `balance`"),
        ("lua: key, header: X-Key", "give exactly one of"),
    ] {
        let moongate = start(folder(), &balancer(by, &[&backend]));
        let shown = moongate.api("/api/http/services/s@file");
        let error = shown["error"][0].as_str().unwrap_or_default();
        assert!(error.contains(reason), "{by}: {error}");
    }
}

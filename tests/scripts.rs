//! User scripts as they are delivered: in a folder, by path, and what a bad version changes.

mod support;

use support::{Backend, Moongate, until};

/// A script that marks requests on their way to the server.
fn marks(word: &str) -> String {
    format!("return {{ request = function(req) req.headers['X-Mark'] = '{word}' end }}")
}

/// One router through a middleware.
fn through(middleware: &str, backend: &Backend) -> String {
    format!(
        "http:\n  routers:\n    r: {{rule: 'PathPrefix(`/`)', service: s, middlewares: [m]}}\n  \
         middlewares:\n    m: {middleware}\n  services:\n    \
         s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        backend.url()
    )
}

/// A Moongate with a folder of scripts.
fn with_scripts(middleware: &str, backend: &Backend, files: &[(&str, &str)]) -> Moongate {
    let folder = tempfile::tempdir().unwrap();
    let scripts = folder.path().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    for (name, text) in files {
        std::fs::write(scripts.join(name), text).unwrap();
    }
    let flag = format!("--scripts.directory={}", scripts.display());
    Moongate::in_folder(folder, &through(middleware, backend), &[&flag])
}

/// Replaces a file as editors do.
fn save(moongate: &Moongate, name: &str, text: &str) {
    let next = moongate.file("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, moongate.file("scripts").join(name)).unwrap();
}

/// Waits until the server sees a mark; "" is none.
fn served(moongate: &Moongate, backend: &Backend, mark: &str) {
    until(&format!("the mark {mark:?} is served"), || {
        let reply = moongate.get("h", "/");
        let is_marked =
            reply.status == 200 && backend.last().header("x-mark").unwrap_or("") == mark;
        is_marked.then_some(())
    });
}

fn errors(moongate: &Moongate) -> String {
    let middleware = moongate.api("/api/http/middlewares/m@file");
    let all = middleware["error"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(|error| error.as_str()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_file_of_the_folder_is_followed() {
    let backend = Backend::echo("a");
    let moongate = with_scripts("{plugin: {mark: {}}}", &backend, &[("mark.lua", &marks("one"))]);
    served(&moongate, &backend, "one");

    save(&moongate, "mark.lua", &marks("two"));
    served(&moongate, &backend, "two");
}

#[test]
fn a_bad_version_leaves_the_last_good_one_and_says_where_it_is_wrong() {
    let backend = Backend::echo("a");
    let moongate = with_scripts("{plugin: {mark: {}}}", &backend, &[("mark.lua", &marks("one"))]);
    served(&moongate, &backend, "one");
    for (bad, part) in [
        ("return {\n  request = function(\n}", "mark.lua:3"),
        ("local x = nil\nlocal y = x.z\nreturn {}", "mark.lua:2"),
        ("return { setup = function()\n  error('no key')\nend }", "in setup"),
        ("return { requests = function() end }", "unknown key"),
        ("return { schema = { a = { type = 'nothing' } } }", "schema.a"),
    ] {
        save(&moongate, "mark.lua", bad);
        until(&format!("the error of {bad:?} is shown"), || {
            errors(&moongate).contains(part).then_some(())
        });
        assert!(errors(&moongate).contains("mark.lua"), "{}", errors(&moongate));
        served(&moongate, &backend, "one");
    }
    save(&moongate, "mark.lua", &marks("three"));
    served(&moongate, &backend, "three");
    assert_eq!(errors(&moongate), "");
}

#[test]
fn a_file_that_comes_replaces_a_built_in_script_and_gives_it_back() {
    let backend = Backend::echo("a");
    let moongate = with_scripts("{addPrefix: {prefix: /p}}", &backend, &[]);
    assert_eq!(moongate.get("h", "/x").status, 200);
    assert_eq!(backend.last().line(), "GET /p/x HTTP/1.1");

    let own = "return { schema = { prefix = { type = 'string' } }, request = function(req, ctx) \
               req.headers['X-Mark'] = ctx.options.prefix end }";
    save(&moongate, "addPrefix.lua", own);
    served(&moongate, &backend, "/p");
    assert_eq!(backend.last().line(), "GET / HTTP/1.1");

    std::fs::remove_file(moongate.file("scripts").join("addPrefix.lua")).unwrap();
    served(&moongate, &backend, "");
    assert_eq!(backend.last().line(), "GET /p/ HTTP/1.1");
}

#[test]
fn a_script_that_comes_late_enables_its_middleware_and_one_that_goes_disables_it() {
    let backend = Backend::echo("a");
    let moongate = with_scripts("{plugin: {mark: {}}}", &backend, &[]);
    assert_eq!(moongate.get("h", "/").status, 404);
    assert!(errors(&moongate).contains("no script"), "{}", errors(&moongate));

    save(&moongate, "mark.lua", &marks("one"));
    served(&moongate, &backend, "one");

    std::fs::remove_file(moongate.file("scripts").join("mark.lua")).unwrap();
    until("the router is disabled", || (moongate.get("h", "/").status == 404).then_some(()));
}

#[test]
fn a_script_by_path_is_followed_beside_the_file_and_in_the_folder() {
    let backend = Backend::echo("a");
    let by_path = "{lua: {script: own.lua}}";
    let moongate = with_scripts(by_path, &backend, &[("own.lua", &marks("folder"))]);
    served(&moongate, &backend, "folder");
    save(&moongate, "own.lua", &marks("folder again"));
    served(&moongate, &backend, "folder again");
    save(&moongate, "own.lua", "return 1 +");
    until("the error is shown", || errors(&moongate).contains("own.lua:1").then_some(()));
    served(&moongate, &backend, "folder again");
}

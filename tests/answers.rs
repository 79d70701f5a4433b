//! Pages of an entrypoint in the place of plain answers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]
#![allow(missing_docs)]

mod support;

use moongate::app::App;
use moongate::config::{Static, System, load};
use support::{Answer, Backend, Client, Moongate, until};

const PAGE: &str = "<h1>nothing here</h1>\n";
const SCRIPT: &str = "return {
  response = function(res, ctx)
    res.headers['Content-Type'] = 'application/json'
    res.body = '{\"error\":\"' .. res.error .. '\",\"status\":' .. res.status .. '}'
  end,
}
";
const NEGOTIATES: &str = "return {
  request = function(req, ctx)
    if req.headers['Accept'] ~= 'text/html' then return end
    local path = req.path
    local res = ctx.next()
    res.headers['Content-Type'] = 'text/html'
    res.body = '<p>' .. path .. '</p>'
    return res
  end,
}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file("404.html", PAGE);
    file("answer.lua", SCRIPT);
    file("negotiates.lua", NEGOTIATES);
    file("broken.lua", "return { response = function(res) error('no') end }");
    folder
}

fn dynamic(down: &str, errors: &str) -> String {
    format!(
        "http:\n  routers:\n    down: {{rule: 'Path(`/down`)', service: down}}\n    \
         none: {{rule: 'Path(`/none`)', service: none}}\n    \
         own: {{rule: 'Path(`/own`)', service: down, middlewares: [own]}}\n{errors}  \
         middlewares:\n    own: {{lua: {{code: \"return {{ response = function(res) res.body = \
         'own' end }}\"}}}}\n  services:\n    \
         down: {{loadBalancer: {{servers: [{{url: '{down}'}}]}}}}\n    \
         none: {{loadBalancer: {{servers: []}}}}\n"
    )
}

#[test]
fn pages_stand_in_for_plain_answers() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (page, script, negotiates) = (at("404.html"), at("answer.lua"), at("negotiates.lua"));
    let moongate = Moongate::in_folder(
        folder,
        &dynamic(&Backend::closed(), ""),
        &[
            &format!("--entryPoints.web.http.answers.noRouter.file={page}"),
            "--entryPoints.web.http.answers.noRouter.status=410",
            &format!("--entryPoints.web.http.answers.noServer.lua={negotiates}"),
            &format!("--entryPoints.web.http.answers.error.lua={script}"),
        ],
    );
    let mut client = moongate.client();
    let reply = client.send("GET", "h", "/", &[], b"");
    assert_eq!((reply.status, reply.text().as_str()), (410, PAGE));
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    let head = client.send("HEAD", "h", "/", &[], b"");
    assert_eq!((head.status, head.body.len()), (410, 0));
    assert_eq!(head.header("content-length"), Some(PAGE.len().to_string().as_str()));
    let down = client.send("GET", "h", "/down", &[], b"");
    let expect = (502, r#"{"error":"connect","status":502}"#);
    assert_eq!((down.status, down.text().as_str()), expect);
    assert_eq!(down.header("content-type"), Some("application/json"));
    let none = client.send("GET", "h", "/none", &[("Accept", "text/html")], b"");
    assert_eq!((none.status, none.text().as_str()), (503, "<p>/none</p>"));
    let none = client.send("GET", "h", "/none", &[], b"");
    assert_eq!((none.status, none.text().as_str()), (503, "no available server\n"));
    // What a router's own middlewares make of a failure is theirs.
    let own = client.send("GET", "h", "/own", &[], b"");
    assert_eq!((own.status, own.text().as_str()), (502, "own"));
    // The other entrypoint has no pages.
    let plain = Client::connect(moongate.address("traefik")).send("GET", "h", "/x", &[], b"");
    assert_eq!((plain.status, plain.text().as_str()), (404, "404 page not found\n"));
}

#[test]
fn a_changed_page_is_taken_and_a_broken_one_is_not() {
    let folder = folder();
    let page = folder.path().join("404.html");
    let flag = format!("--entryPoints.web.http.answers.noRouter.file={}", page.display());
    let moongate = Moongate::in_folder(folder, "http: {}\n", &[&flag]);
    assert_eq!(moongate.get("h", "/").text(), PAGE);
    std::fs::write(&page, "anew").unwrap();
    until("the new page is served", || (moongate.get("h", "/").text() == "anew").then_some(()));
    std::fs::remove_file(&page).unwrap();
    let marker = "http: {routers: {seen: {rule: 'Path(`/seen`)', service: noop@internal}}}\n";
    moongate.configure(marker);
    until("the next configuration is served", || {
        moongate.api("/api/http/routers/seen@file")["status"].as_str().map(|_| ())
    });
    assert_eq!(moongate.get("h", "/").text(), "anew");
}

#[test]
fn a_script_that_fails_leaves_the_plain_answer() {
    let folder = folder();
    let script = folder.path().join("broken.lua");
    let flag = format!("--entryPoints.web.http.answers.noRouter.lua={}", script.display());
    let moongate = Moongate::in_folder(folder, "http: {}\n", &[&flag]);
    let reply = moongate.get("h", "/");
    assert_eq!((reply.status, reply.text().as_str()), (404, "404 page not found\n"));
}

#[test]
fn limits_and_timeouts_have_pages_too() {
    let folder = folder();
    let script = folder.path().join("answer.lua");
    let silent = Backend::start("a", Answer::Silence);
    let router = "    late: {rule: 'Path(`/late`)', service: down, timeouts: {request: 50ms}}\n";
    let flag = format!("--entryPoints.web.http.answers.error.lua={}", script.display());
    let moongate = Moongate::in_folder(folder, &dynamic(&silent.url(), router), &[&flag]);
    let reply = moongate.get("h", "/late");
    assert_eq!((reply.status, reply.text().as_str()), (504, r#"{"error":"timeout","status":504}"#));
}

#[test]
fn a_page_that_cannot_be_had_stops_the_start() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (option, value, expect) in [
        ("file", at("missing.html"), "No such file"),
        ("lua", at("missing.lua"), "no such file"),
        ("lua", "nobody".to_owned(), "there is no script \"nobody\""),
        ("lua", "addPrefix".to_owned(), "it needs options"),
        ("lua", at("404.html"), "404.html:1: Expected identifier"),
    ] {
        let flags = [
            "--entryPoints.web.address=127.0.0.1:0".to_owned(),
            format!("--entryPoints.web.http.answers.error.{option}={value}"),
        ];
        let plan = Static::resolve(load(&flags, &System::default()).unwrap().root, 1).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(App::start(plan, None)).unwrap_err().to_string();
        assert!(error.contains("entryPoints.web.http.answers.error"), "{error}");
        assert!(error.contains(expect), "{error}");
    }
}

//! The dashboard in a real browser: its pages, keys, light and dark, a phone, ten thousand routers,
//! and that it asks nobody but its own origin.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use support::browser::Browser;
use support::{Answer, Backend, Moongate, until};

const ROUTERS: usize = 10_000;

/// Ten thousand routers, one that is disabled, and a script that fails.
fn configuration(backend: &Backend) -> String {
    let many: String = (0..ROUTERS)
        .map(|i| format!("    app-{i:05}: {{rule: 'Host(`app{i}.test`)', service: shop}}\n"))
        .collect();
    format!(
        "http:
  routers:
{many}    shop:
      rule: Host(`shop.test`) && PathPrefix(`/cart`)
      service: split
      middlewares: [bad]
    broken: {{rule: 'Host(`shop.test`)', service: nowhere}}
  middlewares:
    bad: {{lua: {{code: 'return {{request = function() error(\"it rains\") end}}'}}}}
  services:
    split: {{weighted: {{services: [{{name: shop, weight: 3}}, {{name: other, weight: 1}}]}}}}
    shop: {{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}
    other: {{loadBalancer: {{servers: [{{url: '{url}'}}, {{url: 'http://127.0.0.1:9'}}]}}}}
",
        url = backend.url()
    )
}

/// One browser looks at all pages, since a browser takes seconds to start.
#[test]
fn a_browser_finds_its_way() {
    let backend = Backend::start("shop", Answer::Echo);
    let moongate = Moongate::with(&configuration(&backend), &["--api.dashboardName=Observatory"]);
    assert_eq!(moongate.get("shop.test", "/cart").status, 500);
    let browser = Browser::start();
    let page = format!("http://{}/dashboard/", moongate.address("traefik"));
    browser.go(&page);
    overview(&browser);
    list(&browser);
    router(&browser, &backend);
    script(&browser);
    explain(&browser, &moongate);
    search(&browser);
    looks(&browser);
    phone(&browser);
    change(&browser, &moongate, &backend);
    own_origin(&browser, &page);
}

fn text(selector: &str, part: &str) -> String {
    format!(
        "[...document.querySelectorAll('{selector}')].some(n => n.innerText.includes('{part}'))"
    )
}

fn overview(browser: &Browser) {
    browser.until("document.title.includes('Observatory')");
    browser.until(&text(".big", "10,005"));
    browser.until(&text(".findings", "http.routers.broken@file"));
    browser.until(&text(".findings", "does not exist"));
    browser.until(&text(".door", "web"));
    browser.until(&text(".live .tile", "requests a second"));
}

/// A list of any length has few rows, and those that are scrolled to.
fn list(browser: &Browser) {
    browser.press("r");
    browser.until(&text("h1", "HTTP routers"));
    browser.until(&text("a.row", "app-00000"));
    browser.eval("document.querySelector('.rows').scrollTo(0, 480000)");
    browser.until(&text("a.row", "app-09999"));
    browser.until("document.querySelectorAll('.row').length < 80");
    browser.eval("[...document.querySelectorAll('.chip')].at(-1).click()");
    browser.until(&text("a.row", "broken"));
    browser.until("document.querySelectorAll('a.row').length === 1");
    browser.press("j\u{e007}");
    browser.until(&text(".trouble", "does not exist"));
}

/// The way of a request is drawn from the entrypoint to the servers.
fn router(browser: &Browser, backend: &Backend) {
    browser.eval("location.hash = '#/http/routers/shop%40file'");
    browser.until(&text(".box.router", "PathPrefix"));
    browser.until(&text(".box.entry", "web"));
    browser.until(&text(".box.middleware", "bad"));
    browser.until("document.querySelectorAll('.box.server').length === 3");
    browser.until(&text(".box.server", &backend.url()));
}

/// A script that fails is found, with its error and its source.
fn script(browser: &Browser) {
    browser.eval("location.hash = '#/scripts?sortBy=failures&direction=desc'");
    browser.until(&text("a.row", "it rains"));
    browser.eval("document.querySelector('a.row').click()");
    browser.until(&text(".failure", "it rains"));
    browser.until(&text(".source pre", "error"));
}

fn explain(browser: &Browser, moongate: &Moongate) {
    let port = moongate.address("web").port();
    browser.press("/");
    browser.until("document.activeElement.id === 'query'");
    browser.press(&format!("http://shop.test:{port}/card\u{e007}"));
    browser.until(&text(".verdict.bad", "404"));
    browser.until(&text(".other", "not met: PathPrefix(`/cart`)"));
    browser.until(&text(".other", "it is disabled"));
    browser.until("document.querySelectorAll('.met.no').length > 0");
}

fn search(browser: &Browser) {
    browser.press("/");
    browser.until("document.activeElement.id === 'query'");
    browser.press("app-0942\u{e007}");
    browser.until(&text(".hits", "app-09420"));
}

/// Light and dark differ, and the choice is kept.
fn looks(browser: &Browser) {
    let ground = || browser.eval("getComputedStyle(document.body).backgroundColor");
    let before = ground();
    browser.press("t");
    let after = ground();
    assert_ne!(before, after);
    browser.eval("location.reload()");
    browser.until("document.readyState === 'complete'");
    assert_eq!(ground(), after);
}

/// No page is wider than a phone.
fn phone(browser: &Browser) {
    browser.resize(390, 780);
    let pages = ["/", "/http/routers", "/http/routers/shop%40file", "/explain", "/scripts"];
    for page in pages {
        browser.eval(&format!("location.hash = '#{page}'"));
        browser.until("document.querySelector('#page h1') !== null");
        browser.until("document.documentElement.scrollWidth <= 390");
    }
    browser.resize(1280, 800);
}

/// What changes is seen without a reload.
fn change(browser: &Browser, moongate: &Moongate, backend: &Backend) {
    browser.eval("location.hash = '#/findings'");
    browser.until(&text(".row", "nowhere"));
    moongate.configure(&configuration(backend).replace("nowhere", "shop"));
    until("the router is in force", || {
        (moongate.api("/api/http/routers/broken%40file")["status"] == "enabled").then_some(())
    });
    browser.until(&text(".list", "Nothing is wrong"));
}

/// The page has asked its own origin alone, and the browser had nothing to complain of but what the
/// API does not have: a service that is not there.
fn own_origin(browser: &Browser, page: &str) {
    let origin = page.trim_end_matches("dashboard/");
    let asked = browser.eval("performance.getEntriesByType('resource').map(e => e.name)");
    let asked = asked.as_array().unwrap();
    assert!(asked.len() > 10, "{asked:?}");
    for url in asked {
        assert!(url.as_str().unwrap().starts_with(origin), "{url}");
    }
    let complaints = browser.words();
    let complaints: Vec<_> = complaints.iter().filter(|c| !c.contains("a status of 404")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

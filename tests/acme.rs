//! Certificates by themselves, against a real authority: what a router names is had, kept, reused
//! and served, and what cannot be had is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::Value;
use support::pebble::{self, Pebble, Settings, kept_account, write_secret};
use support::ports::free_ports;
use support::{Backend, Moongate, poll};

/// An order takes a second or two; other tests run beside.
const ISSUED: Duration = Duration::from_mins(1);

/// A Moongate with a resolver and the entrypoints `web` and `secure` at those ports.
struct Scene {
    pebble: Pebble,
    backend: Backend,
    ports: [u16; 2],
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let ports: [u16; 2] = free_ports();
        let mut settings = Settings::at(ports[0], ports[1]);
        change(&mut settings);
        Self { pebble: Pebble::start(settings), backend: Backend::echo("s"), ports }
    }

    /// Starts in a folder that holds an account.
    fn start(&self, dynamic: &str, flags: &[&str]) -> Moongate {
        let folder = tempfile::tempdir().unwrap();
        write_secret(&folder.path().join("acme.json"), &kept_account());
        self.again(folder, dynamic, flags)
    }

    fn again(&self, folder: tempfile::TempDir, dynamic: &str, flags: &[&str]) -> Moongate {
        let storage = folder.path().join("acme.json");
        let mut all = self.pebble.flags(&storage.display().to_string());
        all.push(format!("--entryPoints.web.address=127.0.0.1:{}", self.ports[0]));
        all.push(format!("--entryPoints.secure.address=127.0.0.1:{}", self.ports[1]));
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        Moongate::in_folder(folder, dynamic, &all)
    }

    fn dynamic(&self, routers: &str) -> String {
        format!(
            "http:\n  routers:\n{routers}\n  services:\n    \
             s: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
            self.backend.url()
        )
    }

    /// The certificate that is shown for a name, once it is one of the authority's.
    fn shown(&self, moongate: &Moongate, name: &str) -> Vec<u8> {
        let root = self.pebble.root();
        let at = moongate.address("secure");
        let shown = || pebble::shown(at, &root, name);
        poll::until(&format!("a certificate for {name}"), ISSUED, shown).to_vec()
    }
}

fn router(name: &str, rule: &str, tls: &str) -> String {
    format!("    {name}: {{rule: '{rule}', service: s, tls: {{{tls}}}}}\n")
}

fn kept(moongate: &Moongate) -> Value {
    serde_json::from_slice(&fs::read(moongate.file("acme.json")).unwrap()).unwrap()
}

const HTTP: &str = "--certificatesResolvers.le.acme.httpChallenge.entryPoint=web";
const TLS: &str = "--certificatesResolvers.le.acme.tlsChallenge";

#[test]
fn a_router_has_its_certificate_by_answers_over_http() {
    let scene = Scene::new();
    let routers = router("a", "Host(`a.test`) || Host(`b.test`)", "certResolver: le");
    let redirect = "--entryPoints.web.http.redirections.entryPoint.to=secure";
    let moongate = scene.start(&scene.dynamic(&routers), &[HTTP, redirect]);
    let first = scene.shown(&moongate, "a.test");
    assert_eq!(scene.shown(&moongate, "b.test"), first);
    assert_eq!((scene.pebble.orders(), scene.pebble.issued()), (1, 1));
    // What authorities ask goes before the redirection, and nothing is left to be told.
    let path = "/.well-known/acme-challenge/token";
    assert_eq!(moongate.get("a.test", path).status, 404);

    let file = kept(&moongate);
    let issued = &file["le"]["Certificates"][0];
    assert_eq!(issued["domain"], serde_json::json!({"main": "a.test", "sans": ["b.test"]}));
    assert!(
        file["le"]["Account"]["Registration"]["uri"].as_str().unwrap().contains("/my-account/")
    );
    let mode = fs::metadata(moongate.file("acme.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // A name that is covered costs no order, one that is not costs one.
    let more = router("c", "Host(`b.test`) && Path(`/x`)", "certResolver: le");
    moongate.configure(&scene.dynamic(&format!("{routers}{more}")));
    let other = router("d", "Host(`d.test`)", "certResolver: le");
    moongate.configure(&scene.dynamic(&format!("{routers}{more}{other}")));
    scene.shown(&moongate, "d.test");
    assert_eq!(scene.pebble.orders(), 2);
    assert_eq!(scene.shown(&moongate, "a.test"), first);
}

#[test]
fn a_router_has_its_certificate_in_handshakes() {
    let scene = Scene::new();
    let domains = "certResolver: le, domains: [{main: m.test, sans: [n.test]}]";
    // A router that takes all TLS as it comes does not see what authorities ask.
    let tcp = "tcp:
  routers:
    named: {rule: 'HostSNI(`t.test`)', service: t, entryPoints: [secure], tls: {certResolver: le}}
    all: {rule: 'HostSNI(`*`)', service: t, entryPoints: [secure], tls: {passthrough: true}}
  services:
    t: {loadBalancer: {servers: [{address: '127.0.0.1:9'}]}}
";
    let whole = scene.dynamic(&router("a", "Host(`m.test`)", domains)) + tcp;
    let moongate = scene.start(&whole, &[TLS]);
    scene.shown(&moongate, "t.test");
    let at = moongate.address("secure");
    assert!(pebble::shown(at, &scene.pebble.root(), "other.test").is_none());
    assert_eq!((scene.pebble.orders(), scene.pebble.issued()), (2, 2));
}

#[test]
fn what_cannot_be_proved_is_never_asked_for() {
    let scene = Scene::new();
    let wildcard = router("w", "Host(`w.test`)", "certResolver: le, domains: [{main: '*.w.test'}]");
    let unknown = router("u", "Host(`u.test`)", "certResolver: nobody");
    let moongate = scene.start(&scene.dynamic(&format!("{wildcard}{unknown}")), &[HTTP]);
    let good = router("g", "Host(`g.test`)", "certResolver: le");
    moongate.configure(&scene.dynamic(&format!("{wildcard}{unknown}{good}")));
    scene.shown(&moongate, "g.test");
    assert_eq!(scene.pebble.orders(), 1);
    // Both routers work, with the certificate of last resort.
    for name in ["w.test", "u.test"] {
        let root = scene.pebble.root();
        assert!(pebble::shown(moongate.address("secure"), &root, name).is_none());
    }
    let routers = moongate.api("/api/http/routers?status=enabled");
    let names: Vec<_> = routers.as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
    for name in ["w@file", "u@file", "g@file"] {
        assert!(names.contains(&Value::from(name)), "{names:?}");
    }
}

#[test]
fn a_file_with_certificates_is_taken_over() {
    let scene = Scene::new();
    let routers = scene.dynamic(&router("a", "Host(`a.test`)", "certResolver: le"));
    let moongate = scene.start(&routers, &[HTTP]);
    let first = scene.shown(&moongate, "a.test");
    let before = kept(&moongate);
    let folder = tempfile::tempdir().unwrap();
    write_secret(&folder.path().join("acme.json"), &before.to_string());
    drop(moongate);
    let moongate = scene.again(folder, &routers, &[HTTP]);
    // It is served from the first connection on, and nobody is asked.
    let root = scene.pebble.root();
    let shown = pebble::shown(moongate.address("secure"), &root, "a.test").unwrap();
    assert_eq!(shown.to_vec(), first);
    assert_eq!((scene.pebble.orders(), kept(&moongate)), (1, before));
}

#[test]
fn an_authority_may_be_away_slow_and_forgetful() {
    let mut scene = Scene::with(|settings| {
        settings.env = vec![("PEBBLE_VA_SLEEPTIME", "1"), ("PEBBLE_WFE_NONCEREJECT", "60")];
    });
    scene.pebble.fall();
    let a = router("a", "Host(`a.test`)", "certResolver: le");
    let moongate = scene.start(&scene.dynamic(&a), &[HTTP]);
    // Nobody waits for it: the router answers meanwhile, and the API tells what is missing.
    let told = || {
        let errors = moongate.api("/api/overview")["http"].clone();
        errors.is_object().then_some(())
    };
    poll::until("the API answers", ISSUED, told);
    scene.pebble.rise();
    scene.shown(&moongate, "a.test");
    // One that has lost its accounts gets the same one again.
    let key = kept(&moongate)["le"]["Account"]["PrivateKey"].clone();
    scene.pebble.fall();
    scene.pebble.rise();
    let b = router("b", "Host(`b.test`)", "certResolver: le");
    moongate.configure(&scene.dynamic(&format!("{a}{b}")));
    scene.shown(&moongate, "b.test");
    assert_eq!(kept(&moongate)["le"]["Account"]["PrivateKey"], key);
}

#[test]
fn accounts_are_tied_to_others_where_they_must_be() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let scene = Scene::with(|settings| settings.binding = Some(key.to_owned()));
    let routers = scene.dynamic(&router("a", "Host(`a.test`)", "certResolver: le"));
    let kid = "--certificatesResolvers.le.acme.eab.kid=kid-1";
    let hmac = format!("--certificatesResolvers.le.acme.eab.hmacEncoded={key}");
    let moongate = scene.start(&routers, &[HTTP, kid, &hmac]);
    scene.shown(&moongate, "a.test");
}

#[test]
fn a_file_that_cannot_be_used_is_left_as_it_is() {
    let scene = Scene::new();
    let routers = scene.dynamic(&router("a", "Host(`a.test`)", "certResolver: le"));
    let folder = tempfile::tempdir().unwrap();
    let text = "{\"le\": {\"Account\": 7}}";
    write_secret(&folder.path().join("acme.json"), text);
    let moongate = scene.again(folder, &routers, &[HTTP]);
    let reply = moongate.get("a.test", "/.well-known/acme-challenge/x");
    assert_eq!(reply.status, 404);
    assert_eq!(fs::read_to_string(moongate.file("acme.json")).unwrap(), text);
    assert_eq!(scene.pebble.orders(), 0);
}

/// Writes who may have certificates on demand; the flag that names it.
fn gatekeeper(folder: &std::path::Path) -> String {
    let script = folder.join("allow.lua");
    let text = "return { allow = function(name) return name:sub(-8) == '.ok.test' end }";
    fs::write(&script, text).unwrap();
    format!("--certificatesResolvers.le.acme.onDemand.script={}", script.display())
}

#[test]
fn a_handshake_has_a_certificate_got_where_a_script_allows_it() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().unwrap();
    write_secret(&folder.path().join("acme.json"), &kept_account());
    let flags = [
        HTTP,
        &gatekeeper(folder.path()),
        "--metrics.prometheus.entryPoint=web",
        "--certificatesResolvers.le.acme.onDemand.wait=60s",
        "--certificatesResolvers.le.acme.onDemand.ordersPerHour=2",
    ];
    let any = scene.dynamic(&router("any", "HostRegexp(`.+`)", ""));
    let moongate = scene.again(folder, &any, &flags);
    let (at, root) = (moongate.address("secure"), scene.pebble.root());
    // Handshakes at once wait for one order, and those who come later have it at once.
    let first = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| pebble::shown(at, &root, "a.ok.test"));
        let shown = [ask(), ask()].map(|asked| asked.join().unwrap().unwrap());
        assert_eq!(shown[0], shown[1]);
        shown[0].to_vec()
    });
    assert_eq!(pebble::shown(at, &root, "a.ok.test").unwrap().to_vec(), first);
    assert_eq!(scene.pebble.orders(), 1);
    // Names that may not have one, or cannot, and what is beyond the limit.
    for name in ["a.no.test", "localhost"] {
        assert!(pebble::shown(at, &root, name).is_none(), "{name}");
    }
    assert!(pebble::shown(at, &root, "b.ok.test").is_some());
    assert!(pebble::shown(at, &root, "c.ok.test").is_none());
    assert_eq!(scene.pebble.orders(), 2);
    let file = kept(&moongate);
    assert_eq!(file["le"]["Certificates"].as_array().unwrap().len(), 2);
    let metrics = String::from_utf8(moongate.get("h", "/metrics").body).unwrap();
    for line in ["orders_total{resolver=\"le\"} 2", "certificates{resolver=\"le\"} 2"] {
        assert!(metrics.contains(&format!("moongate_acme_{line}")), "{metrics}");
    }
}

//! DNS providers as ACME uses them: their variables, their scripts, and services over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests may fail")]

mod support;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use moongate::background::Background;
use moongate::dns::{Challenge, DnsError, Environment, Provider, Providers};
use moongate::lua::Shared;
use support::{Answer, Backend, SOON, poll};

/// Providers with these variables, and none of the process.
fn providers(variables: &[(&str, &str)], directory: Option<&Path>) -> Providers {
    let owned: Vec<(String, String)> =
        variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let environment = Environment::new(move |name| {
        owned.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    });
    let background = Arc::new(Background::new(Shared::new()));
    Providers::new(background, environment, directory.map(Path::to_owned))
}

fn open(code: &str, variables: &[(&str, &str)]) -> Result<Provider, DnsError> {
    block_on(providers(variables, None).provider(code))
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn challenge() -> Challenge {
    Challenge::new("*.a.example", "token", "token.print")
}

fn ok(body: &str) -> Answer {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    Answer::Raw(head.into_bytes())
}

#[test]
fn a_service_is_told_over_its_socket() {
    let service = Backend::start("dns", ok(""));
    let url = service.url();
    let provider = open("httpreq", &[("HTTPREQ_ENDPOINT", url.as_str())]).unwrap();
    block_on(provider.present(&challenge())).unwrap();
    let seen = service.last();
    assert_eq!(seen.line(), "POST /present HTTP/1.1");
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["fqdn"], "_acme-challenge.a.example.");
    assert_eq!(body["value"], challenge().value.as_str());
    block_on(provider.cleanup(&challenge())).unwrap();
    assert_eq!(service.last().line(), "POST /cleanup HTTP/1.1");
}

#[test]
fn a_program_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let (program, told) = (folder.path().join("set"), folder.path().join("told"));
    let text = format!("#!/bin/sh\necho \"$@\" >>{}\necho done\n", told.display());
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let path = program.display().to_string();
    let provider = open("exec", &[("EXEC_PATH", path.as_str())]).unwrap();
    assert_eq!(provider.timeouts().sequence, Some(Duration::from_mins(1)));
    block_on(provider.present(&challenge())).unwrap();
    block_on(provider.cleanup(&challenge())).unwrap();
    let name_and_value = format!("{} {}", challenge().fqdn, challenge().value);
    let expect = format!("present {name_and_value}\ncleanup {name_and_value}\n");
    assert_eq!(fs::read_to_string(&told).unwrap(), expect);
    fs::write(&program, "#!/bin/sh\necho broken >&2\nexit 4\n").unwrap();
    let error = block_on(provider.present(&challenge())).unwrap_err().to_string();
    assert!(error.contains("ended with 4: broken"), "{error}");
}

#[test]
fn patience_is_the_variables() {
    let timeouts = |variables: &[(&str, &str)]| {
        let mut all = vec![("HTTPREQ_ENDPOINT", "http://dns.example")];
        all.extend(variables);
        let timeouts = open("httpreq", &all).unwrap().timeouts();
        (timeouts.propagation.as_secs(), timeouts.interval.as_secs())
    };
    assert_eq!(timeouts(&[]), (60, 2));
    let own = [("HTTPREQ_PROPAGATION_TIMEOUT", "300"), ("HTTPREQ_POLLING_INTERVAL", "5")];
    assert_eq!(timeouts(&own), (300, 5));
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    let check = |code: &str, variables: &[(&str, &str)], expect: &str| {
        let error = open(code, variables).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    check("cloudfare", &[], "no DNS provider \"cloudfare\", did you mean \"cloudflare\"?; known");
    check("../cloudflare", &[], "no DNS provider");
    check("httpreq", &[], "DNS provider httpreq: HTTPREQ_ENDPOINT: is required");
    check("cloudflare", &[], "CF_DNS_API_TOKEN is missing");
    check("cloudflare", &[("CF_DNS_API_TOKEN_FILE", "/none")], "CF_DNS_API_TOKEN_FILE: /none: No");
    check("cloudflare", &[("CF_DNS_API_TOKEN", "t"), ("CF_TTL", "5")], "CLOUDFLARE_TTL: 5 is less");
}

#[test]
fn secrets_stay_out_of_errors() {
    // A service that repeats what it was sent.
    let service = Backend::start("dns", Answer::Silence);
    let body = "the token top-secret-token is wrong";
    let length = body.len();
    let head = format!("HTTP/1.1 500 No\r\nContent-Length: {length}\r\n\r\n{body}");
    service.answer(Answer::Raw(head.into_bytes()));
    let url = service.url();
    let variables = [
        ("HTTPREQ_ENDPOINT", url.as_str()),
        ("HTTPREQ_USERNAME", "user"),
        ("HTTPREQ_PASSWORD", "top-secret-token"),
    ];
    let provider = open("httpreq", &variables).unwrap();
    let error = block_on(provider.present(&challenge())).unwrap_err();
    let told = format!("{error} {error:?} {provider:?}");
    assert!(error.to_string().contains("status 500: the token *** is wrong"), "{error}");
    assert!(!told.contains("top-secret"), "{told}");
}

#[test]
fn a_secret_that_is_renewed_is_in_force_with_the_next_record() {
    let service = Backend::start("dns", ok(""));
    let folder = tempfile::tempdir().unwrap();
    let (path, url) = (folder.path().join("password"), service.url());
    let name = path.display().to_string();
    fs::write(&path, "one\n").unwrap();
    let variables = [
        ("HTTPREQ_ENDPOINT", url.as_str()),
        ("HTTPREQ_USERNAME", "u"),
        ("HTTPREQ_PASSWORD_FILE", name.as_str()),
    ];
    let provider = open("httpreq", &variables).unwrap();
    block_on(provider.present(&challenge())).unwrap();
    assert_eq!(service.last().header("authorization"), Some("Basic dTpvbmU="));
    fs::write(&path, "two\n").unwrap();
    block_on(provider.present(&challenge())).unwrap();
    assert_eq!(service.last().header("authorization"), Some("Basic dTp0d28="));
}

#[test]
fn a_file_is_a_provider() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dns")).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join("dns").join(name), text).unwrap();
    };
    let service = Backend::start("dns", ok(""));
    let url = service.url();
    let all = providers(&[("MINE_URL", url.as_str())], Some(folder.path()));
    write(
        "mine.lua",
        "-- Mine.\n\
         return {\n\
           schema = { MINE_URL = { type = 'string', required = true },\n\
                      MINE_SEQUENCE_INTERVAL = { type = 'duration', default = '90s' } },\n\
           present = function(c, ctx) http.fetch(ctx.options.MINE_URL .. '/' .. c.value) end,\n\
           cleanup = function() end,\n\
         }",
    );
    let mine = block_on(all.provider("mine")).unwrap();
    assert_eq!(mine.timeouts().sequence, Some(Duration::from_secs(90)));
    block_on(mine.present(&challenge())).unwrap();
    assert_eq!(service.last().line(), format!("GET /{} HTTP/1.1", challenge().value));

    // What is changed is in force, and an alias is followed.
    write("mine.lua", "return { present = function() error('no', 0) end, cleanup = print }");
    assert!(block_on(mine.present(&challenge())).unwrap_err().to_string().contains(": no"));
    write("other.lua", "return { alias_of = 'mine' }");
    assert!(block_on(all.provider("other")).is_ok());

    let fails = |code: &str, expect: &str| {
        let error = block_on(all.provider(code)).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    write("half.lua", "return { present = function() end }");
    fails("half", "has no present and cleanup");
    write("broken.lua", "return {");
    fails("broken", "broken.lua:1");
    fails("min", "did you mean \"mine\"");
}

#[test]
fn records_of_one_name_are_changed_one_after_another() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("dns")).unwrap();
    // It reads a list, waits, and writes the list with one more, as many services are used.
    let text = "return {\n\
                schema = { LIST = { type = 'string' } },\n\
                present = function(c, ctx)\n\
                  local list = machine.read(ctx.options.LIST) or ''\n\
                  time.sleep('30ms')\n\
                  machine.write(ctx.options.LIST, list .. c.value .. ';')\n\
                end,\n\
                cleanup = function() end }";
    fs::write(folder.path().join("dns/list.lua"), text).unwrap();
    let list = folder.path().join("list").display().to_string();
    let all = providers(&[("LIST", list.as_str())], Some(folder.path()));
    block_on(async {
        let (one, two) = (all.provider("list").await.unwrap(), all.provider("list").await.unwrap());
        let other = Challenge::new("a.example", "2", "2.k");
        let challenge = challenge();
        let (a, b) = tokio::join!(one.present(&challenge), two.present(&other));
        a.unwrap();
        b.unwrap();
        let kept = fs::read_to_string(&list).unwrap();
        assert_eq!(kept, format!("{};{};", challenge.value, other.value));
    });
}

/// The name server Knot, in charge of the zone `example.com`, which a key may change.
struct NameServer {
    child: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

const KEY: &str = "bW9vbmdhdGUtdGVzdC1rZXktb2YtMzItYnl0ZXMhISE=";

impl NameServer {
    fn start(algorithm: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        // The port must be free for TCP and UDP; nobody else is told of it meanwhile.
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        drop(held);
        let zone = "@ 60 SOA ns.example.com. mail.example.com. 1 60 60 60 60\n\
                    @ 60 NS ns\nns 60 A 127.0.0.1\n";
        fs::write(folder.path().join("example.com.zone"), zone).unwrap();
        let text = format!(
            "server:\n  rundir: {path}\n  listen: 127.0.0.1@{}\n\
             database:\n  storage: {path}\n\
             key:\n  - id: moon.test.\n    algorithm: {algorithm}\n    secret: {KEY}\n\
             acl:\n  - id: change\n    key: moon.test.\n    action: update\n\
             zone:\n  - domain: example.com\n    storage: {path}\n    file: example.com.zone\n    \
             acl: change\n",
            address.port()
        );
        let config = folder.path().join("knot.conf");
        fs::write(&config, text).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new("knotd")
            .args(["-c", &config.display().to_string()])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("knot is installed");
        let this = Self { child, folder, address };
        poll::until("the name server answers", SOON, || {
            (!this.texts("ns").is_empty()).then_some(())
        });
        this
    }

    /// What a name in the zone says: its texts, or for `ns` its address.
    fn texts(&self, name: &str) -> Vec<String> {
        let (port, name) = (self.address.port().to_string(), format!("{name}.example.com"));
        let kind = if name.starts_with("ns.") { "A" } else { "TXT" };
        let asked = Command::new("kdig")
            .args(["@127.0.0.1", "-p", &port, "+short", "+timeout=1", "+retry=0", &name, kind])
            .output()
            .expect("kdig is installed");
        let answer = String::from_utf8_lossy(&asked.stdout).into_owned();
        let lines = answer.lines().filter(|line| !line.starts_with(";;"));
        let mut texts: Vec<_> = lines.map(|line| line.trim_matches('"').to_owned()).collect();
        texts.sort();
        texts
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("{log}");
        }
    }
}

#[test]
fn a_name_server_is_changed_with_every_algorithm() {
    for algorithm in ["hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"] {
        let server = NameServer::start(algorithm);
        let at = server.address.to_string();
        // The names of the algorithms as Traefik's users write them have a dot at their end.
        let dotted = format!("{algorithm}.");
        let variables = [
            ("RFC2136_NAMESERVER", at.as_str()),
            ("RFC2136_TSIG_KEY", "moon.test"),
            ("RFC2136_TSIG_SECRET", KEY),
            ("RFC2136_TSIG_ALGORITHM", dotted.as_str()),
        ];
        let provider = open("rfc2136", &variables).unwrap();
        let (one, two) = (
            Challenge::new("a.example.com", "1", "1.k"),
            Challenge::new("*.a.example.com", "2", "2.k"),
        );
        let both = {
            let mut both = [one.value.clone(), two.value.clone()];
            both.sort();
            both
        };
        block_on(provider.present(&one)).unwrap();
        block_on(provider.present(&two)).unwrap();
        assert_eq!(server.texts("_acme-challenge.a"), both, "{algorithm}");
        block_on(provider.cleanup(&one)).unwrap();
        assert_eq!(server.texts("_acme-challenge.a"), [two.value.as_str()]);
        block_on(provider.cleanup(&one)).unwrap();
        block_on(provider.cleanup(&two)).unwrap();
        assert!(server.texts("_acme-challenge.a").is_empty());
    }
}

#[test]
fn what_a_name_server_refuses_is_told() {
    let server = NameServer::start("hmac-sha256");
    let (at, port) = (server.address.to_string(), server.address.port());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let key = |name: &str, secret: &str| {
        format!("key \"{name}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n")
    };
    let with = |path: &str, domain: &str| {
        let variables = [("RFC2136_NAMESERVER", at.as_str()), ("RFC2136_TSIG_FILE", path)];
        let provider = open("rfc2136", &variables).unwrap();
        block_on(provider.present(&Challenge::new(domain, "1", "1.k")))
    };
    let right = file("right", key("moon.test", KEY));
    with(&right, "b.example.com").unwrap();
    assert_eq!(server.texts("_acme-challenge.b").len(), 1);
    let fails = |path: &str, domain: &str, expect: &str| {
        let error = with(path, domain).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    fails(&file("wrong", key("moon.test", "b3RoZXI=")), "b.example.com", "BADSIG");
    fails(&file("other", key("sun.test", KEY)), "b.example.com", "BADKEY");
    fails(&right, "b.test", &format!("127.0.0.1:{port}: "));

    let unsigned = [("RFC2136_NAMESERVER", at.as_str())];
    let provider = open("rfc2136", &unsigned).unwrap();
    let error = block_on(provider.present(&Challenge::new("b.example.com", "1", "1.k")));
    assert!(error.unwrap_err().to_string().contains("NOTAUTH"));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let away = open("rfc2136", &[("RFC2136_NAMESERVER", nobody.as_str())]).unwrap();
    let error = block_on(away.present(&challenge())).unwrap_err().to_string();
    assert!(error.contains(&nobody), "{error}");
}

//! Every example is checked by `moongate check`, started, and answers as its comments say.
//!
//! Ports are exchanged for free ones in a copy of the folder, nothing else is.

#![allow(clippy::expect_used, reason = "a test that cannot set its scene has failed")]

#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "support/poll.rs"]
mod poll;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_moongate");
/// Ports that examples name; those from 9001 on are servers.
const PORTS: &[u16] = &[8000, 8080, 8443, 9001, 9002];
/// Where the binary's words go, in its folder.
const LOG: &str = "words.log";
const LIMIT: Duration = Duration::from_secs(10);

/// A request to a port of the example, the status and a part of the answer.
struct Try {
    port: u16,
    path: &'static str,
    headers: &'static str,
    status: u16,
    holds: &'static str,
}

const fn get(
    port: u16,
    path: &'static str,
    headers: &'static str,
    status: u16,
    holds: &'static str,
) -> Try {
    Try { port, path, headers, status, holds }
}

const SHOP: &str = "Host: shop.example\r\n";

#[test]
fn routing() {
    let mut running = Running::start("routing");
    running.check(&[
        get(8000, "/", SHOP, 200, "9001 GET / "),
        get(8000, "/api/x", SHOP, 200, "9002 GET /api/x "),
        get(8000, "/upload", SHOP, 200, "9001 GET /upload "),
        get(8000, "/", "Host: other.example\r\n", 404, "404 page not found"),
        get(8000, "/", "Host: other.example\r\nX-Preview: yes\r\n", 200, "9002 GET / "),
        get(8080, "/ping", "Host: x\r\n", 200, "OK"),
        get(8080, "/api/http/routers", "Host: x\r\n", 200, "shop@file"),
    ]);
}

#[test]
fn canary() {
    let mut running = Running::start("canary");
    running.check(&[get(8000, "/", SHOP, 200, "GET / ")]);
    let answers: Vec<_> = (0..40).map(|_| running.ask(&get(8000, "/", SHOP, 200, "")).1).collect();
    for four in answers.chunks(4) {
        let canaries = four.iter().filter(|answer| answer.contains("9002 GET")).count();
        assert_eq!(canaries, 1, "{four:?}");
    }
}

#[test]
fn middlewares() {
    let mut running = Running::start("middlewares");
    // `ada:moon` and `ada:sun` as the header carries them.
    let known = "Host: x\r\nAuthorization: Basic YWRhOm1vb24=\r\n";
    let unknown = "Host: x\r\nAuthorization: Basic YWRhOnN1bg==\r\n";
    running.check(&[
        get(8000, "/public/x", "Host: x\r\n", 200, "9001 GET /x "),
        get(8000, "/public/x", "Host: x\r\n", 200, "x-from: moongate"),
        get(8000, "/admin", "Host: x\r\n", 401, ""),
        get(8000, "/admin", unknown, 401, ""),
        get(8000, "/admin", known, 200, "9001 GET /internal/admin "),
    ]);
}

#[test]
fn tls() {
    let mut running = Running::start("tls");
    running.check(&[get(8000, "/x", SHOP, 301, "https://shop.example:8443/x")]);
    let answer = poll::until("an answer over TLS", LIMIT, || running.ask_encrypted(8443, "/"));
    assert!(answer.contains("9001 GET / "), "{answer}");
}

#[test]
fn script() {
    let mut running = Running::start("script");
    let signature = "x-signature: ";
    running.check(&[
        get(8000, "/", "Host: x\r\n", 401, "a key is needed"),
        get(8000, "/", "Host: x\r\nX-Key: sun\r\n", 403, "the key is not known"),
        get(8000, "/", "Host: x\r\nX-Key: tide\r\n", 200, signature),
    ]);
}

#[test]
fn templates() {
    let blog = get(8000, "/", "Host: blog.example\r\n", 200, "9001 GET / ");
    Running::start("templates").check(&[blog, get(8000, "/", SHOP, 200, "9002 GET / ")]);
}

#[test]
fn program() {
    let blog = get(8000, "/", "Host: blog.example\r\n", 200, "9001 GET / ");
    let tagged = get(8000, "/", SHOP, 200, "x-site: example");
    Running::start("program").check(&[blog, get(8000, "/", SHOP, 200, "9002 GET / "), tagged]);
}

#[test]
fn scripts() {
    let mut running = Running::start("scripts");
    running.check(&[
        get(8000, "/robots.txt", "Host: x\r\n", 200, "Disallow: /private"),
        get(8000, "/", "Host: x\r\nUser-Agent: GPTBot\r\n", 403, "\"status\":403"),
        get(8000, "/old", "Host: x\r\nUser-Agent: me\r\n", 301, "/new"),
        get(8000, "/", "Host: x\r\nUser-Agent: me\r\n", 200, ""),
    ]);
}

#[test]
fn every_example_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let here = include_str!("examples.rs");
    for entry in fs::read_dir(folder).expect("the examples") {
        let entry = entry.expect("an example");
        // What a cluster needs is run against one, in files of its own.
        let is_cluster = entry.file_name() == "kubernetes";
        if entry.path().is_dir() && !is_cluster {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(here.contains(&format!("start(\"{name}\")")), "{name} is not run");
        }
    }
}

/// An example that runs, with its servers.
struct Running {
    process: Child,
    folder: tempfile::TempDir,
    /// Ports in use by ports of the example.
    ports: BTreeMap<u16, u16>,
    /// The certificate's bytes.
    certificate: rustls::pki_types::CertificateDer<'static>,
}

impl Running {
    fn start(example: &str) -> Self {
        let (mut ports, mut held) = (BTreeMap::new(), Vec::new());
        for &port in PORTS {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            ports.insert(port, listener.local_addr().expect("its address").port());
            if port >= 9001 {
                thread::spawn(move || serve(port, &listener));
            } else {
                held.push(listener);
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        copy(example, folder.path(), &ports);
        let certificate = certify(folder.path());
        run(folder.path(), &["check", "--configFile=moongate.yaml"]);
        let log = || fs::File::options().create(true).append(true).open(folder.path().join(LOG));
        let mut command = Command::new(BINARY);
        command.arg("--configFile=moongate.yaml").current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(log().expect("a log")).stderr(log().expect("a log"));
        drop(held);
        let process = command.spawn().expect("the binary starts");
        Self { process, folder, ports, certificate }
    }

    /// Checks requests; the first is repeated until it is answered as expected.
    fn check(&mut self, tries: &[Try]) {
        let ports = self.ports.clone();
        let fits = |try_: &Try, (status, answer): &(u16, String)| {
            *status == try_.status && answer.contains(&exchanged(try_.holds, &ports))
        };
        let first = tries.first().expect("a request");
        poll::until("the first answer", LIMIT, || {
            let ended = self.process.try_wait().expect("the state of the process");
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.words());
            fits(first, &self.ask(first)).then_some(())
        });
        for try_ in tries {
            let answer = self.ask(try_);
            let (path, headers) = (try_.path, try_.headers);
            let words = || self.words();
            assert!(fits(try_, &answer), "{path} with {headers:?}: {answer:?}\n{}", words());
        }
    }

    /// What the binary said so far.
    fn words(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }

    /// The status and the whole text of an answer; zero when there is none.
    fn ask(&self, try_: &Try) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.ports[&try_.port])) else {
            return (0, String::new());
        };
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        let Try { path, headers, .. } = try_;
        let answer = exchange(&mut stream, path, headers).unwrap_or_default();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or(0), answer)
    }

    /// The whole text of an answer over TLS that trusts the example's certificate alone.
    fn ask_encrypted(&self, port: u16, path: &str) -> Option<String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "shop.example".try_into().expect("a name");
        let tls = rustls::ClientConnection::new(Arc::new(config), name).expect("settings");
        let stream = TcpStream::connect(("127.0.0.1", self.ports[&port])).ok()?;
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        exchange(&mut rustls::StreamOwned::new(tls, stream), path, SHOP)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which the checks have told.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Text about the example's ports, as it is with those in use. Servers keep their names.
fn exchanged(text: &str, ports: &BTreeMap<u16, u16>) -> String {
    let clients = ports.iter().filter(|(port, _)| **port < 9001);
    clients.fold(text.to_owned(), |text, (port, used)| {
        text.replace(&format!(":{port}"), &format!(":{used}"))
    })
}

/// Copies an example with its ports exchanged.
fn copy(example: &str, to: &Path, ports: &BTreeMap<u16, u16>) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    for entry in fs::read_dir(from).expect("the example") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            continue;
        }
        let mut text = fs::read_to_string(&path).expect("text");
        for (port, used) in ports {
            text = text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{used}"));
        }
        fs::write(to.join(path.file_name().expect("a name")), text).expect("a copy");
    }
}

/// Writes the certificate and the key that the example with TLS names.
fn certify(folder: &Path) -> rustls::pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["shop.example".to_owned()]);
    let made = made.expect("a certificate");
    fs::write(folder.join("shop.crt"), made.cert.pem()).expect("a certificate's file");
    fs::write(folder.join("shop.key"), made.signing_key.serialize_pem()).expect("a key's file");
    made.cert.der().clone()
}

/// Runs a command to its good end.
fn run(folder: &Path, args: &[&str]) {
    let output = Command::new(BINARY).args(args).current_dir(folder).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {text}");
}

/// Sends a request and reads the answer to its end.
fn exchange(stream: &mut (impl Read + Write), path: &str, headers: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // A TLS connection may end without its closing word, which takes nothing from the answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).ok().filter(|answer| !answer.is_empty())
}

/// A server that answers with its name and the request's head, header names in lower case.
fn serve(name: u16, listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            let mut stream = stream;
            let mut head = format!("{name} ");
            let reader = BufReader::new(stream.try_clone().expect("a second handle"));
            for line in reader.lines().map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
                let name = if value.is_empty() { name.into() } else { name.to_lowercase() };
                head.extend([&name, ": ", value, "\n"]);
            }
            let length = head.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}");
            // A client that is gone needs no answer.
            let _ = write!(stream, "{answer}\r\n\r\n{head}");
        });
    }
}

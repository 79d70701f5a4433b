//! `moongate repl`: sessions through a pipe against what they are known to say, and one at a real
//! terminal. `UPDATE_GOLDEN=1` rewrites what is known.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests may fail")]

#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "support/poll.rs"]
mod poll;
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "support/ports.rs"]
mod ports;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ports::free_port;

const BINARY: &str = env!("CARGO_BIN_EXE_moongate");
const LIMIT: Duration = Duration::from_secs(30);

/// What a session ended with, and what it said.
struct Ended {
    code: i32,
    said: String,
}

fn session(folder: &Path, arguments: &[&str], typed: &str) -> Ended {
    session_with(&[], folder, arguments, typed)
}

/// A session with more environment.
fn session_with(
    environment: &[(&str, &str)],
    folder: &Path,
    arguments: &[&str],
    typed: &str,
) -> Ended {
    let mut child = Command::new(BINARY)
        .arg("repl")
        .args(arguments)
        .current_dir(folder)
        .env_remove("TRAEFIK_LOG_LEVEL")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(typed.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Ended { code: output.status.code().unwrap(), said: String::from_utf8(said).unwrap() }
}

/// Takes out what differs from run to run: ports, this machine's name, dates.
fn settled(said: &str) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut out = String::new();
    let mut rest = said;
    while let Some((before, after)) = rest.split_once("127.0.0.1:") {
        let port = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        out.push_str(before);
        out.push_str(if port > 0 { "127.0.0.1:PORT" } else { "127.0.0.1:" });
        rest = &after[port..];
    }
    out.push_str(rest);
    let lines = out.lines().map(|line| {
        let line = match line.find("x-forwarded-server: ").zip(line.find(host.trim())) {
            Some(_) => line.replace(host.trim(), "HOST"),
            None => line.to_owned(),
        };
        // The name of the machine is part of what servers say they got.
        if let Some((before, _)) = line.split_once(" OK, ") {
            return format!("{before} OK, BYTES bytes");
        }
        let line = match line.split_once("\"Content-Length\",\"") {
            Some((before, after)) => {
                let after = after.split_once('"').unwrap().1;
                format!("{before}\"Content-Length\",\"BYTES\"{after}")
            }
            None => line,
        };
        match line.split_once("\"Date\",\"") {
            Some((before, after)) => {
                let after = after.split_once('"').unwrap().1;
                format!("{before}\"Date\",\"DATE\"{after}")
            }
            None => line,
        }
    });
    lines.map(|line| line + "\n").collect()
}

/// Runs `NAME.in` and compares with `NAME.out`, whose first line is the exit code.
fn golden(name: &str, arguments: &[&str]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/repl");
    let typed = fs::read_to_string(folder.join(format!("{name}.in"))).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let ended = session(scratch.path(), arguments, &typed);
    let got = format!("exit code {}\n{}", ended.code, settled(&ended.said));
    let path = folder.join(format!("{name}.out"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &got).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == got, "{name}: UPDATE_GOLDEN=1 rewrites it; it said\n{got}");
}

#[test]
fn rules_and_requests() {
    golden("rules", &[]);
}

#[test]
fn middlewares_and_what_they_change() {
    golden("middlewares", &[]);
}

#[test]
fn mistakes_are_named_and_fail() {
    golden("mistakes", &[]);
}

#[test]
fn answers_are_json_where_wanted() {
    golden("json", &["--json"]);
}

/// From nothing to a canary that runs from the saved file.
#[test]
fn a_canary_is_made_tried_saved_and_served() {
    let folder = tempfile::tempdir().unwrap();
    let (stable, canary) = (Server::start("stable"), Server::start("canary"));
    let typed = format!(
        "service stable {}\nservice canary {}\nservice app stable=9 canary=1 sticky group\n\
         router app Host(`app.test`) -> app\n\
         GET http://app.test/ -n 100\nexpect 200\n\
         expect share {} 10..10\n\
         GET http://app.test/ -j\nexpect header set-cookie\nGET http://app.test/ -j -n 20\n\
         save canary.yaml\nsave canary-objects.yaml kubernetes\n",
        stable.url, canary.url, canary.url
    );
    let ended = session(folder.path(), &[], &typed);
    assert_eq!(ended.code, 0, "{}", ended.said);
    let whole = ended.said.lines().filter(|line| line.contains("    20  100.0 %")).count();
    assert_eq!(whole, 2, "all of them went to one server: {}", ended.said);

    let checked = Command::new(BINARY)
        .args(["check", "canary-objects.yaml", "--entryPoints.web.address=127.0.0.1:0"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}");

    let again = session(
        folder.path(),
        &["canary.yaml", "--json"],
        "GET http://app.test/ -n 50\nexpect 200\n",
    );
    assert_eq!(again.code, 0, "{}", again.said);
    let line = again.said.lines().nth(1).unwrap();
    let answer: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(answer["servers"][&canary.url], 5, "{answer}");
    assert_eq!(answer["servers"][&stable.url], 45, "{answer}");

    let objects = session(
        folder.path(),
        &["canary-objects.yaml", "--json"],
        "GET http://app.test/ -n 10\nexpect 200\n",
    );
    assert_eq!(objects.code, 0, "{}", objects.said);
}

#[test]
fn an_instance_is_taken_over_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start("a");
    let dynamic = format!(
        "http:\n  routers: {{a: {{rule: 'Host(`a.test`)', service: a, middlewares: [p]}}}}\n  \
         middlewares: {{p: {{addPrefix: {{prefix: /p}}}}}}\n  \
         services: {{a: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}}}\n",
        server.url
    );
    fs::write(folder.path().join("dynamic.yaml"), dynamic).unwrap();
    let at = format!("127.0.0.1:{}", free_port());
    let api = format!("--entryPoints.traefik.address={at}");
    let _running = instance(folder.path(), &at, &[&api, "--api.insecure"]);
    let typed = format!(
        "attach http://{at}\nGET http://a.test/x\nexpect 200\nexpect router a\n\
         expect server {}\ndrop router a\nGET http://a.test/x\nexpect 404\n",
        server.url
    );
    let ended = session(folder.path(), &[], &typed);
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert!(ended.said.contains("uri: /x -> /p/x"), "{}", ended.said);
}

/// As an API in production is reached: by HTTPS and a password.
#[test]
fn an_instance_behind_tls_and_a_password_is_attached() {
    const NAME: &str = "localhost";
    // The password is `secret`.
    const USER: &str = "me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    fs::write(folder.path().join("cert"), made.cert.pem()).unwrap();
    fs::write(folder.path().join("key"), made.signing_key.serialize_pem()).unwrap();
    let dynamic = "http:\n  routers: {api: {rule: 'Host(`localhost`) && PathPrefix(`/edge/`)', \
         service: api@internal, middlewares: [strip, auth], tls: {}}}\n  \
         middlewares:\n    strip: {stripPrefix: {prefixes: [/edge]}}\n    \
         auth: {basicAuth: {users: ['USER']}}\n\
         tcp: {routers: {db: {rule: 'HostSNI(`*`)', service: db, entryPoints: [postgres]}}, \
         services: {db: {loadBalancer: {servers: [{address: '127.0.0.1:1'}]}}}}\n\
         tls: {certificates: [{certFile: cert, keyFile: key}]}\n";
    fs::write(folder.path().join("dynamic.yaml"), dynamic.replace("USER", USER)).unwrap();
    let at = format!("127.0.0.1:{}", free_port());
    let entry_point = format!("--entryPoints.websecure.address={at}");
    let more = "--entryPoints.postgres.address=127.0.0.1:0";
    let _running = instance(folder.path(), &at, &[&entry_point, "--api", more]);
    let port = at.rsplit_once(':').unwrap().1;
    let attach = |trusting: bool, user: &str| {
        let roots = [("SSL_CERT_FILE", "cert")];
        let typed = format!(
            "attach https://{user}{NAME}:{port}/edge\n\
             middleware auth basicAuth {{users: ['{USER}']}}\n\
             GET https://{NAME}/edge/x\nexpect router api\nexpect 401\n"
        );
        session_with(if trusting { &roots } else { &[] }, folder.path(), &[], &typed)
    };
    let ended = attach(true, "me:secret@");
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert!(
        ended.said.contains("hides secrets, which you must give anew, of: auth"),
        "{}",
        ended.said
    );
    let refused = attach(true, "me:wrong@");
    assert!(refused.code != 0 && refused.said.contains("401"), "{}", refused.said);
    let doubted = attach(false, "me:secret@");
    assert!(doubted.code != 0 && doubted.said.contains("certificate"), "{}", doubted.said);

    let api = format!("https://me:secret@{NAME}:{port}/edge");
    let url = format!("https://{NAME}/edge/x");
    let explain = Command::new(BINARY)
        .args(["explain", "GET", &url, "--api", &api])
        .env("SSL_CERT_FILE", folder.path().join("cert"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&explain.stdout).into_owned();
    assert!(explain.status.success() && said.contains("api@file"), "{said} {explain:?}");
}

/// Moongate with `dynamic.yaml` of a folder, once it listens at an address.
fn instance(folder: &Path, at: &str, arguments: &[&str]) -> Running {
    let child = Command::new(BINARY)
        .args(arguments)
        .arg("--entryPoints.web.address=127.0.0.1:0")
        .arg("--providers.file.filename=dynamic.yaml")
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut running = Running(child.unwrap());
    poll::until("the instance listens", LIMIT, || {
        assert!(running.0.try_wait().unwrap().is_none());
        std::net::TcpStream::connect(at).ok()
    });
    running
}

/// Types into a real terminal: completion, a line that goes on, colours, and the end.
#[test]
fn at_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("tmux");
    let tmux = |arguments: &[&str]| {
        let run = Command::new("tmux").arg("-S").arg(&socket).args(arguments).output();
        let run = run.expect("tmux, which tests/run installs");
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    let state = format!("XDG_STATE_HOME={}", folder.path().display());
    let command = format!("env {state} TERM=screen {BINARY} repl; echo it has ended with $?; cat");
    tmux(&["new-session", "-d", "-x", "110", "-y", "40", &command]);
    let shows = |what: &str| {
        poll::until(what, LIMIT, || tmux(&["capture-pane", "-p"]).contains(what).then_some(()));
    };
    shows("moongate>");
    tmux(&["send-keys", "Hos", "Tab", "(`a.test`) &&", "Enter", "Pat", "Tab", "(`/x`)", "Enter"]);
    shows("2 conditions, priority 28");
    tmux(&["send-keys", "GET http://a.test/x", "Enter"]);
    shows("answer      200 OK");
    let coloured = tmux(&["capture-pane", "-p", "-e"]);
    assert!(coloured.contains("\u{1b}[36mHost"), "{coloured}");
    tmux(&["send-keys", "C-d"]);
    shows("it has ended with 0");
    tmux(&["kill-server"]);
    let history = fs::read_to_string(folder.path().join("moongate/history")).unwrap();
    assert!(history.contains("GET http://a.test/x"), "{history}");
}

struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that answers every request with its name.
struct Server {
    url: String,
}

impl Server {
    fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                        let length = name.len();
                        let answer =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url }
    }
}

/// Where golden sessions are.
#[test]
fn every_golden_session_is_run() {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/repl");
    let here = include_str!("repl.rs");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(here.contains(&format!("golden(\"{name}\"")), "{name} is not run");
    }
}

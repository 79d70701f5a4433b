//! What a packager gets: completions that shells read, a manual page, a Debian package whose files
//! run as they are, and a unit that systemd takes.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "support/poll.rs"]
mod poll;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_moongate");
const LIMIT: Duration = Duration::from_secs(20);

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(home()).output().unwrap()
}

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn bash_completes_commands_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    let script = run(BINARY, &["completion", "bash"]);
    let path = folder.path().join("moongate");
    fs::write(&path, &script.stdout).unwrap();
    for (typed, expect) in [
        ("moongate re", "repl"),
        ("moongate check --j", "--json"),
        ("moongate --providers.file.dir", "--providers.file.directory="),
    ] {
        let words: Vec<&str> = typed.split(' ').collect();
        let program = format!(
            "source {}; COMP_WORDS=({typed}); COMP_CWORD={}; _moongate; echo \"${{COMPREPLY[@]}}\"",
            path.display(),
            words.len() - 1
        );
        let completed = run("bash", &["-c", &program]);
        let got = said(&completed);
        assert!(got.split_whitespace().any(|word| word == expect), "{typed}: {got}");
    }
}

#[test]
fn there_is_a_completion_for_each_shell_and_no_other() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(BINARY, &["completion", shell]);
        assert!(script.status.success());
        let text = said(&script);
        for command in ["repl", "check", "completion", "man"] {
            assert!(text.contains(command), "{shell}: {command}");
        }
    }
    let other = run(BINARY, &["completion", "tcsh"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(said(&other).contains("bash, zsh, fish"), "{}", said(&other));
}

#[test]
fn the_manual_page_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moongate.1");
    fs::write(&path, run(BINARY, &["man"]).stdout).unwrap();
    let page = run("man", &["--warnings", "-P", "cat", "-l", path.to_str().unwrap()]);
    let text = said(&page);
    assert!(page.status.success(), "{text}");
    assert!(!text.contains("warning"), "{text}");
    for words in ["NAME", "COMMANDS", "moongate repl", "EXIT STATUS"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn the_debian_package_runs_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    // Compressing would take a minute, and the test looks at what is inside.
    let build = Command::new("packaging/build-deb")
        .args([BINARY, folder.path().to_str().unwrap()])
        .env("COMPRESSION", "none")
        .current_dir(home())
        .output();
    let built = build.unwrap();
    assert!(built.status.success(), "{}", said(&built));
    let package = String::from_utf8(built.stdout).unwrap().trim().to_owned();
    let control = said(&run("dpkg-deb", &["--info", &package]));
    assert!(control.contains("Package: moongate"), "{control}");
    assert!(control.contains(&format!("Version: {}", env!("CARGO_PKG_VERSION"))), "{control}");

    let root = folder.path().join("root");
    let unpacked = run("dpkg-deb", &["--extract", &package, root.to_str().unwrap()]);
    assert!(unpacked.status.success(), "{}", said(&unpacked));
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/moongate.service")).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();

    // The unit's command in the root of the package; only the port is another.
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = held.local_addr().unwrap();
    drop(held);
    let configuration = root.join("etc/moongate/moongate.yaml");
    let text = fs::read_to_string(&configuration).unwrap();
    let text = text.replace("\":80\"", &format!("\"{at}\""));
    let text = text.replace("/etc/moongate", root.join("etc/moongate").to_str().unwrap());
    fs::write(&configuration, text).unwrap();
    let mut words = start.split(' ').map(|word| within(&root, word));
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir(root.join("etc/moongate"));
    let mut process = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let answer = poll::until("ping answers", LIMIT, || {
        assert!(process.0.try_wait().unwrap().is_none());
        let mut stream = TcpStream::connect(at).ok()?;
        stream.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    });
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("OK"), "{answer}");
}

/// A word of the unit's command, whose paths are below another root.
fn within(root: &Path, word: &str) -> String {
    let root = root.display();
    match word.split_once("=/") {
        Some((flag, path)) => format!("{flag}={root}/{path}"),
        None => word.strip_prefix('/').map_or(word.to_owned(), |path| format!("{root}/{path}")),
    }
}

#[test]
fn systemd_takes_the_unit_and_finds_little_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let unit = fs::read_to_string(home().join("packaging/systemd/moongate.service")).unwrap();
    // The command must be there for the check, and is elsewhere.
    let path = folder.path().join("moongate.service");
    fs::write(&path, unit.replace("/usr/bin/moongate", BINARY).replace("Documentation=", "#"))
        .unwrap();
    let path = path.to_str().unwrap();
    let verified = run("systemd-analyze", &["verify", path]);
    let ours: Vec<String> = said(&verified)
        .lines()
        .filter(|l| l.contains("moongate.service"))
        .map(str::to_owned)
        .collect();
    assert!(ours.is_empty(), "{ours:?}");
    let rated = run("systemd-analyze", &["security", "--offline=true", "--threshold=25", path]);
    assert!(rated.status.success(), "{}", said(&rated));
}

struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! One process replaces another: no request is lost, sockets are given by systemd.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use support::{Answer, Backend, Client, Moongate, to, until};

/// Clients that ask all the time, over kept connections and over fresh ones.
struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<usize>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let ask = |is_kept: bool| {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            thread::spawn(move || {
                let mut failed = 0;
                let mut client: Option<Client> = None;
                while !stop.load(Ordering::SeqCst) {
                    let mut open = client.take().unwrap_or_else(|| Client::connect(address));
                    let reply = open.send("GET", "h", "/", &[], b"");
                    failed += usize::from(reply.status != 200 || !reply.complete);
                    count.fetch_add(1, Ordering::SeqCst);
                    let goes_on = reply.header("connection") != Some("close");
                    client = (is_kept && goes_on && reply.status == 200).then_some(open);
                }
                failed
            })
        };
        let threads = [true, true, true, false].map(ask).into();
        Self { stop, count, threads }
    }

    /// Waits for so many more requests.
    fn more(&self, count: usize) {
        let goal = self.count.load(Ordering::SeqCst) + count;
        until("requests go on", || (self.count.load(Ordering::SeqCst) >= goal).then_some(()));
    }

    /// How many requests have failed.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    }
}

#[test]
fn no_request_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("--restart.socket={}", folder.path().join("s").display());
    let backend = Backend::echo("a");
    let start = || Moongate::with(&to(&backend), &[&socket, "--entryPoints.web.http3=true"]);
    let mut running = start();
    let address = running.address("web");
    let load = Load::start(address);
    load.more(200);
    for _ in 0..3 {
        let next = start();
        assert_eq!(next.address("web"), address);
        load.more(200);
        let before = std::mem::replace(&mut running, next);
        until("the old one ends", || before.has_ended().then_some(()));
    }
    assert_eq!(load.end(), 0);
}

#[test]
fn open_requests_and_idle_connections_are_served_by_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("--restart.socket={}", folder.path().join("s").display());
    let backend = Backend::start("a", Answer::Echo);
    let old = Moongate::with(&to(&backend), &[&socket]);
    let mut idle = old.client();
    assert_eq!(idle.send("GET", "h", "/", &[], b"").status, 200);
    let mut slow = old.client();
    slow.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab");
    let new = Moongate::with(&to(&backend), &[&socket]);
    slow.write(b"c");
    let reply = slow.reply(false);
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    let reply = idle.send("GET", "h", "/", &[], b"");
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    until("the old one ends", || old.has_ended().then_some(()));
    assert_eq!(new.get("h", "/").status, 200);
}

#[test]
fn one_that_does_not_start_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("--restart.socket={}", folder.path().join("s").display());
    let backend = Backend::echo("a");
    let old = Moongate::with(&to(&backend), &[&socket]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_moongate"))
        .arg(&socket)
        .arg("--entryPoints.web.address=127.0.0.1:0")
        .arg(format!("--entryPoints.more.address={}", taken.local_addr().unwrap()))
        .output()
        .unwrap();
    assert!(!output.status.success());
    for _ in 0..20 {
        assert_eq!(old.get("h", "/").status, 200);
    }
    assert!(!old.has_ended());
}

/// A process in which descriptors 3 and on are open sockets, as systemd starts one.
#[test]
fn sockets_come_from_systemd_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (web, other) = (TcpListener::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
    let (web, other) = (web.unwrap(), other.unwrap());
    let backend = Backend::echo("a");
    std::fs::write(folder.path().join("d.yaml"), to(&backend)).unwrap();
    // The shell names the process before it becomes Moongate, since the number must be its own.
    let script = "exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_moongate")])
        .arg("--entryPoints.web.address=127.0.0.1:1")
        .arg(format!("--providers.file.filename={}/d.yaml", folder.path().display()))
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", "web:dns")
        .stdin(OwnedFd::from(web.try_clone().unwrap()))
        .stdout(OwnedFd::from(other))
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let address = web.local_addr().unwrap();
    let reply = Client::connect(address).send("GET", "h", "/", &[], b"");
    assert_eq!(reply.status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
}

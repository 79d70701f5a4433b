//! Three replicas that share Redis: one orders, all prove and serve, and the death of the one that
//! orders costs nothing but time.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::pebble::{self, Pebble, Settings, free_ports, kept_account};
use support::{Backend, Process, SOON, poll};

/// A leader that is dead is waited for.
const LATER: Duration = Duration::from_secs(90);

/// A Redis of this test's own.
struct Redis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--requirepass", "moon"]).arg("--dir").arg(folder.path());
        let child = command.stdout(Stdio::null()).spawn().expect("redis-server starts");
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        poll::until("Redis listens", SOON, || TcpStream::connect(at).ok());
        Self { child, port, _folder: folder }
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "-a", "moon", "--no-auth-warning"]);
        let output = command.args(arguments).output().expect("redis-cli");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // The test may have failed before it was there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Holds what an authority asks until it is let through to a replica.
struct Gate {
    port: u16,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    fn to(replica: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_open = Arc::<AtomicBool>::default();
        let open = Arc::clone(&is_open);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let open = Arc::clone(&open);
                thread::spawn(move || {
                    poll::until("the gate opens", LATER, || {
                        open.load(Ordering::Relaxed).then_some(())
                    });
                    let server = TcpStream::connect(replica).unwrap();
                    let (mut from, mut to) =
                        (client.try_clone().unwrap(), server.try_clone().unwrap());
                    thread::spawn(move || io::copy(&mut from, &mut to));
                    // Either may go first.
                    let _ = io::copy(&mut &server, &mut &client);
                    let _ = client.shutdown(std::net::Shutdown::Both);
                });
            }
        });
        Self { port, is_open }
    }
}

#[test]
fn one_of_three_orders_and_its_death_loses_nothing() {
    let redis = Redis::start();
    let account: serde_json::Value = serde_json::from_str(&kept_account()).unwrap();
    let key = "{moongate/acme/le}/kept";
    redis.cli(&["SET", key, &account["le"].to_string()]);
    let mut pebble = Pebble::asleep(Settings::at(1, 1));
    let backend = Backend::echo("s");
    let folder = tempfile::tempdir().unwrap();
    let dynamic = folder.path().join("dynamic.yaml");
    std::fs::write(&dynamic, "http: {}\n").unwrap();
    let mut flags = pebble.flags("unused.json");
    let le = "--certificatesResolvers.le.acme";
    flags.extend([
        format!("{le}.sharedStorage.redis.endpoint=127.0.0.1:{}", redis.port),
        format!("{le}.sharedStorage.redis.password=moon"),
        format!("{le}.httpChallenge.entryPoint=web"),
        format!("--providers.file.filename={}", dynamic.display()),
        "--providers.providersThrottleDuration=0".to_owned(),
        "--ping".to_owned(),
        "--log.level=INFO".to_owned(),
        "--workers=1".to_owned(),
    ]);
    let names = ["web", "secure", "traefik"];
    let mut replicas: Vec<Process> = (0..3).map(|_| Process::alone(&names, &flags)).collect();
    let leads = |process: &Process| process.words().contains("this replica orders certificates");
    let leader = poll::until("one leads", SOON, || replicas.iter().position(leads));
    assert_eq!(replicas.iter().filter(|process| leads(process)).count(), 1);

    // Another replica than the leader is asked for the proof, and not before the leader is dead.
    let other = (leader + 1) % replicas.len();
    let gate = Gate::to(replicas[other].address("web"));
    pebble.look_at(gate.port);
    pebble.rise();
    let router = "a: {rule: 'Host(`a.test`)', service: s, tls: {certResolver: le}}";
    let server = format!("{{loadBalancer: {{servers: [{{url: '{}'}}]}}}}", backend.url());
    let text = format!("http:\n  routers:\n    {router}\n  services:\n    s: {server}\n");
    let next = folder.path().join("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, &dynamic).unwrap();
    poll::until("an order", LATER, || (pebble.orders() == 1).then_some(()));
    poll::until("the proof is shared", LATER, || {
        redis.cli(&["KEYS", "moongate/acme/proofs/*"]).contains("http/a.test").then_some(())
    });
    replicas[leader].kill();
    replicas.remove(leader);
    gate.is_open.store(true, Ordering::Relaxed);

    let root = pebble.root();
    let shown = |process: &Process| {
        let shown = || pebble::shown(process.address("secure"), &root, "a.test");
        poll::until("a certificate", LATER, shown).to_vec()
    };
    let first = shown(&replicas[0]);
    assert_eq!(shown(&replicas[1]), first);
    assert_eq!((pebble.orders(), pebble.issued()), (2, 1));
    assert_eq!(replicas.iter().filter(|process| leads(process)).count(), 1);

    // Redis may go away: what is served stays. No secret is in a log.
    drop(redis);
    assert_eq!(shown(&replicas[0]), first);
    for process in &replicas {
        let words = process.words();
        assert!(!words.contains("moon\"") && !words.contains("PRIVATE"), "{words}");
    }
}

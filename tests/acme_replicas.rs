//! Three replicas that share Redis, or the Secrets of a cluster: one orders, all prove and serve,
//! and the death of the one that orders costs nothing but time.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::pebble::{self, Pebble, Settings, kept_account};
use support::redis::Redis;
use support::{Backend, Cluster, Process, SOON, poll};

/// A leader that is dead is waited for.
const LATER: Duration = Duration::from_secs(90);

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

/// A place that replicas share.
trait Place {
    /// What resolvers are told of it.
    fn flags(&self) -> Vec<String>;

    /// Starts a replica.
    fn replica(&self, flags: &[String]) -> Process {
        Process::alone(&ENTRYPOINTS, flags)
    }

    /// Whether a proof of `a.test` is shared.
    fn has_proof(&self) -> bool;
}

const ENTRYPOINTS: [&str; 3] = ["web", "secure", "traefik"];

impl Place for Redis {
    fn flags(&self) -> Vec<String> {
        let redis = "--certificatesResolvers.le.acme.sharedStorage.redis";
        let endpoint = format!("{redis}.endpoint=127.0.0.1:{}", self.port);
        vec![endpoint, format!("{redis}.password=moon")]
    }

    fn has_proof(&self) -> bool {
        self.cli(&["KEYS", "moongate/acme/proofs/*"]).contains("http/a.test")
    }
}

impl Place for Cluster {
    fn flags(&self) -> Vec<String> {
        let kubernetes = "--certificatesResolvers.le.acme.sharedStorage.kubernetes";
        vec![format!("{kubernetes}.namespace=default")]
    }

    fn replica(&self, flags: &[String]) -> Process {
        Process::start(self, &ENTRYPOINTS, flags)
    }

    fn has_proof(&self) -> bool {
        let secrets = self.kubectl(&["get", "secrets", "-l", "moongate.io/acme-proof"], "");
        secrets.contains("moongate-acme-")
    }
}

/// Three replicas, of which the one that orders dies in the middle of it.
struct Scene {
    pebble: Pebble,
    replicas: Vec<Process>,
    _backend: Backend,
    _folder: tempfile::TempDir,
}

fn leads(process: &Process) -> bool {
    process.words().contains("this replica orders certificates")
}

impl Scene {
    fn with(place: &impl Place) -> Self {
        let mut pebble = Pebble::asleep(Settings::at(1, 1));
        let backend = Backend::echo("s");
        let folder = tempfile::tempdir().unwrap();
        let dynamic = folder.path().join("dynamic.yaml");
        std::fs::write(&dynamic, "http: {}\n").unwrap();
        let mut flags = pebble.flags("unused.json");
        flags.extend(place.flags());
        flags.extend([
            "--certificatesResolvers.le.acme.httpChallenge.entryPoint=web".to_owned(),
            format!("--providers.file.filename={}", dynamic.display()),
            "--providers.providersThrottleDuration=0".to_owned(),
            "--ping".to_owned(),
            "--log.level=INFO".to_owned(),
            "--workers=1".to_owned(),
        ]);
        let mut replicas: Vec<Process> = (0..3).map(|_| place.replica(&flags)).collect();
        let leader = poll::until("one leads", SOON, || replicas.iter().position(leads));
        assert_eq!(replicas.iter().filter(|process| leads(process)).count(), 1);

        // Another replica than the leader is asked for the proof, and not before that is dead.
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
        poll::until("the proof is shared", LATER, || place.has_proof().then_some(()));
        replicas[leader].kill();
        replicas.remove(leader);
        gate.is_open.store(true, Ordering::Relaxed);
        Self { pebble, replicas, _backend: backend, _folder: folder }
    }

    fn shown(&self, replica: usize) -> Vec<u8> {
        let (root, at) = (self.pebble.root(), self.replicas[replica].address("secure"));
        poll::until("a certificate", LATER, || pebble::shown(at, &root, "a.test")).to_vec()
    }

    /// Both that are left serve the one certificate, and one of them orders now.
    fn check(&self) {
        assert_eq!(self.shown(0), self.shown(1));
        assert_eq!((self.pebble.orders(), self.pebble.issued()), (2, 1));
        assert_eq!(self.replicas.iter().filter(|process| leads(process)).count(), 1);
        for process in &self.replicas {
            let words = process.words();
            assert!(!words.contains("moon\"") && !words.contains("PRIVATE"), "{words}");
        }
    }
}

#[test]
fn replicas_share_redis() {
    let redis = Redis::start(&["--requirepass", "moon"]);
    let account: serde_json::Value = serde_json::from_str(&kept_account()).unwrap();
    redis.cli(&["SET", "{moongate/acme/le}/kept", &account["le"].to_string()]);
    let scene = Scene::with(&redis);
    scene.check();
    // What is served stays while Redis is away.
    drop(redis);
    scene.shown(0);
}

#[test]
fn replicas_share_secrets_of_a_cluster() {
    let cluster = Cluster::start();
    let account: serde_json::Value = serde_json::from_str(&kept_account()).unwrap();
    let kept = account["le"].to_string();
    // The name is made of the resolver's.
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ACCOUNT, "namespace": "default"},
        "stringData": {"kept": kept},
    });
    cluster.apply(&secret.to_string());
    let scene = Scene::with(&cluster);
    scene.check();
    // A proof of the one that died may still be there, until the next one is shared.
    let ours = ["get", "secrets", "-l", "moongate.io/acme-resolver", "-o", "name"];
    let secrets = cluster.kubectl(&ours, "");
    assert_eq!(secrets.lines().count(), 2, "account and certificate: {secrets}");
}

/// The Secret of the account of a resolver `le`.
const ACCOUNT: &str = "moongate-acme-61098a4bf2a5e216";

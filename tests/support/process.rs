//! The binary as a process of its own, as a container runs it: flags, a kubeconfig, and a log.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use super::{Client, Cluster, Reply, SOON, poll};

/// A running Moongate.
pub(crate) struct Process {
    child: Child,
    folder: tempfile::TempDir,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Process {
    /// Starts with these flags; `--entryPoints.NAME.address=` is given a free port of the loopback
    /// address for every name in `entrypoints`. Returns when ping answers.
    pub(crate) fn start(cluster: &Cluster, entrypoints: &[&str], flags: &[String]) -> Self {
        Self::with_env(cluster, entrypoints, flags, &[])
    }

    /// The same with variables of the environment.
    pub(crate) fn with_env(
        cluster: &Cluster,
        entrypoints: &[&str],
        flags: &[String],
        env: &[(&str, &str)],
    ) -> Self {
        Self::spawn(entrypoints, flags, |command| {
            command.env("KUBECONFIG", cluster.kubeconfig()).envs(env.iter().copied());
        })
    }

    /// The same without a cluster.
    pub(crate) fn alone(entrypoints: &[&str], flags: &[String]) -> Self {
        Self::spawn(entrypoints, flags, |_| ())
    }

    fn spawn(entrypoints: &[&str], flags: &[String], adjust: impl Fn(&mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // All are held until all are known, so that they differ.
        let held: Vec<_> =
            entrypoints.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = held.iter().map(|listener| listener.local_addr().unwrap());
        let names = entrypoints.iter().map(|name| (*name).to_owned());
        let addresses: BTreeMap<_, _> = names.zip(addresses).collect();
        drop(held);
        let log = File::create(folder.path().join("log")).unwrap();
        let binds = addresses.iter().map(|(name, at)| format!("--entryPoints.{name}.address={at}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_moongate"));
        command.args(flags).args(binds).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        adjust(&mut command);
        let child = command.spawn().expect("the binary starts");
        let mut process = Self { child, folder, addresses };
        process.wait_for_ping();
        process
    }

    fn wait_for_ping(&mut self) {
        poll::until("ping answers", SOON, || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended with {ended:?}: {}", self.words());
            let address = self.address("traefik");
            // Nobody may listen yet.
            std::net::TcpStream::connect(address).ok()?;
            let reply = Client::connect(address).send("GET", "localhost", "/ping", &[], b"");
            (reply.status == 200 && reply.body == b"OK").then_some(())
        });
    }

    /// Where an entrypoint listens.
    pub(crate) fn address(&self, entrypoint: &str) -> SocketAddr {
        self.addresses[entrypoint]
    }

    /// One GET on an entrypoint, over a connection of its own.
    pub(crate) fn get(&self, entrypoint: &str, host: &str, path: &str) -> Reply {
        Client::connect(self.address(entrypoint)).send("GET", host, path, &[], b"")
    }

    /// What it has said so far, the access log included.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it without a word, as the system does when memory is short.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The identity of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! What integration tests stand on: a Moongate in this process, servers behind it, and a client
//! that says exactly what a test wants said. All sockets are real.

#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests may fail")]

mod backend;
pub(crate) mod browser;
mod client;
mod cluster;
pub(crate) mod mmdb;
pub(crate) mod pebble;
pub(crate) mod poll;
pub(crate) mod ports;
mod process;
pub(crate) mod redis;
pub(crate) mod tutorial;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use moongate::app::App;
use moongate::config::{Static, System, load};
use tokio::sync::oneshot;

pub(crate) use backend::{Answer, Backend, Seen};
pub(crate) use client::{Client, Reply};
pub(crate) use cluster::{Cluster, Request};
pub(crate) use process::Process;

/// How long anything may take that should happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A Moongate in this process.
pub(crate) struct Moongate {
    folder: tempfile::TempDir,
    addresses: Vec<(String, SocketAddr)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Moongate {
    /// Starts with that dynamic configuration and an entrypoint `web`.
    pub(crate) fn start(dynamic: &str) -> Self {
        Self::with(dynamic, &[])
    }

    /// Starts with further flags.
    pub(crate) fn with(dynamic: &str, flags: &[&str]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), dynamic, flags)
    }

    /// Starts in a folder that holds files already.
    pub(crate) fn in_folder(folder: tempfile::TempDir, dynamic: &str, flags: &[&str]) -> Self {
        std::fs::write(folder.path().join("dynamic.yaml"), dynamic).unwrap();
        let mut args: Vec<String> = vec![
            "--entryPoints.web.address=127.0.0.1:0".into(),
            "--entryPoints.traefik.address=127.0.0.1:0".into(),
            "--api.insecure".into(),
            "--ping".into(),
            "--providers.providersThrottleDuration=0".into(),
            format!("--providers.file.filename={}/dynamic.yaml", folder.path().display()),
        ];
        args.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let root = load(&args, &System::default()).unwrap().root;
        let plan = Static::resolve(root, 2).unwrap();
        let (told, tell) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.unwrap();
            runtime.block_on(async {
                let mut app = App::start(plan, None).await.unwrap();
                let all = app.addresses().iter().map(|(name, at)| (name.to_string(), *at));
                told.send(all.collect()).unwrap();
                tokio::select! {
                    // The test may end by a panic, which drops the sender.
                    _ = stopped => app.stop().await,
                    estate = app.replaced() => app.make_way(estate).await,
                }
            });
            runtime.shutdown_background();
        });
        let addresses = tell.recv_timeout(SOON).expect("Moongate starts");
        Self { folder, addresses, stop: Some(stop), thread: Some(thread) }
    }

    /// Where an entrypoint listens.
    pub(crate) fn address(&self, entrypoint: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(name, _)| name == entrypoint);
        found.unwrap_or_else(|| panic!("no entrypoint {entrypoint}")).1
    }

    /// A fresh connection to the entrypoint `web`.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address("web"))
    }

    /// One GET over a connection of its own.
    pub(crate) fn get(&self, host: &str, path: &str) -> Reply {
        self.client().send("GET", host, path, &[], b"")
    }

    /// The body of a GET on the API, as JSON.
    pub(crate) fn api(&self, path: &str) -> serde_json::Value {
        let reply = Client::connect(self.address("traefik")).send("GET", "api", path, &[], b"");
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    /// The folder of its configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file beside the dynamic configuration.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the dynamic configuration by renaming a new file over it.
    pub(crate) fn configure(&self, dynamic: &str) {
        let next = self.file("next.yaml.new");
        std::fs::write(&next, dynamic).unwrap();
        std::fs::rename(next, self.file("dynamic.yaml")).unwrap();
    }

    /// Tells it to stop; the graceful stop goes on in its thread.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(thread::JoinHandle::is_finished)
    }
}

impl Drop for Moongate {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Asks again and again until the answer is right, within the limit.
pub(crate) fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll::until(what, SOON, ask)
}

/// A router whose requests pass one middleware on their way to a server.
pub(crate) fn through(middleware: &str, url: &str) -> String {
    let router = "{rule: 'PathPrefix(`/`)', service: all, middlewares: [it]}";
    let service = format!("{{loadBalancer: {{servers: [{{url: '{url}'}}]}}}}");
    format!(
        "http:\n  routers:\n    all: {router}\n  middlewares:\n    it: {{{middleware}}}\n  \
         services:\n    all: {service}\n"
    )
}

/// A configuration with one router that takes everything to one server.
pub(crate) fn to(backend: &Backend) -> String {
    format!(
        "http:\n  routers:\n    all: {{rule: 'PathPrefix(`/`)', service: all}}\n  services:\n    \
         all: {{loadBalancer: {{servers: [{{url: '{}'}}]}}}}\n",
        backend.url()
    )
}

//! A Kubernetes API for tests: the server of `tests/kube-apiserver` with its etcd, and kubectl.
//!
//! `ETCD` and `KUBECTL` name other binaries than those on the `PATH`. Nothing outside a test's
//! folder is read or written, and nothing runs on when the test has ended, however it ends.
//! Must not know what is tested.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::poll;

/// How long the API may take to start on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A Kubernetes API with nothing in it but the namespaces `default` and `kube-system`.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    options: Vec<String>,
    server: Option<Child>,
}

/// One request as the API got it, in the words of RBAC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Request {
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Set where the request is not about a resource.
    pub(crate) path: String,
    /// The client's `User-Agent`.
    pub(crate) agent: String,
}

impl Default for Request {
    fn default() -> Self {
        let [verb, group, resource, subresource, namespace, name, path, agent] =
            std::array::from_fn(|_| String::new());
        Self { verb, group, resource, subresource, namespace, name, path, agent }
    }
}

impl Cluster {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with further options of the server, which its README lists.
    pub(crate) fn with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self { folder, options: Vec::new(), server: None };
        cluster.options.extend(options.iter().map(|option| (*option).to_owned()));
        cluster.run();
        cluster
    }

    /// Starts one that has the definitions of `crds/`.
    pub(crate) fn with_definitions() -> Self {
        let cluster = Self::start();
        cluster.define();
        cluster
    }

    /// Applies the definitions of `crds/` and waits until they are served.
    pub(crate) fn define(&self) {
        let crds = root().join("crds");
        self.kubectl(&["apply", "--server-side", "-f", crds.to_str().unwrap()], "");
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all"], "");
    }

    /// What client libraries and `KUBECONFIG` want.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.api().join("kubeconfig")
    }

    /// The API's URL.
    pub(crate) fn endpoint(&self) -> String {
        let config = fs::read_to_string(self.kubeconfig()).unwrap();
        let server = config.lines().find_map(|line| line.trim().strip_prefix("server: "));
        server.expect("a kubeconfig names its server").to_owned()
    }

    /// The file with the token that may do everything.
    pub(crate) fn token(&self) -> PathBuf {
        self.api().join("token")
    }

    /// The file with the authority of the API's certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.api().join("ca.crt")
    }

    /// Applies manifests, as kubectl does without further options.
    pub(crate) fn apply(&self, manifests: &str) -> String {
        self.kubectl(&["apply", "-f", "-"], manifests)
    }

    /// Deletes the objects of manifests.
    pub(crate) fn delete(&self, manifests: &str) -> String {
        self.kubectl(&["delete", "--wait=false", "-f", "-"], manifests)
    }

    /// Gives a Service of `default` its endpoints, as a cluster does for pods at these addresses.
    pub(crate) fn endpoints(&self, service: &str, port: &str, pods: &[SocketAddr]) {
        let slices = pods.iter().enumerate().map(|(i, pod)| {
            format!(
                "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: \
                 {service}-{i}\n  labels: {{kubernetes.io/service-name: {service}}}\naddressType: \
                 IPv4\nports: [{{name: '{port}', port: {}}}]\nendpoints:\n- addresses: [{}]\n  \
                 conditions: {{ready: true}}\n---\n",
                pod.port(),
                pod.ip(),
            )
        });
        self.apply(&slices.collect::<String>());
    }

    /// Why the API or kubectl refuses manifests.
    pub(crate) fn refuses(&self, manifests: &str) -> String {
        let output = self.try_kubectl(&["apply", "-f", "-"], manifests);
        assert!(!output.status.success(), "accepted: {manifests}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// An object or a list, such as `ingress/shop`.
    pub(crate) fn get(&self, namespace: &str, what: &str) -> Value {
        let text = self.kubectl(&["get", "-n", namespace, what, "-o", "json"], "");
        serde_json::from_str(&text).unwrap()
    }

    /// What kubectl prints when it succeeds.
    pub(crate) fn kubectl(&self, args: &[&str], input: &str) -> String {
        let output = self.try_kubectl(args, input);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {args:?}: {words}\n{input}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// How kubectl ends.
    pub(crate) fn try_kubectl(&self, args: &[&str], input: &str) -> Output {
        let binary = std::env::var("KUBECTL").unwrap_or_else(|_| "kubectl".to_owned());
        let mut kubectl = Command::new(binary)
            .arg("--cache-dir")
            .arg(self.folder.path().join("kubectl"))
            .args(args)
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let mut stdin = kubectl.stdin.take().unwrap();
        // It may have refused its arguments, and so not read.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        kubectl.wait_with_output().unwrap()
    }

    /// Makes the API silent: connections stay open and nothing is answered.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Ends the silence.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Ends the API. Its objects are kept for [`Self::run`] when it was started with `--keep`
    /// and a `--port`.
    pub(crate) fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            server.wait().unwrap();
        }
    }

    /// Starts the API after it was stopped.
    pub(crate) fn run(&mut self) {
        let out = self.folder.path().join("out");
        let log = File::create(self.folder.path().join("log")).unwrap();
        let etcd = std::env::var("ETCD").unwrap_or_else(|_| "etcd".to_owned());
        let server = Command::new(binary())
            .args(["--stop-with-stdin", "--etcd", &etcd, "--dir"])
            .arg(self.api())
            .arg("--requests")
            .arg(self.folder.path().join("requests"))
            .args(&self.options)
            .stdin(Stdio::piped())
            .stdout(File::create(&out).unwrap())
            .stderr(log)
            .spawn();
        let server = self.server.insert(server.expect("the API starts"));
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        poll::until("the API is ready", START_LIMIT, || {
            let ended = server.try_wait().unwrap();
            assert!(ended.is_none(), "the API ended with {ended:?}:\n{}", log());
            fs::read_to_string(&out).unwrap().contains("ready").then_some(())
        });
    }

    /// The requests that the API got so far, those of kubectl left out.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let text = fs::read_to_string(self.folder.path().join("requests")).unwrap_or_default();
        let requests = text.lines().map(|line| serde_json::from_str::<Request>(line).unwrap());
        requests.filter(|request| !request.agent.starts_with("kubectl")).collect()
    }

    fn api(&self) -> PathBuf {
        self.folder.path().join("api")
    }

    fn signal(&self, name: &str) {
        let server = self.server.as_ref().expect("the API runs");
        let pid = server.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // It may be paused, and its data is not needed: etcd ends with it.
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The server's binary, built when it is older than its source.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let source = root().join("tests/kube-apiserver");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let binary = target.join("kube-apiserver-for-tests");
        // Other test binaries may want it at the same time.
        let lock = File::create(target.join("kube-apiserver-for-tests.lock")).unwrap();
        lock.lock().unwrap();
        if modified(&binary).is_none_or(|built| built < newest(&source)) {
            build(&source, &binary);
        }
        binary
    })
}

/// Builds beside and renames, since the one before may be running.
fn build(source: &Path, binary: &Path) {
    let new = binary.with_extension("new");
    let output = Command::new("go")
        .args(["build", "-ldflags=-s -w", "-o"])
        .arg(&new)
        .arg(".")
        .current_dir(source)
        .output()
        .expect("go starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "go build in {}: {words}", source.display());
    fs::rename(new, binary).unwrap();
}

fn newest(folder: &Path) -> SystemTime {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter_map(|file| modified(&file)).max().unwrap()
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

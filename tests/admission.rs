//! Kubernetes objects are checked before they are served: manifests, a cluster, and a webhook
//! that refuses with the same words.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use support::{Cluster, SOON, until};

/// Runs `moongate check`; its exit code and what it printed.
fn check(arguments: &[&str], kubeconfig: Option<&Path>, input: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moongate"));
    command.arg("check").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    let mut child = command.spawn().unwrap();
    // It may not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// An object with one thing wrong, and the words about it.
const BAD: &[(&str, &str)] = &[
    (
        "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata: {name: bad}\nspec:\n  \
         entryPoints: [web]\n  routes:\n  - {match: Host(`a`), services: [{name: a, port: 80}]}\n  \
         - {match: Hots(`b`), services: [{name: a, port: 80}]}\n",
        "IngressRoute default/bad: spec.routes[1]: ",
    ),
    (
        "apiVersion: traefik.containo.us/v1alpha1\nkind: Middleware\nmetadata: {name: bad, \
         namespace: team}\nspec:\n  lua: {code: 'return { request = function( end }'}\n",
        "Middleware team/bad: spec: ",
    ),
    (
        "apiVersion: traefik.io/v1alpha1\nkind: Middleware\nmetadata: {name: bad}\nspec:\n  \
         ipAllowList: {sourceRange: [10.0.0.0/33]}\n",
        "Middleware default/bad: spec",
    ),
    (
        "apiVersion: traefik.io/v1alpha1\nkind: IngressRouteTCP\nmetadata: {name: bad}\nspec:\n  \
         routes: [{match: HostSNI(a), services: [{name: a, port: 80}]}]\n",
        "IngressRouteTCP default/bad: spec.routes[0]: ",
    ),
    (
        "apiVersion: traefik.io/v1alpha1\nkind: TLSOption\nmetadata: {name: bad}\nspec:\n  \
         minVersions: VersionTLS12\n",
        "TLSOption default/bad: spec.minVersions: unknown option, did you mean \"minVersion\"?",
    ),
    (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: bad, annotations: \
         {traefik.ingress.kubernetes.io/router.priorty: '1'}}\nspec: {defaultBackend: {service: \
         {name: a, port: {number: 80}}}}\n",
        "Ingress default/bad: ",
    ),
];

#[test]
fn manifests_are_checked_with_file_object_path_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (object, words) in BAD {
        let file = folder.path().join("bad.yaml");
        fs::write(&file, format!("kind: Nothing\napiVersion: v1\n---\n{object}")).unwrap();
        let (code, text) = check(&[file.to_str().unwrap()], None, "");
        let expect = format!("error: {}: {words}", file.display());
        assert!(text.starts_with(&expect), "{object}\n{text}\n{expect}");
        assert_eq!(code, Some(1), "{text}");
    }
    let (code, text) = check(&["-", "--json"], None, BAD[0].0);
    let findings: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(findings[0]["source"], "standard input: IngressRoute default/bad");
    assert_eq!(findings[0]["path"], "spec.routes[1]");
    assert_eq!(code, Some(1));
    // Entrypoints count where there are any.
    let other = BAD[0].0.replace("Hots", "Host").replace("[web]", "[wbe]");
    let flags = ["-", "--entryPoints.web.address=:80"];
    assert_eq!(check(&["-"], None, &other).0, Some(0));
    let (code, text) = check(&flags, None, &other);
    assert!(text.contains("wbe"), "{text}");
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn the_examples_are_sound() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes");
    for folder in ["base", "tutorial"] {
        let (code, text) = check(&[examples.join(folder).to_str().unwrap()], None, "");
        assert_eq!(code, Some(0), "{folder}: {text}");
    }
}

#[test]
fn a_cluster_is_checked() {
    let cluster = Cluster::with_definitions();
    cluster.apply(BAD[0].0);
    let config = cluster.kubeconfig();
    let flags = ["--providers.kubernetescrd", "--entryPoints.web.address=:80"];
    let (code, text) = check(&flags, Some(&config), "");
    assert!(text.contains("IngressRoute default/bad"), "{text}");
    assert!(text.contains("Service default/a does not exist"), "{text}");
    assert_eq!(code, Some(1), "{text}");
    cluster
        .apply("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n");
    cluster.endpoints("a", "", &["127.0.0.1:1".parse().unwrap()]);
    let (code, text) = check(&flags, Some(&config), "");
    assert!(text.contains("Hots"), "{text}");
    assert_eq!(code, Some(1), "{text}");
    let good = BAD[0].0.replace("Hots", "Host");
    cluster.apply(&good);
    let (code, text) = check(&flags, Some(&config), "");
    assert_eq!((code, text.as_str()), (Some(0), "0 errors, 0 warnings\n"));
    // It looks and leaves no trace.
    let written = cluster.requests().into_iter().filter(|r| !matches!(&*r.verb, "list" | "watch"));
    assert_eq!(written.filter(|request| request.path.is_empty()).count(), 0);
}

/// A running webhook.
struct Webhook {
    child: Child,
    address: SocketAddr,
    root: CertificateDer<'static>,
    _folder: tempfile::TempDir,
}

impl Webhook {
    fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_moongate"))
            .arg("webhook")
            .arg(format!("--webhook.address={address}"))
            .arg(format!("--webhook.certFile={}", cert.display()))
            .arg(format!("--webhook.keyFile={}", key.display()))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let webhook = Self { child, address, root: made.cert.der().clone(), _folder: folder };
        until("the webhook is ready", || {
            TcpStream::connect(address).ok()?;
            let (status, body) = webhook.ask("GET", "/ping", "");
            (status == 200 && body == "OK").then_some(())
        });
        webhook
    }

    /// Status and body of an answer over TLS.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = rustls::ClientConnection::new(Arc::new(config), NAME.try_into().unwrap());
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut stream = rustls::StreamOwned::new(tls.unwrap(), stream);
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {length}\r\n\
             Content-Type: application/json\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        // The connection may end without a word of TLS, once the answer is there.
        let _ = stream.read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status.unwrap_or_default(), body.to_owned())
    }

    /// The response to a review of an object.
    fn review(&self, object: &Value) -> Value {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {"uid": "705ab4f5", "operation": "CREATE", "object": object},
        });
        let (status, body) = self.ask("POST", "/", &review.to_string());
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"]["uid"], "705ab4f5");
        answer["response"].clone()
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As an API calls a webhook.
const NAME: &str = "moongate-webhook.kube-system.svc";

#[test]
fn a_webhook_refuses_with_the_same_words() {
    let webhook = Webhook::start(&[]);
    for (object, words) in BAD {
        let (_, text) = check(&["-"], None, object);
        let expect = text.lines().next().unwrap().strip_prefix("error: standard input: ").unwrap();
        let object: Value = serde_yaml::from_str(object).unwrap();
        let response = webhook.review(&object);
        assert_eq!(response["allowed"], false, "{response}");
        assert_eq!(response["status"]["message"], expect, "{response}");
        assert!(expect.starts_with(words), "{expect}");
    }
    let good: Value = serde_yaml::from_str(&BAD[0].0.replace("Hots", "Host")).unwrap();
    assert_eq!(webhook.review(&good)["allowed"], true);
    // What is deleted has no object.
    assert_eq!(webhook.review(&Value::Null)["allowed"], true);
    let (status, body) = webhook.ask("POST", "/", "{}");
    assert_eq!(status, 400, "{body}");
    assert_eq!(webhook.ask("GET", "/", "").0, 405);
}

#[test]
fn a_webhook_knows_the_entrypoints_of_its_router() {
    let webhook = Webhook::start(&["--entryPoints.web.address=:80"]);
    let object = BAD[0].0.replace("Hots", "Host").replace("[web]", "[wbe]");
    let response = webhook.review(&serde_yaml::from_str(&object).unwrap());
    let words = response["status"]["message"].as_str().unwrap_or_default();
    assert!(words.contains("wbe"), "{response}");
}

//! The tutorial of `examples/kubernetes/tutorial`, manifest by manifest, with what every step must
//! show. The cluster's part (pods, endpoints) is played by servers of the test.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use support::tutorial::{example, start};
use support::{Backend, Cluster, Process, Reply, SOON, until};

/// How long nothing must be heard where nothing is to come.
const SILENCE: Duration = Duration::from_millis(500);

/// Somebody who follows the tutorial.
struct Reader {
    cluster: Cluster,
    router: Process,
}

impl Reader {
    /// Installs: definitions, accounts, the Deployment with its flags, the dashboard.
    fn install() -> Self {
        let cluster = Cluster::with_definitions();
        let base = example("base");
        cluster.kubectl(&["apply", "-k", base.to_str().unwrap()], "");
        let router = start(&cluster, &[], &[]);
        let reader = Self { cluster, router };
        reader.apply("dashboard");
        reader
    }

    /// Applies a manifest of the tutorial; what kubectl prints.
    fn apply(&self, manifest: &str) -> String {
        let path = example(&format!("tutorial/{manifest}.yaml"));
        self.cluster.kubectl(&["apply", "-f", path.to_str().unwrap()], "")
    }

    /// The first answer of that status on an entrypoint.
    fn get(&self, entrypoint: &str, host: &str, path: &str, status: u16) -> Reply {
        until(&format!("{status} for {host}{path}"), || {
            let reply = self.router.get(entrypoint, host, path);
            (reply.status == status).then_some(reply)
        })
    }

    /// Makes a Secret of a certificate.
    fn secret(&self, name: &str, certificate: &str, key: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (cert, private) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        fs::write(&cert, certificate).unwrap();
        fs::write(&private, key).unwrap();
        let (cert, key) =
            (format!("--cert={}", cert.display()), format!("--key={}", private.display()));
        self.cluster.kubectl(&["create", "secret", "tls", name, &cert, &key], "")
    }
}

#[test]
fn install_and_dashboard() {
    let reader = Reader::install();
    let table = reader.cluster.kubectl(&["get", "ingressroute"], "");
    let words: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(words[..3], ["NAME", "AGE", "traefik-dashboard"], "{table}");
    assert_eq!(words.len(), 4, "{table}");
    let reply = reader.get("web", "traefik.domain.com", "/api/overview", 200);
    let overview: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let providers = overview["providers"].as_array().unwrap();
    for provider in ["KubernetesCRD", "KubernetesIngress"] {
        assert!(providers.iter().any(|found| found == provider), "{overview}");
    }
    let home = reader.get("web", "traefik.domain.com", "/", 302);
    assert_eq!(home.header("location"), Some("/dashboard/"));
    // Both groups have it, in two namespaces.
    until("the router of the older group", || {
        let routers = reader.get("web", "traefik.domain.com", "/api/http/routers", 200);
        routers.text().contains("default-traefik-dashboard-").then_some(())
    });
}

#[test]
fn http_then_https_then_a_redirect() {
    let reader = Reader::install();
    let pods = [Backend::echo("whoami-1"), Backend::echo("whoami-2")];
    reader.apply("whoami");
    reader.cluster.endpoints("whoami", "web", &[pods[0].address(), pods[1].address()]);
    reader.apply("whoami-notls");
    reader.get("web", "who.qikqiak.com", "/notls", 200);
    let before = (pods[0].count(), pods[1].count());
    for _ in 0..4 {
        reader.get("web", "who.qikqiak.com", "/notls", 200);
    }
    assert_eq!((pods[0].count(), pods[1].count()), (before.0 + 2, before.1 + 2));
    let seen = pods[0].last();
    for (name, value) in [("X-Forwarded-Host", "who.qikqiak.com"), ("X-Forwarded-Proto", "http")] {
        assert_eq!(seen.header(name), Some(value), "{}", seen.head);
    }
    for name in ["X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Server", "X-Real-Ip"] {
        assert!(seen.header(name).is_some(), "{name}: {}", seen.head);
    }

    let (certificate, key) = certificate_of("who.qikqiak.com");
    assert_eq!(reader.secret("who-tls", &certificate.0, &key), "secret/who-tls created\n");
    reader.apply("whoami-tls");
    until("the certificate of the Secret", || {
        (leaf(&reader.router, "websecure", "who.qikqiak.com")? == certificate.1).then_some(())
    });
    let answer = secure(&reader.router, "who.qikqiak.com", "/tls");
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("x-forwarded-proto: https"), "{answer}");
    let plain = reader.get("web", "who.qikqiak.com", "/tls", 404);
    assert_eq!(plain.text(), "404 page not found\n");
    assert!(plain.header("content-type").unwrap().starts_with("text/plain"));

    reader.apply("whoami-tls-http");
    reader.get("web", "who.qikqiak.com", "/tls", 200);
    reader.apply("redirect");
    reader.apply("whoami-redirect");
    let redirect = reader.get("web", "who.qikqiak.com", "/tls", 302);
    assert_eq!(redirect.header("location"), Some("https://who.qikqiak.com/tls"));
}

#[test]
fn three_of_four_requests_go_to_the_first_version() {
    let reader = Reader::install();
    let (one, two) = (Backend::echo("appv1"), Backend::echo("appv2"));
    for manifest in ["appv1", "appv2"] {
        reader.apply(manifest);
    }
    let deployments = reader.cluster.kubectl(&["get", "deployments", "-o", "jsonpath={..use}"], "");
    assert_eq!(deployments, "test test");
    reader.cluster.endpoints("appv1", "portv1", &[one.address()]);
    reader.cluster.endpoints("appv2", "portv2", &[two.address()]);
    assert_eq!(reader.apply("wrr"), "traefikservice.traefik.containo.us/app-wrr created\n");
    reader.apply("wrr-route");
    reader.get("web", "wrr.qikqiak.com", "/", 200);
    let mut before = (one.count(), two.count());
    for _ in 0..3 {
        for _ in 0..4 {
            reader.get("web", "wrr.qikqiak.com", "/", 200);
        }
        assert_eq!((one.count() - before.0, two.count() - before.1), (3, 1));
        before = (one.count(), two.count());
    }
}

#[test]
fn two_of_four_requests_are_mirrored() {
    let reader = Reader::install();
    let (one, two) = (Backend::echo("v1"), Backend::echo("v2"));
    reader.apply("mirror-apps");
    reader.cluster.endpoints("v1", "web", &[one.address()]);
    reader.cluster.endpoints("v2", "web", &[two.address()]);
    let printed = reader.apply("mirror-ingress-route");
    for line in [
        "ingressroute.traefik.containo.us/mirror-ingress-route created",
        "traefikservice.traefik.containo.us/app-mirror created",
    ] {
        assert!(printed.lines().any(|found| found == line), "{printed}");
    }
    // An odd number until it is served would be half a pair.
    reader.get("web", "mirror.qikqiak.com", "/", 200);
    reader.get("web", "mirror.qikqiak.com", "/", 200);
    until("the first mirrored request", || (two.count() == 1).then_some(()));
    let before = one.count();
    for _ in 0..4 {
        let reply = reader.get("web", "mirror.qikqiak.com", "/", 200);
        assert!(reply.text().starts_with("v1\n"), "{}", reply.text());
    }
    until("two more mirrored requests", || (two.count() == 3).then_some(()));
    assert_eq!(one.count() - before, 4);
}

#[test]
fn tcp_with_and_without_tls() {
    let mut reader = Reader::install();
    let printed = reader.apply("mongo");
    assert!(printed.contains("deployment.apps/mongo-traefik created"), "{printed}");
    assert!(printed.contains("service/mongo-traefik created"), "{printed}");
    let server = Speaker::start();
    reader.cluster.endpoints("mongo-traefik", "", &[server.address]);
    // The entrypoint is a new flag of the Deployment, so the pod starts anew.
    reader.router = start(&reader.cluster, &["--entryPoints.mongo.address=:27017"], &[]);

    // The port as it is misprinted: told, and nothing else suffers.
    let path = example("tutorial/mongo-route.yaml");
    let misprinted = fs::read_to_string(path).unwrap().replace("port: 27017", "port: 27107");
    reader.cluster.apply(&misprinted);
    until("a line about the port", || reader.router.words().contains("27107").then_some(()));
    reader.get("traefik", "localhost", "/ping", 200);
    reader.cluster.delete(&misprinted);

    let printed = reader.apply("mongo-route");
    assert_eq!(printed, "ingressroutetcp.traefik.containo.us/mongo-traefik-tcp created\n");
    let at = reader.router.address("mongo");
    // A server that speaks first, and a client that does.
    until("the server's greeting", || (greeting(at)? == "hello\n").then_some(()));
    let mut client = connect(at);
    client.write_all(b"show dbs\n").unwrap();
    assert_eq!(hear(&mut client, 15), "hello\nshow dbs\n");

    let (certificate, key) = certificate_of("mongo.local");
    reader.secret("traefik-mongo-certs", &certificate.0, &key);
    let printed = reader.apply("mongo-tls");
    assert_eq!(printed, "ingressroutetcp.traefik.containo.us/mongo-traefik-tcp configured\n");
    until("the certificate of the Secret", || {
        (leaf(&reader.router, "mongo", "mongo.local")? == certificate.1).then_some(())
    });
    // Without TLS it hangs, and the server hears nothing.
    let mut plain = connect(at);
    plain.write_all(b"\x3a\0\0\0plain words\xd4\x07\0\0").unwrap();
    plain.set_read_timeout(Some(SILENCE)).unwrap();
    let heard = plain.read(&mut [0; 1]).map_err(|error| error.kind());
    assert!(matches!(heard, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{heard:?}");
    let all = server.heard.lock().clone();
    assert!(!String::from_utf8_lossy(&all).contains("plain words"));
    // With TLS 1.2 and the right name it works, and the server's side is plain.
    let mut tls = handshake(at, "mongo.local", &[&rustls::version::TLS12]).unwrap().0;
    tls.write_all(b"show dbs\n").unwrap();
    assert_eq!(hear(&mut tls, 15), "hello\nshow dbs\n");
    // Another name gets the default certificate, which its client does not trust.
    let other = leaf(&reader.router, "mongo", "mongo.k8s.local").expect("a handshake");
    assert_ne!(other, certificate.1);
}

/// PEM and DER of a certificate with a common name alone, as the tutorial makes it, and its key.
fn certificate_of(name: &str) -> ((String, CertificateDer<'static>), String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    ((certificate.pem(), certificate.der().clone()), key.serialize_pem())
}

/// Takes any certificate and keeps it.
#[derive(Debug)]
struct Keeper {
    leaf: Mutex<Option<CertificateDer<'static>>>,
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Keeper {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.leaf.lock() = Some(leaf.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

type Secure = StreamOwned<ClientConnection, TcpStream>;

/// A connection after its handshake, with the certificate that was shown.
fn handshake(
    at: SocketAddr,
    name: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Option<(Secure, CertificateDer<'static>)> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let keeper = Arc::new(Keeper { leaf: Mutex::default(), schemes });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&keeper) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = connect(at);
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).ok()?;
    }
    let leaf = keeper.leaf.lock().clone()?;
    Some((StreamOwned::new(tls, stream), leaf))
}

/// The certificate that an entrypoint shows for a name.
fn leaf(router: &Process, entrypoint: &str, name: &str) -> Option<CertificateDer<'static>> {
    handshake(router.address(entrypoint), name, rustls::DEFAULT_VERSIONS).map(|(_, leaf)| leaf)
}

/// The whole answer to a GET over TLS.
fn secure(router: &Process, host: &str, path: &str) -> String {
    let connection = handshake(router.address("websecure"), host, rustls::DEFAULT_VERSIONS);
    let (mut stream, _) = connection.expect("a handshake");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // The connection may end without a word of TLS, once the answer is there.
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// A server that greets, and then repeats what it hears.
struct Speaker {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Speaker {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let shared = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || speak(stream, &shared));
            }
        });
        Self { address, heard }
    }
}

fn speak(mut stream: TcpStream, heard: &Mutex<Vec<u8>>) {
    // The other side may be gone already.
    let _ = stream.write_all(b"hello\n");
    let mut buffer = [0; 1000];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        heard.lock().extend_from_slice(&buffer[..read]);
        if stream.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, SOON).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// What a server says without being asked.
fn greeting(at: SocketAddr) -> Option<String> {
    let mut stream = connect(at);
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let mut heard = [0; 6];
    stream.read_exact(&mut heard).ok()?;
    String::from_utf8(heard.to_vec()).ok()
}

/// What comes back until there are so many bytes or the end.
fn hear(stream: &mut impl Read, count: usize) -> String {
    let mut heard = vec![0; count];
    let mut length = 0;
    while length < count {
        match stream.read(&mut heard[length..]) {
            Ok(read @ 1..) => length += read,
            _ => break,
        }
    }
    String::from_utf8_lossy(&heard[..length]).into_owned()
}

//! An authority that speaks ACME: Debian's pebble, with the DNS of its own beside it, and a client
//! that trusts what it issues.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

use super::ports::free_ports;
use super::{Client, SOON, poll};

/// A running authority.
pub(crate) struct Pebble {
    folder: tempfile::TempDir,
    settings: Settings,
    child: Option<Child>,
    dns: Child,
    /// Where it is asked, where it is looked into, where its DNS is and where that is told things.
    ports: [u16; 4],
}

/// How it is started.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Where it looks for proofs over HTTP, and in handshakes.
    pub(crate) http: u16,
    pub(crate) tls: u16,
    /// The key that accounts must be tied to, as base64 for URLs; its name is `kid-1`.
    pub(crate) binding: Option<String>,
    pub(crate) env: Vec<(&'static str, &'static str)>,
    /// The program, by name or path.
    pub(crate) program: PathBuf,
}

impl Settings {
    /// It looks at those ports, never pauses, and takes every nonce.
    pub(crate) fn at(http: u16, tls: u16) -> Self {
        let env = vec![("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")];
        Self { http, tls, binding: None, env, program: "pebble".into() }
    }

    /// The same of a newer pebble, which has profiles and wishes about renewals; `tests/run`
    /// builds it.
    pub(crate) fn newer(http: u16, tls: u16) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        Self { program: target.join("pebble-for-tests"), ..Self::at(http, tls) }
    }
}

impl Pebble {
    /// Starts one; nobody listens before [`Pebble::rise`].
    pub(crate) fn asleep(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(folder.path().join("cert.pem"), own.cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).unwrap();
        let ports: [u16; 4] = free_ports();
        let dns = Command::new("pebble-challtestsrv")
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .args(["-dns01", &format!("127.0.0.1:{}", ports[2])])
            .args(["-management", &format!("127.0.0.1:{}", ports[3])])
            .stdout(File::create(folder.path().join("dns.log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("pebble-challtestsrv starts");
        let pebble = Self { folder, settings, child: None, dns, ports };
        pebble.wait(3);
        pebble
    }

    /// Starts one.
    pub(crate) fn start(settings: Settings) -> Self {
        let mut pebble = Self::asleep(settings);
        pebble.rise();
        pebble
    }

    /// Looks there for proofs over HTTP, from its next rise on.
    pub(crate) fn look_at(&mut self, http: u16) {
        self.settings.http = http;
    }

    /// Lets it be there, with no memory of what was before.
    pub(crate) fn rise(&mut self) {
        let folder = self.folder.path();
        let mut config = json!({
            "listenAddress": format!("127.0.0.1:{}", self.ports[0]),
            "managementListenAddress": format!("127.0.0.1:{}", self.ports[1]),
            "certificate": folder.join("cert.pem"),
            "privateKey": folder.join("key.pem"),
            "httpPort": self.settings.http,
            "tlsPort": self.settings.tls,
            "externalAccountBindingRequired": self.settings.binding.is_some(),
        });
        // Debian's does not look at them.
        config["profiles"] = json!({
            "default": {"description": "for most", "validityPeriod": 90 * 24 * 3600},
            "shortlived": {"description": "for six days", "validityPeriod": 6 * 24 * 3600},
        });
        if let Some(key) = &self.settings.binding {
            config["externalAccountMACKeys"] = json!({"kid-1": key});
        }
        let path = folder.join("config.json");
        fs::write(&path, json!({"pebble": config}).to_string()).unwrap();
        let log = File::options().append(true).create(true).open(folder.join("log")).unwrap();
        let child = Command::new(&self.settings.program)
            .arg("-config")
            .arg(&path)
            .args(["-dnsserver", &format!("127.0.0.1:{}", self.ports[2])])
            .envs(self.settings.env.iter().copied())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("pebble starts");
        self.child = Some(child);
        self.wait(0);
        self.wait(1);
    }

    /// Takes it away.
    pub(crate) fn fall(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn wait(&self, place: usize) {
        let at = SocketAddr::from(([127, 0, 0, 1], self.ports[place]));
        poll::until("somebody listens", SOON, || TcpStream::connect(at).ok());
    }

    /// The URL of its directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://localhost:{}/dir", self.ports[0])
    }

    /// The file of the certificate that it shows of itself.
    pub(crate) fn own_certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Flags of a resolver `le` with this authority and a file of that path.
    pub(crate) fn flags(&self, storage: &str) -> Vec<String> {
        let own = self.own_certificate();
        let own = own.display();
        let le = "--certificatesResolvers.le.acme";
        vec![
            format!("{le}.caServer={}", self.directory()),
            format!("{le}.caCertificates={own}"),
            format!("{le}.email=post@master.test"),
            format!("{le}.keyType=EC256"),
            format!("{le}.storage={storage}"),
        ]
    }

    /// What it has written.
    pub(crate) fn words(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How many orders it has had.
    pub(crate) fn orders(&self) -> usize {
        self.words().matches("Added order").count()
    }

    /// How many certificates it has issued.
    pub(crate) fn issued(&self) -> usize {
        self.words().matches("Issued certificate").count()
    }

    /// Its root, and nothing while it is away.
    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.root_at(0)
    }

    /// The root of one of its chains.
    pub(crate) fn root_at(&self, place: usize) -> CertificateDer<'static> {
        let answer = self.manage(&format!("GET /roots/{place} HTTP/1.0\r\n\r\n"));
        CertificateDer::from_pem_slice(answer.as_bytes()).unwrap()
    }

    /// Lets it wish that a certificate is renewed between two times (RFC 9773).
    pub(crate) fn wish_renewal(&self, certificate: &str, start: &str, end: &str) {
        let window = json!({"suggestedWindow": {"start": start, "end": end}}).to_string();
        let told = json!({"certificate": certificate, "ariResponse": window}).to_string();
        let head = format!(
            "POST /set-renewal-info/ HTTP/1.0\r\nUser-Agent: t\r\nContent-Length: {}",
            told.len()
        );
        let answer = self.manage(&format!("{head}\r\n\r\n{told}"));
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    }

    /// Asks where it is looked into.
    fn manage(&self, request: &str) -> String {
        let own = CertificateDer::from_pem_file(self.own_certificate()).unwrap();
        let at = SocketAddr::from(([127, 0, 0, 1], self.ports[1]));
        let mut stream = connect(at, &own, "localhost").unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        // The end may come without a word of TLS.
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    /// Where its DNS is asked.
    pub(crate) fn dns(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// Tells its DNS something.
    pub(crate) fn tell_dns(&self, what: &str, told: &Value) {
        let at = SocketAddr::from(([127, 0, 0, 1], self.ports[3]));
        let body = told.to_string();
        let reply = Client::connect(at).send("POST", "dns", what, &[], body.as_bytes());
        assert_eq!(reply.status, 200, "{what} {told}");
    }

    /// Where its DNS is told things.
    pub(crate) fn dns_management(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[3]))
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.fall();
        let _ = self.dns.kill();
        let _ = self.dns.wait();
    }
}

/// A connection in TLS.
pub(crate) type Encrypted = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// Connects in TLS to a server of that name that the root vouches for; the handshake is over.
pub(crate) fn connect(
    at: SocketAddr,
    root: &CertificateDer<'static>,
    name: &str,
) -> Option<Encrypted> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(SOON)).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut stream).ok()?;
    }
    Some(rustls::StreamOwned::new(tls, stream))
}

/// The certificate that is shown for a name, once the root vouches for it.
pub(crate) fn shown(
    at: SocketAddr,
    root: &CertificateDer<'static>,
    name: &str,
) -> Option<CertificateDer<'static>> {
    let stream = connect(at, root, name)?;
    Some(stream.conn.peer_certificates()?.first()?.clone().into_owned())
}

/// What Traefik writes of an account that is not registered yet: making its key is what takes
/// time. The text is that of a whole file, for a resolver `le`.
pub(crate) fn kept_account() -> String {
    let made = Command::new("sh")
        .args(["-c", "openssl genrsa 2048 | openssl rsa -traditional -outform DER"])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(made.status.success());
    let account = json!({
        "Email": "post@master.test",
        "Registration": null,
        "PrivateKey": STANDARD.encode(made.stdout),
        "KeyType": "4096",
    });
    json!({"le": {"Account": account, "Certificates": null}}).to_string()
}

/// Writes a file that nobody else may read.
pub(crate) fn write_secret(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

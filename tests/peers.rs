//! Peers that are not ours: `PostgreSQL` and psql through STARTTLS, Redis over a plain catch-all,
//! nginx behind passthrough, `openssl s_client`.

#![allow(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use support::{Moongate, until};

/// A server of somebody else; it ends with the test.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SIGTERM lets it end what it has started.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Peer {
    fn start(command: &mut Command, address: SocketAddr) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let peer = Self { child, address };
        until("the peer listens", || TcpStream::connect(address).ok());
        peer
    }
}

fn text(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    /// A folder with a certificate for `db.test` and its key.
    fn new() -> Self {
        let certified = rcgen::generate_simple_self_signed(vec!["db.test".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let files = Self { folder };
        std::fs::write(files.path("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(files.path("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn streams(router: &str, server: SocketAddr, files: &Files) -> Moongate {
    let dynamic = format!(
        "tcp:\n  routers:\n    r: {router}\n  services:\n    s: {{loadBalancer: {{servers: \
         [{{address: '{server}'}}]}}}}\ntls:\n  certificates:\n    - {{certFile: '{}', keyFile: \
         '{}'}}\n",
        files.path("cert.pem").display(),
        files.path("key.pem").display(),
    );
    Moongate::with(&dynamic, &["--entryPoints.tc.address=127.0.0.1:0"])
}

/// `PostgreSQL` refuses to run as root; its package has a user for it.
fn as_postgres(program: &Path, owned: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let status = Command::new("chown").args(["-R", "postgres"]).arg(owned).status().unwrap();
    assert!(status.success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

fn postgres(files: &Files) -> Peer {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let programs = versions.last().unwrap().unwrap().path().join("bin");
    let address = free();
    let data = files.path("data");
    std::fs::create_dir(&data).unwrap();
    let mut create = as_postgres(&programs.join("initdb"), files.folder.path());
    create.args(["--auth=trust", "--username=postgres", "--no-sync", "-D"]).arg(&data);
    let created = create.output().unwrap();
    assert!(created.status.success(), "{}", text(&created));
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(files.path(name), data.join(name)).unwrap();
    }
    let status = Command::new("chmod").arg("600").arg(data.join("key.pem")).status().unwrap();
    assert!(status.success());
    let mut serve = as_postgres(&programs.join("postgres"), files.folder.path());
    serve.arg("-D").arg(&data).args(["-c", "ssl=on", "-c", "ssl_cert_file=cert.pem"]);
    serve.args(["-c", "ssl_key_file=key.pem", "-c", "fsync=off", "-k", ""]);
    serve.args(["-h", "127.0.0.1", "-p", &address.port().to_string()]);
    Peer::start(&mut serve, address)
}

fn psql(address: SocketAddr, mode: &str, files: &Files) -> String {
    let root = files.path("cert.pem");
    let target = format!(
        "host=db.test hostaddr=127.0.0.1 port={} user=postgres sslmode={mode} sslrootcert={}",
        address.port(),
        root.display()
    );
    let query = "select 'it ' || 'works', ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let asked = Command::new("psql").args(["-tA", "-c", query]).arg(target).output();
    text(&asked.unwrap())
}

#[test]
fn psql_reaches_postgresql_through_starttls() {
    let files = Files::new();
    let server = postgres(&files);
    let router = |tls: &str| {
        format!("{{rule: 'HostSNI(`db.test`)', service: s, entryPoints: [tc], tls: {tls}}}")
    };
    let passed = streams(&router("{passthrough: true}"), server.address, &files);
    let answer = |moongate: &Moongate, mode: &str| {
        let address = moongate.address("tc");
        until("psql is answered", || {
            let told = psql(address, mode, &files);
            // The server may still be starting.
            (!told.contains("starting up")).then_some(told)
        })
    };
    assert_eq!(answer(&passed, "verify-full"), "it works|t\n");
    // TLS ends here, and the server is spoken to without it.
    let ended = streams(&router("{}"), server.address, &files);
    assert_eq!(answer(&ended, "verify-full"), "it works|f\n");
    // Without TLS nobody is reached: no router is there for such connections.
    assert!(!answer(&ended, "disable").contains("it works"));
}

#[test]
fn redis_is_reached_over_a_plain_catch_all() {
    let files = Files::new();
    let address = free();
    let mut serve = Command::new("redis-server");
    serve.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
    let server = Peer::start(serve.current_dir(files.folder.path()), address);
    let router = "{rule: 'HostSNI(`*`)', service: s, entryPoints: [tc]}";
    let moongate = streams(router, server.address, &files);
    let port = moongate.address("tc").port().to_string();
    let ask = |words: &[&str]| {
        let asked = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
        text(&asked)
    };
    assert_eq!(ask(&["set", "key", "value"]), "OK\n");
    assert_eq!(ask(&["get", "key"]), "value\n");
}

#[test]
fn nginx_ends_tls_behind_passthrough() {
    let files = Files::new();
    let address = free();
    let configuration = format!(
        "daemon off; pid {0}/pid; error_log stderr; events {{}}
        http {{ access_log off; server {{
            listen {address} ssl; server_name db.test;
            ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;
            location / {{ return 200 \"nginx for $ssl_server_name\\n\"; }}
        }} }}",
        files.folder.path().display()
    );
    std::fs::write(files.path("nginx.conf"), configuration).unwrap();
    let mut serve = Command::new("/usr/sbin/nginx");
    serve.arg("-p").arg(files.folder.path()).arg("-c").arg(files.path("nginx.conf"));
    let server = Peer::start(&mut serve, address);
    let router = "{rule: 'HostSNI(`db.test`)', service: s, entryPoints: [tc], \
                  tls: {passthrough: true}}";
    let moongate = streams(router, server.address, &files);
    let answer = s_client(moongate.address("tc"), &["-servername", "db.test"], &files);
    assert!(answer.contains("nginx for db.test"), "{answer}");
    assert!(answer.contains("Verification: OK"), "{answer}");
    // Another name is of no TCP router: Moongate itself answers, with a certificate of its own.
    let answer = s_client(moongate.address("tc"), &["-servername", "other.test"], &files);
    assert!(answer.contains("TRAEFIK DEFAULT CERT") && answer.contains(" 404 "), "{answer}");
}

/// What OpenSSL tells of a connection, and the answer to a request over it.
fn s_client(address: SocketAddr, arguments: &[&str], files: &Files) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-ign_eof", "-connect", &address.to_string()]);
    client.arg("-CAfile").arg(files.path("cert.pem")).args(arguments);
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = client.spawn().unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: db.test\r\nConnection: close\r\n\r\n";
    child.stdin.take().unwrap().write_all(request).unwrap();
    text(&child.wait_with_output().unwrap())
}

#[test]
fn openssl_speaks_both_versions_and_resumes() {
    let files = Files::new();
    let moongate = streams("{rule: 'HostSNI(`x.test`)', service: s, tls: {}}", free(), &files);
    let address = moongate.address("web");
    let session = files.path("session");
    let session = session.to_str().unwrap();
    for (arguments, parts) in [
        (&["-tls1_2"][..], &["TLSv1.2", "Verification: OK", " 404 "][..]),
        (&["-tls1_3"], &["TLSv1.3", "Verification: OK", " 404 "]),
        (&["-alpn", "h2"], &["ALPN protocol: h2"]),
        (&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"], &["alert"]),
        (&["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], &["alert"]),
        (&["-tls1_3", "-sess_out", session], &["New, TLSv1.3"]),
        (&["-tls1_3", "-sess_in", session], &["Reused, TLSv1.3"]),
        (&["-tls1_2", "-sess_out", session], &["New, TLSv1.2"]),
        (&["-tls1_2", "-sess_in", session], &["Reused, TLSv1.2"]),
    ] {
        let arguments = [&["-servername", "db.test"], arguments].concat();
        let told = s_client(address, &arguments, &files);
        for part in parts {
            assert!(told.contains(part), "{arguments:?}: {part}: {told}");
        }
    }
}

/// An authority whose responder is OpenSSL, and a certificate of it for `db.test`.
fn authority(files: &Files, responder: SocketAddr) {
    use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    std::fs::write(files.path("ca.pem"), root.pem()).unwrap();
    std::fs::write(files.path("ca-key.pem"), key.serialize_pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec!["db.test".to_owned()]).unwrap();
    params.serial_number = Some(0x1234.into());
    let url = format!("http://{responder}");
    let length = |length: usize| u8::try_from(length).unwrap();
    // One access description: the method 1.3.6.1.5.5.7.48.1 and the URL.
    let method = [6, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
    let location = [&[0x86, length(url.len())], url.as_bytes()].concat();
    let one = [&[0x30, length(method.len() + location.len())][..], &method, &location].concat();
    let access = [&[0x30, length(one.len())][..], &one].concat();
    let id = [1, 3, 6, 1, 5, 5, 7, 1, 1];
    params.custom_extensions.push(CustomExtension::from_oid_content(&id, access));
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(files.path("cert.pem"), leaf.pem() + &root.pem()).unwrap();
    std::fs::write(files.path("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn word_of_the_authority_is_stapled() {
    for (line, expect) in [
        ("V\t400101000000Z\t\t1234\tunknown\t/CN=a\n", "Cert Status: good"),
        ("R\t400101000000Z\t200101000000Z\t1234\tunknown\t/CN=a\n", "no response sent"),
    ] {
        let files = Files::new();
        let address = free();
        authority(&files, address);
        std::fs::write(files.path("index"), line).unwrap();
        let mut serve = Command::new("openssl");
        serve.args(["ocsp", "-ndays", "1", "-port", &address.port().to_string()]);
        serve.arg("-index").arg(files.path("index")).arg("-CA").arg(files.path("ca.pem"));
        serve.arg("-rsigner").arg(files.path("ca.pem")).arg("-rkey").arg(files.path("ca-key.pem"));
        // A connection that asks nothing would hold it up, so it is not tried but listened to.
        let mut child = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let _responder = Peer { child, address };
        let mut line = String::new();
        while !line.contains("waiting for OCSP client connections") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the responder has ended");
        }
        let dynamic = format!(
            "tls:\n  certificates:\n    - {{certFile: '{}', keyFile: '{}'}}\n",
            files.path("cert.pem").display(),
            files.path("key.pem").display(),
        );
        let moongate = Moongate::with(&dynamic, &["--ocsp=true"]);
        until("the answer is there", || {
            let arguments = ["-servername", "db.test", "-status"];
            let told = s_client(moongate.address("web"), &arguments, &files);
            assert!(!told.contains("Cert Status: revoked"), "{told}");
            told.contains(expect).then_some(())
        });
    }
}

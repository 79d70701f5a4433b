//! The tutorial's section on ACME: from its flags to a wildcard certificate, for HTTP and for TCP.
//!
//! The authority is pebble. The API of Alibaba Cloud DNS is played here: the provider's script is
//! the built-in one but for the address that it asks.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot set its scene has failed"
)]

mod support;

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, thread};

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use support::pebble::{Pebble, Settings, connect, kept_account, shown, write_secret};
use support::tutorial::{example, start};
use support::{Backend, Client, Cluster, Process, poll};

/// How long a certificate may take on a busy machine.
const ISSUED: Duration = Duration::from_mins(1);

/// Records as the API keeps them, and the actions that it was asked for.
#[derive(Default)]
struct Zone {
    records: Vec<Value>,
    actions: Vec<String>,
}

/// The API of the DNS service, for the domain `qikqiak.com`; the authority sees its records.
struct Alidns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

impl Alidns {
    fn start(management: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let zone = Arc::<Mutex<Zone>>::default();
        let shared = Arc::clone(&zone);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(&stream, &shared, management);
            }
        });
        Self { address, zone }
    }

    /// The built-in provider, asking here.
    fn script(&self) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(root.join("scripts/dns/alidns.lua")).unwrap();
        let own = r#""https://" .. host .. "/""#;
        assert!(text.contains(own));
        text.replace(own, &format!("\"http://{}/\"", self.address))
    }
}

fn serve(mut stream: &TcpStream, zone: &Mutex<Zone>, management: SocketAddr) {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let field = |name: &str| {
        let found = head.iter().filter_map(|line| line.split_once(": "));
        let mut found = found.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    assert!(field("Authorization").starts_with("ACS3-HMAC-SHA256 Credential=key,"), "{head:?}");
    let target = head[0].split(' ').nth(1).unwrap();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let asked = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let told = |what: &str, told: &Value| {
        let body = told.to_string();
        Client::connect(management).send("POST", "dns", what, &[], body.as_bytes());
    };
    let mut zone = zone.lock();
    zone.actions.push(field("x-acs-action"));
    let answer = match field("x-acs-action").as_str() {
        "DescribeDomains" => {
            json!({"TotalCount": 1, "Domains": {"Domain": [{"DomainName": "qikqiak.com"}]}})
        }
        "AddDomainRecord" => {
            let id = format!("{}", zone.records.len());
            let record = json!({"RecordId": id, "RR": asked("RR"), "Type": asked("Type"),
                "Value": asked("Value"), "DomainName": asked("DomainName")});
            zone.records.push(record);
            let host = format!("{}.{}.", asked("RR"), asked("DomainName"));
            told("/set-txt", &json!({"host": host, "value": asked("Value")}));
            json!({"RecordId": id})
        }
        "DescribeDomainRecords" => {
            json!({"TotalCount": zone.records.len(), "DomainRecords": {"Record": zone.records}})
        }
        "DeleteDomainRecord" => {
            zone.records.retain(|record| record["RecordId"] != asked("RecordId"));
            told("/clear-txt", &json!({"host": "_acme-challenge.qikqiak.com."}));
            json!({"RequestId": "1"})
        }
        other => panic!("{other} is asked for"),
    };
    let body = answer.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).unwrap();
}

/// What the tutorial's Deployment is started with in this section.
struct Section {
    cluster: Cluster,
    pebble: Pebble,
    alidns: Alidns,
    folder: tempfile::TempDir,
}

impl Section {
    fn begin() -> Self {
        let cluster = Cluster::with_definitions();
        cluster.kubectl(&["apply", "-k", example("base").to_str().unwrap()], "");
        let pebble = Pebble::start(Settings::at(0, 0));
        let alidns = Alidns::start(pebble.dns_management());
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("scripts/dns")).unwrap();
        fs::write(folder.path().join("scripts/dns/alidns.lua"), alidns.script()).unwrap();
        // The key of an account takes a while to be found.
        write_secret(
            &folder.path().join("acme.json"),
            &kept_account().replace("\"le\"", "\"ali\""),
        );
        Self { cluster, pebble, alidns, folder }
    }

    fn router(&self) -> Process {
        let ali = "--certificatesResolvers.ali.acme";
        let flags = [
            // As the tutorial has them, but for the path.
            format!("{ali}.dnsChallenge.provider=alidns"),
            format!("{ali}.email=post@master.test"),
            format!("{ali}.storage={}", self.folder.path().join("acme.json").display()),
            // In the place of Let's Encrypt, which the tutorial has in small letters.
            format!("--certificatesresolvers.ali.acme.caserver={}", self.pebble.directory()),
            format!("{ali}.caCertificates={}", self.pebble.own_certificate().display()),
            format!("{ali}.keyType=EC256"),
            // Nobody but the authority's own DNS knows of the record.
            format!("{ali}.dnsChallenge.resolvers={}", self.pebble.dns()),
            format!("{ali}.dnsChallenge.propagation.disableANSChecks=true"),
            format!("--scripts.directory={}", self.folder.path().join("scripts").display()),
            "--entryPoints.mongo.address=:27017".to_owned(),
        ];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let keys = [
            ("ALICLOUD_ACCESS_KEY", "key"),
            ("ALICLOUD_SECRET_KEY", "secret of the test"),
            ("ALICLOUD_REGION_ID", "cn-beijing"),
        ];
        start(&self.cluster, &flags, &keys)
    }

    fn apply(&self, manifest: &str) {
        let path = example(&format!("tutorial/{manifest}.yaml"));
        self.cluster.kubectl(&["apply", "-f", path.to_str().unwrap()], "");
    }
}

/// The certificate that an entrypoint shows, once the authority's root vouches for it.
fn trusted(
    router: &Process,
    root: &CertificateDer<'static>,
    entrypoint: &str,
    name: &str,
) -> CertificateDer<'static> {
    let at = router.address(entrypoint);
    poll::until(&format!("{name} on {entrypoint}"), ISSUED, || shown(at, root, name))
}

#[test]
fn a_wildcard_for_http_and_tcp_outlives_a_restart() {
    let section = Section::begin();
    let mut router = section.router();
    let root = section.pebble.root();
    let pod = Backend::echo("whoami-1");
    section.apply("whoami");
    section.cluster.endpoints("whoami", "web", &[pod.address()]);
    section.apply("whoami-acme");

    let certificate = trusted(&router, &root, "websecure", "who.qikqiak.com");
    // Any name of the domain is vouched for, and no other.
    assert_eq!(trusted(&router, &root, "websecure", "other.qikqiak.com"), certificate);
    assert!(shown(router.address("websecure"), &root, "who.example.com").is_none());
    let mut stream = connect(router.address("websecure"), &root, "who.qikqiak.com").unwrap();
    let request = b"GET /tls HTTP/1.1\r\nHost: who.qikqiak.com\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    // The connection may end without a word of TLS, once the answer is there.
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

    poll::until("the record is taken away", ISSUED, || {
        section.alidns.zone.lock().records.is_empty().then_some(())
    });
    let actions = section.alidns.zone.lock().actions.clone();
    let count = |action: &str| actions.iter().filter(|done| *done == action).count();
    assert_eq!((count("AddDomainRecord"), count("DeleteDomainRecord")), (1, 1), "{actions:?}");

    // The server behind TCP speaks no TLS; its name is one of the wildcard's.
    section.apply("mongo");
    section.cluster.endpoints("mongo-traefik", "", &[pod.address()]);
    section.apply("mongo-acme");
    assert_eq!(trusted(&router, &root, "mongo", "mongo.qikqiak.com"), certificate);

    let kept = section.folder.path().join("acme.json");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!(kept["ali"]["Certificates"][0]["domain"]["main"], "*.qikqiak.com");
    router.kill();
    let router = section.router();
    assert_eq!(trusted(&router, &root, "websecure", "who.qikqiak.com"), certificate);
    assert_eq!(section.pebble.orders(), 1);
    assert!(!router.words().contains("secret of the test"));
}

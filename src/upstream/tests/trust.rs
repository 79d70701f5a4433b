//! Whom a transport trusts, and what it presents.

use ::http::StatusCode;

use super::servers::{
    Authority, Identity, Listening, OK, answer, listen, listen_tls, self_signed, tls, tls_of,
};
use super::{endpoint, get, lenient, run};
use crate::model::{Certificate, ServersTransport};
use crate::upstream::{Pools, Transport};

async fn serve(acceptor: tokio_rustls::TlsAcceptor) -> Listening {
    listen_tls(acceptor, |stream, _| answer(stream, usize::MAX, OK)).await
}

async fn check(server: &Listening, options: ServersTransport, expect: u16) {
    let response = get(&Pools::new(), &endpoint("https", server.address, &options)).await;
    assert_eq!(response.status.as_u16(), expect, "{options:?}: {:?}", response.failure);
}

fn root(pem: &str) -> ServersTransport {
    ServersTransport { root_cas: vec![pem.to_owned()], ..Default::default() }
}

fn named(name: &str, options: ServersTransport) -> ServersTransport {
    ServersTransport { server_name: name.to_owned(), ..options }
}

fn with_uri(uri: &str, options: ServersTransport) -> ServersTransport {
    ServersTransport { peer_cert_uri: uri.to_owned(), ..options }
}

#[test]
fn servers_are_verified() {
    run(async {
        let (authority, other) = (Authority::new("main"), Authority::new("other"));
        let uri = "spiffe://x.test/a";
        let identity = authority.sign("backend.test", Some(uri));
        let server = serve(tls(&identity, &[], None)).await;
        let ca = || root(&authority.pem());
        check(&server, ServersTransport::default(), 500).await;
        check(&server, named("backend.test", ca()), 200).await;
        check(&server, named("other.test", ca()), 500).await;
        check(&server, ca(), 500).await;
        check(&server, named("backend.test", root(&other.pem())), 500).await;
        check(&server, lenient(), 200).await;
        check(&server, with_uri(uri, named("backend.test", ca())), 200).await;
        check(&server, with_uri("spiffe://x.test/b", named("backend.test", ca())), 500).await;
        let skip = |options| ServersTransport { insecure_skip_verify: true, ..options };
        check(&server, skip(with_uri(uri, ca())), 200).await;
        check(&server, skip(with_uri(uri, root(&other.pem()))), 500).await;
    });
}

#[test]
fn a_root_may_be_the_servers_own_certificate() {
    run(async {
        for (last_year, expect) in [(2090, 200), (2020, 500)] {
            let identity = self_signed("backend.test", last_year);
            let server = serve(tls(&identity, &[], None)).await;
            check(&server, named("backend.test", root(&identity.cert)), expect).await;
            check(&server, named("other.test", root(&identity.cert)), 500).await;
        }
    });
}

#[test]
fn a_client_certificate_is_presented() {
    run(async {
        let (authority, clients) = (Authority::new("main"), Authority::new("clients"));
        let server = serve(tls(&authority.sign("backend.test", None), &[], Some(&clients))).await;
        let presenting = |identities: &[&Identity]| ServersTransport {
            certificates: identities.iter().map(|identity| certificate(identity)).collect(),
            ..lenient()
        };
        let good = clients.sign("client", None);
        let wrong = Authority::new("wrong").sign("client", None);
        check(&server, presenting(&[&good]), 200).await;
        check(&server, presenting(&[&wrong, &good]), 200).await;
        check(&server, presenting(&[&wrong]), 502).await;
        check(&server, lenient(), 502).await;
    });
}

fn certificate(identity: &Identity) -> Certificate {
    let (cert_file, key_file) = (identity.cert.clone(), identity.key.clone());
    Certificate { cert_file, key_file, stores: Vec::new() }
}

#[test]
fn versions_and_suites_are_kept_to() {
    run(async {
        let identity = Authority::new("main").sign("backend.test", None);
        let old = serve(tls_of(&identity, &[], None, &[&rustls::version::TLS12])).await;
        let from = |min: &str| ServersTransport { min_version: min.to_owned(), ..lenient() };
        check(&old, from("VersionTLS12"), 200).await;
        check(&old, from("VersionTLS13"), 502).await;
        let suite =
            |name: &str| ServersTransport { cipher_suites: vec![name.to_owned()], ..lenient() };
        check(&old, suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"), 200).await;
        // The server's key is of another kind.
        check(&old, suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), 502).await;
    });
}

#[test]
fn servers_without_tls_are_told_apart() {
    run(async {
        let plain = listen(|stream, _| answer(stream, 1, OK)).await;
        let mute = listen(|stream, _| async move { drop(stream) }).await;
        let garbage = listen(|stream, _| async move {
            use tokio::io::AsyncWriteExt;
            let mut stream = stream;
            let _ = stream.write_all(b"220 mail.test ready\r\n").await;
        })
        .await;
        check(&mute, lenient(), 502).await;
        check(&garbage, lenient(), 500).await;
        drop(plain);
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        let response = get(&Pools::new(), &endpoint("https", address, &lenient())).await;
        assert_eq!(response.status, StatusCode::BAD_GATEWAY);
    });
}

#[test]
fn broken_options_are_refused_by_name() {
    let authority = Authority::new("main");
    let (one, other) = (authority.sign("a.test", None), authority.sign("b.test", None));
    let check = |options: ServersTransport, expect: &str| {
        let error = Transport::build(&options).unwrap_err().to_string();
        assert!(error.starts_with(expect), "{error}");
    };
    let swapped = Identity { cert: one.cert.clone(), key: other.key };
    let none = ServersTransport::default;
    check(root("/nowhere/ca.pem"), "rootCAs[0]: \"/nowhere/ca.pem\" cannot be read");
    check(root(&one.key), "rootCAs[0]: there is no certificate");
    check(
        ServersTransport { certificates: vec![certificate(&swapped)], ..none() },
        "certificates[0].keyFile",
    );
    check(
        ServersTransport { min_version: "VersionTLS10".into(), ..none() },
        "minVersion: \"VersionTLS10\"",
    );
    check(
        ServersTransport { max_version: "VersionTLS11".into(), ..none() },
        "maxVersion: \"VersionTLS11\"",
    );
    let weak = vec!["TLS_RSA_WITH_RC4_128_SHA".to_owned()];
    check(ServersTransport { cipher_suites: weak, ..none() }, "cipherSuites[0]: \"TLS_RSA");
    check(ServersTransport { spiffe: Some(serde_json::json!({})), ..none() }, "spiffe");
    check(named("a b", none()), "serverName: \"a b\"");
}

#[test]
fn a_changed_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, Authority::new("one").pem()).unwrap();
    let transport = Transport::build(&root(file.to_str().unwrap())).unwrap();
    assert!(transport.is_current());
    std::fs::write(&file, Authority::new("two").pem()).unwrap();
    assert!(!transport.is_current());
    std::fs::remove_file(&file).unwrap();
    assert!(!transport.is_current());
}

//! The store with real certificates and real handshakes.

use std::fs;
use std::io;
use std::path::Path;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind};
use rustls::{ServerConnection, SignatureScheme};
use serde_json::json;

use super::*;
use crate::message::TlsFacts;
use crate::tls::{facts, server_config};
use crate::value::Certificate as Facts;

/// A certificate and its key as PEM.
fn pem(common_name: &str, names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn inline(common_name: &str, names: &[&str]) -> Arc<Certificate> {
    let (cert_file, key_file) = pem(common_name, names);
    Arc::new(Certificate { cert_file, key_file, ..Certificate::default() })
}

/// A certificate in the files `name.crt` and `name.key` of a folder.
fn on_disk(folder: &Path, name: &str, pem: &(String, String)) -> Arc<Certificate> {
    let path = |end: &str| folder.join(format!("{name}.{end}")).display().to_string();
    let (cert_file, key_file) = (path("crt"), path("key"));
    fs::write(&cert_file, &pem.0).unwrap();
    fs::write(&key_file, &pem.1).unwrap();
    Arc::new(Certificate { cert_file, key_file, ..Certificate::default() })
}

/// The common name of what the store answers for a name.
fn answer(store: &CertStore, name: &str) -> String {
    let found = store.find(Some(name).filter(|name| !name.is_empty()));
    found.map_or("none".to_owned(), |key| Facts::read(&key.cert[0]).unwrap().names.remove(0))
}

fn check(certificates: &[Arc<Certificate>], expect: &[(&str, &str)]) {
    let (store, findings) = CertStore::build(certificates, None);
    assert_eq!(findings, []);
    for (name, expect) in expect {
        assert_eq!(answer(&store, name), *expect, "{name}");
    }
}

#[test]
fn certificates_are_chosen_by_name() {
    let certificates = [
        inline("one", &["one.test"]),
        inline("wild", &["*.wild.test"]),
        inline("exact", &["exact.wild.test"]),
        inline("multi", &["m1.test", "M2.test"]),
        inline("second", &["one.test", "other.test"]),
        inline("only.cn.test", &[]),
    ];
    check(
        &certificates,
        &[
            ("one.test", "one"),
            ("ONE.test", "one"),
            ("one.test.", "one"),
            ("x.wild.test", "wild"),
            ("exact.wild.test", "exact"),
            ("a.b.wild.test", "none"),
            ("wild.test", "none"),
            ("m2.test", "multi"),
            ("other.test", "second"),
            ("only.cn.test", "only.cn.test"),
            ("unknown.test", "none"),
            ("test", "none"),
            ("", "none"),
        ],
    );
}

#[test]
fn a_broken_certificate_is_left_out_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = on_disk(folder.path(), "good", &pem("good", &["good.test"]));
    let (cert, _) = pem("other", &["other.test"]);
    let (_, key) = pem("third", &[]);
    let with = |cert_file: &str, key_file: &str| {
        let (cert_file, key_file) = (cert_file.to_owned(), key_file.to_owned());
        Arc::new(Certificate { cert_file, key_file, ..Certificate::default() })
    };
    let bare: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    let one_line = key.replace('\n', "");
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----";
    let (key_file, text) = (good.key_file.as_str(), "the text given inline");
    for (certificate, expect) in [
        (with("/none.crt", key_file), "certFile: /none.crt cannot be read: No such file".into()),
        (with(&cert, "/none.key"), "keyFile: /none.key cannot be read: No such file".into()),
        (with("", key_file), "certFile is empty".into()),
        (with(&cert, ""), "keyFile is empty".into()),
        (with(key_file, key_file), format!("certFile: {key_file} holds no PEM certificate")),
        (with(&cert, &cert), format!("keyFile: {text} holds no PEM private key")),
        (with(&cert, &one_line), format!("keyFile: {text} holds no PEM private key")),
        (with(&cert, &bare), format!("keyFile: {text} cannot be read: ")),
        (with(&cert, encrypted), format!("keyFile: {text} is encrypted")),
        (with(&cert, &key), format!("the key of {text} does not belong to the certificate")),
        (with("/", key_file), "certFile: / cannot be read: it is not a regular file".into()),
    ] {
        let (store, findings) = CertStore::build(&[certificate, Arc::clone(&good)], None);
        assert_eq!(findings.len(), 1, "{expect}");
        let said = findings[0].to_string();
        assert!(said.starts_with(&format!("tls.certificates[0]: {expect}")), "{said}");
        assert!(!said.contains(&bare[..20]), "a key is shown: {said}");
        assert_eq!(answer(&store, "good.test"), "good");
    }
}

#[test]
fn unchanged_certificates_are_kept_and_changed_files_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = inline("text", &["text.test"]);
    let file = on_disk(folder.path(), "file", &pem("before", &["file.test"]));
    let (first, _) = CertStore::build(&[Arc::clone(&text), Arc::clone(&file)], None);
    // Equal ones, in another place and another allocation.
    let again = [Arc::new(Certificate::clone(&file)), Arc::new(Certificate::clone(&text))];
    let (second, _) = CertStore::build(&again, Some(&first));
    assert!(Arc::ptr_eq(&first.loaded[0], &second.loaded[1]));
    assert!(Arc::ptr_eq(&first.loaded[1], &second.loaded[0]));

    let key = fs::read_to_string(&file.key_file).unwrap();
    fs::remove_file(&file.key_file).unwrap();
    let (third, findings) = CertStore::build(&again, Some(&second));
    assert_eq!(answer(&third, "file.test"), "before");
    let expect = format!("keyFile: {} cannot be read", file.key_file);
    assert!(findings[0].reason.starts_with(&expect), "{findings:?}");
    assert!(findings[0].reason.ends_with("; the one read before stays in use"), "{findings:?}");

    fs::write(&file.key_file, key).unwrap();
    on_disk(folder.path(), "file", &pem("after renewal", &["file.test"]));
    let (fourth, findings) = CertStore::build(&again, Some(&third));
    assert_eq!((answer(&fourth, "file.test").as_str(), findings.len()), ("after renewal", 0));
    assert!(Arc::ptr_eq(&third.loaded[1], &fourth.loaded[1]));
}

#[test]
fn the_default_store_has_a_certificate() {
    let (cert, key) = pem("dflt", &["default.test"]);
    let stores = json!({
        "default": {"defaultCertificate": {"certFile": cert, "keyFile": key}},
        "other": {},
    });
    let stores = serde_json::from_value(stores).unwrap();
    let certificates = vec![inline("one", &["one.test"])];
    let tls = Tls { certificates, stores, ..Tls::default() };
    let (store, findings) = CertStore::of(&tls, None);
    assert_eq!(answer(&store, "one.test"), "one");
    assert_eq!(answer(&store, ""), "dflt");
    assert_eq!(answer(&store, "unknown.test"), "dflt");
    assert_eq!(findings.len(), 1);
    assert!(findings[0].to_string().starts_with("tls.stores.other: has no effect"));
    let (again, _) = CertStore::of(&tls, Some(&store));
    assert!(Arc::ptr_eq(&again.default.unwrap(), &store.default.unwrap()));

    let stores = json!({"default": {"defaultGeneratedCert": {}, "defaultCertificate": {"x": 1}}});
    let tls = Tls { stores: serde_json::from_value(stores).unwrap(), ..Tls::default() };
    let (_, findings) = CertStore::of(&tls, None);
    let said: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("unknown option"), "{said:?}");
    assert_eq!(said[1], "tls.stores.default.defaultGeneratedCert: not supported");
}

/// Keys as other programs write them: PKCS#1, SEC 1 with its curve before it, PKCS#8.
#[test]
fn keys_of_all_kinds() {
    for (certificate, key) in [
        (include_str!("testdata/rsa.crt"), include_str!("testdata/rsa-pkcs1.key")),
        (include_str!("testdata/rsa.crt"), include_str!("testdata/rsa-pkcs8.key")),
        (include_str!("testdata/ec-v1.crt"), include_str!("testdata/ec-sec1.key")),
    ] {
        let (cert_file, key_file) = (certificate.to_owned(), key.to_owned());
        let certificate = Certificate { cert_file, key_file, ..Certificate::default() };
        check(&[Arc::new(certificate)], &[("keys.test", "keys.test")]);
    }
}

/// Trusts everything.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

fn client(version: &'static rustls::SupportedProtocolVersion, alpn: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[version]).unwrap().dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(Trusting));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A handshake in memory: the server's facts, the common name, and whether a session was resumed.
fn handshake(
    server: &Arc<rustls::ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &str,
) -> (TlsFacts, String, bool) {
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    // Beyond the handshake, so that tickets arrive.
    for _ in 0..6 {
        pass(&mut client, &mut server);
        pass(&mut server, &mut client);
    }
    assert!(!server.is_handshaking());
    let first = client.peer_certificates().unwrap()[0].clone();
    let common_name = Facts::read(&first).unwrap().names.remove(0);
    let is_resumed = server.handshake_kind() == Some(HandshakeKind::Resumed);
    (facts(&server), common_name, is_resumed)
}

fn pass<A, B>(
    from: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<A>>,
    to: &mut impl std::ops::DerefMut<Target = rustls::ConnectionCommon<B>>,
) {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = io::Cursor::new(bytes);
    while to.read_tls(&mut bytes).unwrap() > 0 {
        to.process_new_packets().unwrap();
    }
}

#[test]
fn handshakes_tell_names_versions_and_protocols() {
    let (store, _) = CertStore::build(&[inline("one", &["one.test"])], None);
    let live = Arc::new(ArcSwap::from_pointee(store));
    let server = server_config(Arc::clone(&live)).unwrap();
    for (version, text, ciphers) in [
        (&rustls::version::TLS12, "1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (&rustls::version::TLS13, "1.3", "TLS_AES_256_GCM_SHA384"),
    ] {
        let client = client(version, &["http/1.1", "h2"]);
        let (facts, name, is_resumed) = handshake(&server, &client, "ONE.test");
        assert_eq!((facts.version, facts.cipher, facts.alpn), (text, ciphers, Some("h2")));
        assert_eq!((facts.sni.as_deref(), &*name), (Some("one.test"), "one"));
        assert!(facts.client_chain.is_empty() && !is_resumed);
        assert!(handshake(&server, &client, "ONE.test").2, "no session is resumed in {text}");
    }
    let plain = client(&rustls::version::TLS13, &[]);
    let (facts, name, _) = handshake(&server, &plain, "unknown.test");
    assert_eq!((facts.alpn, &*name), (None, "traefik default cert"));
    let (facts, name, _) = handshake(&server, &plain, "127.0.0.1");
    assert_eq!((facts.sni, &*name), (None, "traefik default cert"));

    let (store, _) = CertStore::build(&[inline("new", &["one.test"])], None);
    live.store(Arc::new(store));
    let fresh = client(&rustls::version::TLS13, &["http/1.1"]);
    let (facts, name, _) = handshake(&server, &fresh, "one.test");
    assert_eq!((facts.alpn, &*name), (Some("http/1.1"), "new"));
    assert_eq!(server.max_early_data_size, 0);
}

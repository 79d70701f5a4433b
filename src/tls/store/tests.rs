//! The store with real certificates.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::tls::tests::{inline, pem};
use crate::value::Certificate as Facts;

/// A certificate in the files `name.crt` and `name.key` of a folder.
fn on_disk(folder: &Path, name: &str, pem: &(String, String)) -> Arc<Certificate> {
    let path = |end: &str| folder.join(format!("{name}.{end}")).display().to_string();
    let (cert_file, key_file) = (path("crt"), path("key"));
    fs::write(&cert_file, &pem.0).unwrap();
    fs::write(&key_file, &pem.1).unwrap();
    Arc::new(Certificate { cert_file, key_file, ..Certificate::default() })
}

/// The common name of what the store answers for a name, or without one.
fn answer(store: &CertStore, name: &str) -> String {
    let named = Some(name).filter(|name| !name.is_empty()).and_then(|name| store.find(name));
    let found = named.or_else(|| store.default_certificate());
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

    let stores = json!({"default": {"nonsense": {}, "defaultCertificate": {"x": 1}}});
    let tls = Tls { stores: serde_json::from_value(stores).unwrap(), ..Tls::default() };
    let (_, findings) = CertStore::of(&tls, None);
    let said: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("unknown option"), "{said:?}");
    assert_eq!(said[1], "tls.stores.default.nonsense: not supported");

    // One that a resolver has is the default once it is there.
    let generated = json!({"resolver": "le", "domain": {"main": "One.test"}});
    let stores = json!({"default": {"defaultGeneratedCert": generated}});
    let stores = serde_json::from_value(stores).unwrap();
    let tls = Tls { certificates: vec![inline("one", &["one.test"])], stores, ..Tls::default() };
    let (store, findings) = CertStore::of(&tls, None);
    assert_eq!((answer(&store, "unknown.test"), findings.len()), ("one".to_owned(), 0));
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

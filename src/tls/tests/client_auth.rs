//! Clients with and without certificates, under all kinds of client authentication.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::version::{TLS12, TLS13};

use super::*;

/// An authority, and its certificate as PEM.
fn authority(name: &str) -> (Issuer<'static, KeyPair>, (String, String)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    let key_pem = key.serialize_pem();
    (Issuer::new(params, key), (certificate, key_pem))
}

/// A client's certificate and key, valid for years that begin then.
fn client(
    issuer: &Issuer<'static, KeyPair>,
    usage: ExtendedKeyUsagePurpose,
    year: i32,
) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["client.test".to_owned()]).unwrap();
    params.extended_key_usages = vec![usage];
    params.not_before = rcgen::date_time_ymd(year, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 50, 1, 1);
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

#[test]
fn each_kind_takes_what_it_promises() {
    let (trusted, (trusted_pem, trusted_key)) = authority("trusted");
    let (stranger, _) = authority("stranger");
    let identities = [
        ("none", None),
        ("good", Some(client(&trusted, ExtendedKeyUsagePurpose::ClientAuth, 2020))),
        ("authority", Some((trusted_pem.clone(), trusted_key))),
        ("expired", Some(client(&trusted, ExtendedKeyUsagePurpose::ClientAuth, 1960))),
        ("for servers", Some(client(&trusted, ExtendedKeyUsagePurpose::ServerAuth, 2020))),
        ("stranger", Some(client(&stranger, ExtendedKeyUsagePurpose::ClientAuth, 2020))),
        ("self-signed", Some(pem("self", &["self.test"]))),
    ];
    let anybody: &[&str] =
        &["none", "good", "authority", "expired", "for servers", "stranger", "self-signed"];
    for (kind, with_authorities, taken) in [
        ("NoClientCert", true, anybody),
        ("RequestClientCert", false, anybody),
        ("RequestClientCert", true, anybody),
        ("RequireAnyClientCert", false, &anybody[1..]),
        ("RequireAnyClientCert", true, &anybody[1..]),
        ("VerifyClientCertIfGiven", true, &["none", "good", "authority"]),
        ("RequireAndVerifyClientCert", true, &["good", "authority"]),
        ("", true, &["good", "authority"]),
        ("", false, anybody),
    ] {
        let files = if with_authorities { vec![trusted_pem.as_str()] } else { Vec::new() };
        let auth = json!({"caFiles": files, "clientAuthType": kind});
        let (sets, findings) = sets(&json!({"default": {"clientAuth": auth}}), &[], None);
        assert_eq!(findings, []);
        let is_asked = !matches!(kind, "NoClientCert" | "") || kind.is_empty() && with_authorities;
        for version in [&TLS12, &TLS13] {
            for (name, identity) in &identities {
                let version = Some(version);
                let offer = Offer { version, identity: identity.clone(), ..Offer::default() };
                let done = handshake(sets.get("default").unwrap(), &offer.config(), "a.test");
                assert_eq!(done.is_ok(), taken.contains(name), "{kind} {name}: {done:?}");
                if let Ok(done) = done {
                    let chain = usize::from(is_asked && identity.is_some());
                    assert_eq!(done.facts.client_chain.len(), chain, "{kind} {name}");
                }
            }
        }
    }
}

#[test]
fn a_resumed_session_knows_the_client() {
    let (trusted, (trusted_pem, _)) = authority("trusted");
    let (sets, _) =
        sets(&json!({"default": {"clientAuth": {"caFiles": [trusted_pem]}}}), &[], None);
    for version in [&TLS12, &TLS13] {
        let identity = Some(client(&trusted, ExtendedKeyUsagePurpose::ClientAuth, 2020));
        let client = Offer { version: Some(version), identity, ..Offer::default() }.config();
        let first = handshake(sets.get("default").unwrap(), &client, "a.test").unwrap();
        let second = handshake(sets.get("default").unwrap(), &client, "a.test").unwrap();
        assert!(!first.is_resumed && second.is_resumed);
        assert_eq!(first.facts.client_chain, second.facts.client_chain);
        assert_eq!(second.facts.client_chain.len(), 1);
    }
}

#[test]
fn authorities_are_read_again_when_their_file_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let ((old, (old_pem, _)), (new, (new_pem, _))) = (authority("old"), authority("new"));
    let options = json!({"default": {"clientAuth": {"caFiles": [path.display().to_string()]}}});
    let offer = |issuer| {
        let identity = Some(client(issuer, ExtendedKeyUsagePurpose::ClientAuth, 2020));
        Offer { identity, ..Offer::default() }.config()
    };
    let (old, new) = (offer(&old), offer(&new));
    let takes = |sets: &OptionSets, client| {
        sets.get("default").is_ok_and(|options| handshake(options, client, "a.test").is_ok())
    };
    fs::write(&path, &old_pem).unwrap();
    let (first, _) = sets(&options, &[], None);
    assert!(takes(&first, &old) && !takes(&first, &new));
    fs::write(&path, format!("{new_pem}\n")).unwrap();
    let (second, _) = sets(&options, &[], Some(&first));
    assert!(!takes(&second, &old) && takes(&second, &new));
    // Nobody is let in while nobody can vouch for clients.
    fs::remove_file(&path).unwrap();
    let (third, findings) = sets(&options, &[], Some(&second));
    assert!(!takes(&third, &new));
    assert_eq!(findings.len(), 1);
    fs::write(&path, &new_pem).unwrap();
    let (fourth, _) = sets(&options, &[], Some(&third));
    assert!(takes(&fourth, &new));
}

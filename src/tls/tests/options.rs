//! What options ask of a handshake, and what is kept of them.

use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, NamedGroup};
use std::collections::BTreeMap;

use super::*;

#[test]
fn handshakes_tell_names_versions_and_protocols() {
    let (first, findings) = sets(&json!({}), &[inline("one", &["one.test", "127.0.0.1"])], None);
    assert_eq!(findings, []);
    let options = first.get("default").unwrap();
    for (version, text, ciphers) in [
        (&TLS12, "1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        (&TLS13, "1.3", "TLS_AES_128_GCM_SHA256"),
    ] {
        let version = Some(version);
        let client = Offer { version, alpn: vec!["http/1.1", "h2"], ..Offer::default() }.config();
        let done = handshake(options, &client, "ONE.test").unwrap();
        let facts = &done.facts;
        assert_eq!((facts.version, facts.cipher, facts.alpn), (text, ciphers, Some("h2")));
        assert_eq!((facts.sni.as_deref(), &*done.common_name), (Some("one.test"), "one"));
        assert_eq!((&*facts.options, facts.client_chain.len()), ("default", 0));
        assert!(!done.is_resumed);
        let again = handshake(options, &client, "ONE.test").unwrap();
        assert!(again.is_resumed, "no session is resumed in {text}");
    }
    let plain = Offer::default().config();
    let done = handshake(options, &plain, "unknown.test").unwrap();
    assert_eq!((done.facts.alpn, &*done.common_name), (None, "traefik default cert"));
    let done = handshake(options, &plain, "127.0.0.1").unwrap();
    assert_eq!((done.facts.sni, &*done.common_name), (None, "one"));
    assert_eq!(options.config(None, LOCAL).max_early_data_size, 0);
}

#[test]
fn unchanged_options_keep_sessions_and_take_new_certificates() {
    let options = json!({"default": {"sniStrict": false}, "other@file": {}});
    let (first, _) = sets(&options, &[inline("old", &["a.test"])], None);
    let client = Offer::default().config();
    let done = handshake(first.get("default").unwrap(), &client, "a.test").unwrap();
    assert_eq!((&*done.common_name, done.is_resumed), ("old", false));
    let (second, _) = sets(&options, &[inline("new", &["a.test"])], Some(&first));
    let kept = second.get("default").unwrap();
    assert!(handshake(kept, &client, "a.test").unwrap().is_resumed);
    let fresh = handshake(kept, &Offer::default().config(), "a.test").unwrap();
    assert_eq!(fresh.common_name, "new");
    // A session of some options is none of others.
    let other = second.get("other@file").unwrap();
    assert!(!handshake(other, &client, "a.test").unwrap().is_resumed);
    // Nor of changed ones.
    let client = Offer::default().config();
    assert!(!handshake(kept, &client, "a.test").unwrap().is_resumed);
    let changed = json!({"default": {"alpnProtocols": ["h2"]}});
    let (third, _) = sets(&changed, &[], Some(&second));
    assert!(!handshake(third.get("default").unwrap(), &client, "a.test").unwrap().is_resumed);
    // The generated certificate stays as long as it is in use.
    let (fourth, _) = sets(&changed, &[], Some(&third));
    let generated = |sets: &OptionSets| {
        handshake(sets.get("default").unwrap(), &client, "b.test").unwrap().common_name
    };
    assert_eq!(generated(&third), generated(&fourth));
}

#[test]
fn versions_are_limited() {
    let offer = |version| Offer { version: Some(version), ..Offer::default() };
    check(&json!({}), &offer(&TLS12), "1.2 ");
    check(&json!({}), &offer(&TLS13), "1.3 ");
    check(&json!({"minVersion": "VersionTLS13"}), &offer(&TLS13), "1.3 ");
    check(&json!({"minVersion": "VersionTLS13"}), &offer(&TLS12), "peer is incompatible");
    check(&json!({"maxVersion": "VersionTLS12"}), &Offer::default(), "1.2 ");
    check(&json!({"maxVersion": "VersionTLS12"}), &offer(&TLS13), "peer is incompatible");
}

#[test]
fn suites_groups_and_protocols_are_limited() {
    let suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305";
    let of = |suite| Offer { version: Some(&TLS12), suite: Some(suite), ..Offer::default() };
    let chacha = of(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    check(&json!({"cipherSuites": [suite]}), &chacha, "1.2 TLS_ECDHE_ECDSA_WITH_CHACHA20");
    let aes = of(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    check(&json!({"cipherSuites": [suite]}), &aes, "peer is incompatible");
    // Only of TLS 1.3, whose list is not limited.
    let only = json!({"cipherSuites": ["TLS_AES_256_GCM_SHA384"]});
    check(&only, &Offer::default(), "1.3 TLS_AES_128_GCM_SHA256");
    check(&only, &Offer { version: Some(&TLS12), ..Offer::default() }, "incompatible");

    let group = |group| Offer { group: Some(group), ..Offer::default() };
    let options = json!({"curvePreferences": ["CurveP384"]});
    check(&options, &group(NamedGroup::secp384r1), "1.3 ");
    check(&options, &group(NamedGroup::X25519), "peer is incompatible");

    let alpn = |alpn: &[&'static str]| Offer { alpn: alpn.to_vec(), ..Offer::default() };
    let options = json!({"alpnProtocols": ["http/1.1"]});
    check(&options, &alpn(&["h2", "http/1.1"]), " http/1.1");
    check(&options, &alpn(&[]), " -");
    check(&options, &alpn(&["h2"]), "any known protocol");
    check(&json!({}), &alpn(&["foo"]), "any known protocol");
    check(&json!({"alpnProtocols": []}), &alpn(&["h2"]), " -");
}

#[test]
fn strict_options_refuse_names_without_a_certificate() {
    let options = json!({"default": {"sniStrict": true}});
    let (sets, _) = sets(&options, &[inline("one", &["one.test"])], None);
    let (options, client) = (sets.get("default").unwrap(), Offer::default().config());
    assert!(handshake(options, &client, "one.test").is_ok());
    assert!(handshake(options, &client, "two.test").is_err());
    assert!(handshake(options, &client, "127.0.0.1").is_err());
}

#[test]
fn tickets_can_be_disabled() {
    for version in [&TLS12, &TLS13] {
        let (sets, _) = sets(&json!({"default": {"disableSessionTickets": true}}), &[], None);
        let options = sets.get("default").unwrap();
        let client = Offer { version: Some(version), ..Offer::default() }.config();
        handshake(options, &client, "a.test").unwrap();
        assert!(!handshake(options, &client, "a.test").unwrap().is_resumed);
    }
}

#[test]
fn unusable_options_are_reported_and_not_served() {
    for (options, expect) in [
        (json!({"maxVersion": "VersionTLS11"}), "maxVersion: VersionTLS11 is not spoken"),
        (json!({"cipherSuites": ["X"]}), "cipherSuites: \"X\" is no cipher suite"),
        (json!({"curvePreferences": ["X"]}), "curvePreferences: \"X\" is no key"),
        (json!({"clientAuth": {"clientAuthType": "X"}}), "clientAuth.clientAuthType: \"X\" is"),
        (
            json!({"clientAuth": {"clientAuthType": "VerifyClientCertIfGiven"}}),
            "clientAuth.clientAuthType: VerifyClientCertIfGiven needs caFiles",
        ),
        (
            json!({"clientAuth": {"caFiles": ["/none.pem"]}}),
            "clientAuth.caFiles: /none.pem cannot be read",
        ),
        (json!({"clientAuth": {"caFiles": ["-----BEGIN X"]}}), "clientAuth.caFiles: the text"),
    ] {
        let (sets, findings) = sets(&json!({"o@file": options}), &[], None);
        assert_eq!(findings.len(), 1, "{expect}");
        let said = findings[0].to_string();
        assert!(said.starts_with(&format!("tls.options.o@file: {expect}")), "{said}");
        let error = sets.get("o@file").unwrap_err();
        assert!(error.starts_with(&format!("the TLS options o@file: {expect}")), "{error}");
        assert!(sets.get("default").is_ok());
    }
    let (sets, findings) = sets(&json!({"default": {"preferServerCipherSuites": true}}), &[], None);
    assert!(findings[0].to_string().contains("deprecated"), "{findings:?}");
    assert!(sets.get("default").is_ok());
    assert_eq!(sets.get("x@file").unwrap_err(), "unknown TLS options: x@file");
}

#[test]
fn default_options_of_several_providers_are_none() {
    let part: crate::model::Dynamic =
        decode(&json!({"tls": {"options": {"default": {}}}})).unwrap();
    let merged = crate::model::merge([("a", &part), ("b", &part)]);
    let (sets, findings) = OptionSets::build(&merged.tls, &Arc::default(), None, &BTreeMap::new());
    assert!(sets.get("default").is_err());
    assert!(findings[0].to_string().contains("several providers"), "{findings:?}");
    let merged = crate::model::merge([("a", &part)]);
    let (sets, _) = OptionSets::build(&merged.tls, &Arc::default(), None, &BTreeMap::new());
    assert!(sets.get("default").is_ok());
}

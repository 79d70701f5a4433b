//! Versions and cipher suites by the names Go gives them, which Traefik's options use.

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedProtocolVersion};

use super::TlsError;

/// Versions from the oldest on.
const VERSIONS: &[(&str, &SupportedProtocolVersion)] =
    &[("VersionTLS12", &TLS12), ("VersionTLS13", &TLS13)];

/// Cipher suites of TLS 1.2 that rustls has, and those of TLS 1.3.
const CIPHER_SUITES: &[(&str, CipherSuite)] = &[
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", ECDSA_CHACHA),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", ECDSA_CHACHA),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", RSA_CHACHA),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", RSA_CHACHA),
];

const ECDSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
const RSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256;

/// The versions from one name to another, where an empty name is no limit.
pub(super) fn versions(
    min: &str,
    max: &str,
) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let place = |option: &'static str, name: &str, none: usize| match name {
        "" => Ok(none),
        _ => VERSIONS.iter().position(|(known, _)| *known == name).ok_or_else(|| {
            let known = VERSIONS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
            TlsError::Version { option, name: name.to_owned(), known }
        }),
    };
    let first = place("minVersion", min, 0)?;
    let last = place("maxVersion", max, VERSIONS.len() - 1)?;
    let chosen = VERSIONS.get(first..=last).unwrap_or_default();
    if chosen.is_empty() {
        return Err(TlsError::NoVersion);
    }
    Ok(chosen.iter().map(|(_, version)| *version).collect())
}

/// Leaves a provider with the named suites. Those of TLS 1.3 all stay: Go's list does not reach
/// them either.
pub(super) fn choose(provider: &mut CryptoProvider, names: &[String]) -> Result<(), TlsError> {
    if names.is_empty() {
        return Ok(());
    }
    let mut chosen = Vec::with_capacity(names.len());
    for (i, name) in names.iter().enumerate() {
        let found = CIPHER_SUITES.iter().find(|(known, _)| known == name);
        let unknown = || TlsError::CipherSuite { option: i, name: name.clone() };
        chosen.push(found.ok_or_else(unknown)?.1);
    }
    provider
        .cipher_suites
        .retain(|suite| suite.tls13().is_some() || chosen.contains(&suite.suite()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        let check = |min: &str, max: &str, expect: Option<&[&SupportedProtocolVersion]>| {
            assert_eq!(versions(min, max).ok().as_deref(), expect, "{min} {max}");
        };
        check("", "", Some(&[&TLS12, &TLS13]));
        check("VersionTLS13", "", Some(&[&TLS13]));
        check("", "VersionTLS12", Some(&[&TLS12]));
        check("VersionTLS12", "VersionTLS12", Some(&[&TLS12]));
        check("VersionTLS13", "VersionTLS12", None);
        check("VersionTLS11", "", None);
        check("", "VersionTLS10", None);
        check("1.2", "", None);
    }

    #[test]
    fn leaves_the_named_suites() {
        let left = |names: &[&str]| {
            let mut provider = rustls::crypto::ring::default_provider();
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            choose(&mut provider, &names).ok().map(|()| provider.cipher_suites.len())
        };
        assert_eq!(left(&[]), Some(9));
        assert_eq!(left(&["TLS_AES_128_GCM_SHA256"]), Some(3));
        let both =
            ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
        assert_eq!(left(&both), Some(5));
        assert_eq!(left(&["TLS_RSA_WITH_AES_128_CBC_SHA"]), None);
        for (name, suite) in CIPHER_SUITES {
            let provider = rustls::crypto::ring::default_provider();
            assert!(provider.cipher_suites.iter().any(|s| s.suite() == *suite), "{name}");
        }
    }
}

//! Versions, cipher suites and key exchange groups by the names Go gives them, which Traefik's
//! options use.

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, NamedGroup, SupportedProtocolVersion};

use super::OptionsError;

/// Versions from the oldest on; those without settings are never spoken.
const VERSIONS: &[(&str, Option<&SupportedProtocolVersion>)] = &[
    ("VersionTLS10", None),
    ("VersionTLS11", None),
    ("VersionTLS12", Some(&TLS12)),
    ("VersionTLS13", Some(&TLS13)),
];

const ECDSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
const RSA_CHACHA: CipherSuite = CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256;

/// Where a suite stands in our order.
pub(super) fn preference(suite: CipherSuite) -> usize {
    SUITES.iter().position(|(_, known)| *known == suite).unwrap_or(SUITES.len())
}

/// Cipher suites that are spoken, those that are preferred first; the first name of each is the one
/// Go prints.
pub(super) const SUITES: &[(&str, CipherSuite)] = &[
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
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", ECDSA_CHACHA),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", ECDSA_CHACHA),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", RSA_CHACHA),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", RSA_CHACHA),
];

/// Cipher suites that Go knows and that are too weak to be spoken here: those without forward
/// secrecy, without authenticated encryption, or broken.
const WEAK_SUITES: &[&str] = &[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_FALLBACK_SCSV",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// Key exchange groups by Go's names and by those of RFC 8446, which Traefik takes as well.
const GROUPS: &[(&str, NamedGroup)] = &[
    ("CurveP256", NamedGroup::secp256r1),
    ("CurveP384", NamedGroup::secp384r1),
    ("CurveP521", NamedGroup::secp521r1),
    ("SecP256r1MLKEM768", NamedGroup::secp256r1MLKEM768),
    ("SecP384r1MLKEM1024", NamedGroup::Unknown(0x11ed)),
    ("X25519", NamedGroup::X25519),
    ("X25519MLKEM768", NamedGroup::X25519MLKEM768),
    ("secp256r1", NamedGroup::secp256r1),
    ("secp256r1mlkem768", NamedGroup::secp256r1MLKEM768),
    ("secp384r1", NamedGroup::secp384r1),
    ("secp384r1mlkem1024", NamedGroup::Unknown(0x11ed)),
    ("secp521r1", NamedGroup::secp521r1),
    ("x25519", NamedGroup::X25519),
    ("x25519mlkem768", NamedGroup::X25519MLKEM768),
];

/// The versions from one name to another, where an empty name is no limit.
pub(super) fn versions(
    min: &str,
    max: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<&'static SupportedProtocolVersion>, OptionsError> {
    let place = |option: &'static str, name: &str, none: usize| match name {
        "" => Ok(none),
        _ => VERSIONS
            .iter()
            .position(|(known, _)| *known == name)
            .ok_or_else(|| OptionsError::Version { option, name: name.to_owned() }),
    };
    let first = place("minVersion", min, 0)?;
    let last = place("maxVersion", max, VERSIONS.len() - 1)?;
    let chosen = VERSIONS.get(first..=last).unwrap_or_default();
    if chosen.is_empty() {
        return Err(OptionsError::NoVersion);
    }
    let spoken: Vec<_> = chosen.iter().filter_map(|(_, version)| *version).collect();
    if spoken.is_empty() {
        return Err(OptionsError::OldVersion { name: max.to_owned() });
    }
    if !min.is_empty() && chosen.len() > spoken.len() {
        warnings.push(format!("minVersion: {min} is not spoken; the oldest is VersionTLS12"));
    }
    Ok(spoken)
}

/// Leaves a provider with the named suites of TLS 1.2. Those of TLS 1.3 all stay, since Go's list
/// does not reach them either; so does the provider's order, as Go keeps its own.
pub(super) fn suites(
    provider: &mut CryptoProvider,
    names: &[String],
    warnings: &mut Vec<String>,
) -> Result<(), OptionsError> {
    let mut chosen = Vec::with_capacity(names.len());
    for name in names {
        match SUITES.iter().find(|(known, _)| known == name) {
            Some((_, suite)) => chosen.push(*suite),
            None if WEAK_SUITES.contains(&name.as_str()) => {
                warnings.push(format!("cipherSuites: {name} is not spoken"));
            }
            None => return Err(OptionsError::Suite { name: name.clone() }),
        }
    }
    if chosen.is_empty() {
        return if names.is_empty() { Ok(()) } else { Err(OptionsError::NoSuite) };
    }
    let suites = &mut provider.cipher_suites;
    suites.retain(|suite| suite.tls13().is_some() || chosen.contains(&suite.suite()));
    Ok(())
}

/// Leaves a provider with the named key exchange groups, in its own order, as Go keeps its own.
pub(super) fn groups(
    provider: &mut CryptoProvider,
    names: &[String],
    warnings: &mut Vec<String>,
) -> Result<(), OptionsError> {
    if names.is_empty() {
        return Ok(());
    }
    let mut chosen = Vec::with_capacity(names.len());
    for name in names {
        let known = GROUPS.iter().find(|(known, _)| known == name);
        let (_, group) = known.ok_or_else(|| OptionsError::Group { name: name.clone() })?;
        if !provider.kx_groups.iter().any(|spoken| spoken.name() == *group) {
            warnings.push(format!("curvePreferences: {name} is not spoken"));
        }
        chosen.push(*group);
    }
    provider.kx_groups.retain(|group| chosen.contains(&group.name()));
    if provider.kx_groups.is_empty() { Err(OptionsError::NoGroup) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;

    use super::*;

    #[test]
    fn versions_by_name() {
        let check = |min: &str, max: &str, expect: Result<(usize, usize), &str>| {
            let mut warnings = Vec::new();
            let found = versions(min, max, &mut warnings);
            let found = found.map(|versions| (versions.len(), warnings.len()));
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_ref().map_err(String::as_str), expect.as_ref().map_err(|e| *e));
        };
        let unknown = "maxVersion: \"1.2\" is no version; known are VersionTLS12 and VersionTLS13";
        let old = "maxVersion: VersionTLS11 is not spoken; the oldest is VersionTLS12";
        check("", "", Ok((2, 0)));
        check("VersionTLS12", "", Ok((2, 0)));
        check("VersionTLS13", "", Ok((1, 0)));
        check("", "VersionTLS12", Ok((1, 0)));
        check("VersionTLS10", "", Ok((2, 1)));
        check("VersionTLS11", "VersionTLS12", Ok((1, 1)));
        check("", "VersionTLS11", Err(old));
        check("VersionTLS10", "VersionTLS11", Err(old));
        check("VersionTLS13", "VersionTLS12", Err("maxVersion: it is older than minVersion"));
        check("", "1.2", Err(unknown));
    }

    fn check(
        choose: fn(&mut CryptoProvider, &[String], &mut Vec<String>) -> Result<(), OptionsError>,
        left: fn(&CryptoProvider) -> usize,
        names: &[&str],
        expect: Result<(usize, usize), &str>,
    ) {
        let mut provider = ring::default_provider();
        let mut warnings = Vec::new();
        let owned: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let found = choose(&mut provider, &owned, &mut warnings).map_err(|e| e.to_string());
        let found = found.map(|()| (left(&provider), warnings.len()));
        assert_eq!(found.as_ref().map_err(String::as_str), expect.as_ref().map_err(|e| *e));
    }

    #[test]
    fn suites_by_name() {
        let check = |names: &[&str], expect| {
            check(suites, |provider| provider.cipher_suites.len(), names, expect);
        };
        check(&[], Ok((9, 0)));
        check(&["TLS_AES_128_GCM_SHA256"], Ok((3, 0)));
        check(&["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"], Ok((4, 0)));
        let weak = "TLS_RSA_WITH_AES_128_CBC_SHA";
        check(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", weak], Ok((4, 1)));
        check(&[weak], Err("cipherSuites: none of them is spoken"));
        check(&["TLS_NONSENSE"], Err("cipherSuites: \"TLS_NONSENSE\" is no cipher suite"));
        for (name, suite) in SUITES {
            let spoken = ring::ALL_CIPHER_SUITES.iter().any(|spoken| spoken.suite() == *suite);
            assert!(spoken, "{name}");
        }
    }

    #[test]
    fn groups_by_name() {
        let check = |names: &[&str], expect| {
            check(groups, |provider| provider.kx_groups.len(), names, expect);
        };
        check(&[], Ok((3, 0)));
        check(&["CurveP384"], Ok((1, 0)));
        check(&["x25519", "secp256r1"], Ok((2, 0)));
        check(&["X25519MLKEM768", "X25519"], Ok((1, 1)));
        check(&["X25519MLKEM768"], Err("curvePreferences: none of them is spoken"));
        check(&["P256"], Err("curvePreferences: \"P256\" is no key exchange group"));
    }
}

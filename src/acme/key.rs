//! Keys: those of certificates, the requests made with them, and those that accounts begin with.
//!
//! Elliptic keys and signatures are ring's. It makes no RSA keys, so the primes of these are found
//! elsewhere, with ring's randomness.

use rcgen::{
    CertificateParams, CertificateSigningRequest, CustomExtension, DistinguishedName, DnType,
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, SanType,
};
use ring::rand::{SecureRandom, SystemRandom};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::tls::ChallengeKey;

/// Kinds of keys by the names of `keyType`, with those that Traefik's file has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyType {
    Ec256,
    Ec384,
    Rsa2048,
    Rsa4096,
}

/// Why there is no key, or no request made with it.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// No primes were found.
    #[error("no RSA key could be made: {0}")]
    Primes(#[from] rsa::Error),
    /// It cannot be written down.
    #[error("an RSA key could not be written as PKCS #1: {0}")]
    Pkcs1(#[from] rsa::pkcs1::Error),
    /// It cannot be written down.
    #[error("an RSA key could not be written as PKCS #8: {0}")]
    Pkcs8(#[from] rsa::pkcs8::Error),
    /// A key or a request cannot be made.
    #[error("no certificate could be asked for: {0}")]
    Request(#[from] rcgen::Error),
}

/// By name, and by the name in Traefik's file.
const TYPES: &[(&str, &str, KeyType)] = &[
    ("EC256", "P256", KeyType::Ec256),
    ("EC384", "P384", KeyType::Ec384),
    ("RSA2048", "2048", KeyType::Rsa2048),
    ("RSA4096", "4096", KeyType::Rsa4096),
];

/// Bits of the key of an account, as Traefik's.
const ACCOUNT_BITS: usize = 4096;
/// The longest common name there may be (RFC 5280, appendix A.1).
const COMMON_NAME_BYTES_MAX: usize = 64;

impl KeyType {
    /// The kind of that name, as written in the configuration; empty means the usual one.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Rsa4096);
        }
        TYPES.iter().find(|(known, _, _)| *known == name).map(|(_, _, kind)| *kind)
    }

    /// How Traefik's file calls it.
    pub(super) fn in_file(self) -> &'static str {
        TYPES.iter().find(|(_, _, kind)| *kind == self).map_or("4096", |(_, name, _)| name)
    }

    /// A new key. Takes seconds where it is of RSA.
    pub(super) fn generate(self) -> Result<KeyPair, KeyError> {
        Ok(match self {
            Self::Ec256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            Self::Ec384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384)?,
            Self::Rsa2048 => rsa_pair(2048)?,
            Self::Rsa4096 => rsa_pair(4096)?,
        })
    }
}

fn rsa_pair(bits: usize) -> Result<KeyPair, KeyError> {
    let key = rsa::PrivateKey::new(&mut Randomness(SystemRandom::new()), bits)?;
    let der = key.to_pkcs8_der()?;
    let der = PrivatePkcs8KeyDer::from(der.as_bytes().to_vec());
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256)?)
}

/// The key of a new account, as PKCS #1. Takes seconds.
pub(super) fn account_key() -> Result<Vec<u8>, KeyError> {
    let key = rsa::PrivateKey::new(&mut Randomness(SystemRandom::new()), ACCOUNT_BITS)?;
    Ok(key.to_pkcs1_der()?.as_bytes().to_vec())
}

/// What is asked for beside names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) names: &'a [String],
    pub(super) emails: &'a [String],
    pub(super) common_name: CommonName,
}

/// Whether the main name is in the subject as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommonName {
    Main,
    None,
}

/// The request for a certificate (RFC 2986).
pub(super) fn request(
    key: &KeyPair,
    subject: Subject<'_>,
) -> Result<CertificateSigningRequest, KeyError> {
    let mut params = CertificateParams::new(subject.names.to_vec())?;
    for email in subject.emails {
        params.subject_alt_names.push(SanType::Rfc822Name(email.as_str().try_into()?));
    }
    params.distinguished_name = DistinguishedName::new();
    let main = subject.names.first().filter(|name| name.len() <= COMMON_NAME_BYTES_MAX);
    if let (Some(main), CommonName::Main) = (main, subject.common_name) {
        params.distinguished_name.push(DnType::CommonName, main.as_str());
    }
    Ok(params.serialize_request(key)?)
}

/// The certificate that proves a name in a handshake (RFC 8737, section 3), from the digest of what
/// the authority wants to be told.
pub(super) fn challenge(name: &str, digest: &[u8]) -> Result<ChallengeKey, KeyError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?.der().clone();
    let der = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok(ChallengeKey { certificate, key: PrivateKeyDer::Pkcs8(der) })
}

/// ring's randomness, as those who look for primes want it.
struct Randomness(SystemRandom);

/// The system has none.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no randomness")]
struct NoRandomness;

impl TryRng for Randomness {
    type Error = NoRandomness;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes).map_err(|_| NoRandomness)
    }
}

impl TryCryptoRng for Randomness {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_names_of_configuration_and_file() {
        for (name, expect) in [
            ("", Some("4096")),
            ("RSA4096", Some("4096")),
            ("EC256", Some("P256")),
            ("EC384", Some("P384")),
            ("RSA2048", Some("2048")),
            ("RSA8192", None),
            ("ec256", None),
        ] {
            assert_eq!(KeyType::named(name).map(KeyType::in_file), expect, "{name}");
        }
    }

    #[test]
    fn keys_of_both_families_sign_requests() {
        let names = ["a.test".to_owned(), "*.a.test".to_owned(), "127.0.0.1".to_owned()];
        let emails = ["a@a.test".to_owned()];
        for kind in [KeyType::Ec384, KeyType::Rsa2048] {
            let subject = Subject { names: &names, emails: &emails, common_name: CommonName::Main };
            let key = kind.generate().unwrap();
            let request = request(&key, subject).unwrap();
            for text in [&b"a.test"[..], b"*.a.test", b"a@a.test"] {
                let holds = request.der().windows(text.len()).any(|window| window == text);
                assert!(holds, "{kind:?}");
            }
        }
    }
}

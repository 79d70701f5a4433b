//! Keys that tokens are verified with: a shared secret, PEM text, or a set in JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hmac, signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use serde_json::Value;

use crate::value::{Certificate, PublicKey};

/// Keys of one set.
const KEYS_MAX: usize = 256;

/// Why there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::lua) enum KeyError {
    /// Text that is neither.
    #[error("this is neither PEM text nor a set of keys in JSON")]
    Unreadable,
    /// No key in it is of a kind that can be used.
    #[error("there is no key that can be used: RSA, EC on P-256 or P-384, Ed25519, or a secret")]
    None,
    /// There are too many.
    #[error("there are more than {KEYS_MAX} keys")]
    TooMany,
}

/// How a token is signed (RFC 7518, section 3.1, and RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// ES512 is missing: ring has no P-521. `none` is missing on purpose.
const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("HS256", Algorithm::Hs256),
    ("HS384", Algorithm::Hs384),
    ("HS512", Algorithm::Hs512),
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("EdDSA", Algorithm::EdDsa),
];

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::Hs256 => Some(hmac::HMAC_SHA256),
            Self::Hs384 => Some(hmac::HMAC_SHA384),
            Self::Hs512 => Some(hmac::HMAC_SHA512),
            _ => None,
        }
    }

    fn rsa(self) -> Option<&'static signature::RsaParameters> {
        match self {
            Self::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            _ => None,
        }
    }
}

/// Keys.
#[derive(Debug)]
pub(in crate::lua) struct Keys(Vec<Key>);

/// One key.
pub(super) struct Key {
    id: Option<String>,
    /// The only algorithm it is for, if it says so.
    only: Option<Algorithm>,
    material: Material,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}

enum Material {
    Secret(Vec<u8>),
    /// Modulus and exponent, big-endian.
    RsaNumbers(Vec<u8>, Vec<u8>),
    /// The same as DER.
    RsaDer(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Keys {
    /// A secret that both sides know.
    pub(in crate::lua) fn secret(secret: &[u8]) -> Self {
        Self(vec![Key { id: None, only: None, material: Material::Secret(secret.to_vec()) }])
    }

    /// Reads PEM text of public keys or certificates, or JSON: a set of keys, or one.
    ///
    /// # Errors
    /// When there is no key in it.
    pub(in crate::lua) fn read(text: &[u8]) -> Result<Self, KeyError> {
        let keys = match serde_json::from_slice::<Value>(text) {
            Ok(json) => match json.get("keys") {
                Some(Value::Array(keys)) if keys.len() > KEYS_MAX => return Err(KeyError::TooMany),
                Some(Value::Array(keys)) => keys.iter().filter_map(Key::of_json).collect(),
                _ => Key::of_json(&json).into_iter().collect(),
            },
            Err(_) if text.windows(11).any(|window| window == b"-----BEGIN ") => of_pem(text),
            Err(_) => return Err(KeyError::Unreadable),
        };
        match keys.len() {
            0 => Err(KeyError::None),
            1..=KEYS_MAX => Ok(Self(keys)),
            _ => Err(KeyError::TooMany),
        }
    }

    pub(super) fn all(&self) -> &[Key] {
        &self.0
    }
}

fn of_pem(text: &[u8]) -> Vec<Key> {
    let plain = SubjectPublicKeyInfoDer::pem_slice_iter(text).flatten();
    let mut keys: Vec<_> = plain.filter_map(|der| Key::of_spki(der.as_ref())).collect();
    for certificate in CertificateDer::pem_slice_iter(text).flatten() {
        let key = Certificate::read(&certificate).map(|facts| Key::of_spki(facts.public_key));
        keys.extend(key.flatten());
    }
    keys
}

impl Key {
    fn of_spki(der: &[u8]) -> Option<Self> {
        let material = match PublicKey::read(der)? {
            PublicKey::Rsa(key) => Material::RsaDer(key.to_vec()),
            PublicKey::P256(point) => Material::P256(point.to_vec()),
            PublicKey::P384(point) => Material::P384(point.to_vec()),
            PublicKey::Ed25519(key) => Material::Ed25519(key.to_vec()),
        };
        Some(Self { id: None, only: None, material })
    }

    /// One key in JSON; `None` for those that are for something else, or of another kind.
    fn of_json(json: &Value) -> Option<Self> {
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let only = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name)?),
        };
        let point = |length: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            let fits = x.len() == length && y.len() == length;
            // Uncompressed, as X9.62 writes it.
            fits.then(|| [&[4], &x[..], &y[..]].concat())
        };
        let material = match (text("kty")?, text("crv")) {
            ("oct", _) => Material::Secret(bytes("k")?),
            ("RSA", _) => Material::RsaNumbers(bytes("n")?, bytes("e")?),
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?),
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), only, material })
    }

    /// Whether a token that names this key may be meant; one that names none means any.
    pub(super) fn is_called(&self, id: Option<&str>) -> bool {
        match (id, &self.id) {
            (Some(id), Some(own)) => id == own,
            _ => true,
        }
    }

    /// Whether the key is of the algorithm's kind.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let of_kind = match &self.material {
            Material::Secret(_) => algorithm.hmac().is_some(),
            Material::RsaNumbers(..) | Material::RsaDer(_) => algorithm.rsa().is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        of_kind && self.only.is_none_or(|only| only == algorithm)
    }

    /// Whether the key has made a signature.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let plain = |how: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            signature::UnparsedPublicKey::new(how, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Secret(secret) => algorithm.hmac().is_some_and(|how| {
                hmac::verify(&hmac::Key::new(how, secret), signed, signature).is_ok()
            }),
            Material::RsaNumbers(n, e) => algorithm.rsa().is_some_and(|how| {
                let n = n.iter().position(|&byte| byte != 0).and_then(|start| n.get(start..));
                let key = signature::RsaPublicKeyComponents { n: n.unwrap_or_default(), e };
                key.verify(how, signed, signature).is_ok()
            }),
            Material::RsaDer(key) => algorithm.rsa().is_some_and(|how| plain(how, key)),
            Material::P256(point) => plain(&signature::ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => plain(&signature::ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(key) => plain(&signature::ED25519, key),
        }
    }
}

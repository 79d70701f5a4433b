//! `crypto.sign`: signatures with private keys.

use mlua::{LuaString, Value};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding,
    RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::encoding::encode;
use super::{Doc, Function};

pub(super) const SIGN: Function = Function {
    doc: Doc {
        name: "sign",
        signature: "crypto.sign(algorithm: string, key: string, message: string, encoding: \
                    string?) -> string",
        text: "Signs a message with a private key, PEM text. The algorithm is `RS256`, `RS384` or \
               `RS512` (RSA, PKCS #1 v1.5), `ES256` or `ES384` (elliptic curves), as tokens name \
               them. It takes up to a millisecond and is not for every request.",
        example: "local mark = crypto.sign(\"RS256\", account.private_key, text, \"base64url\")",
    },
    make: |lua, _| {
        lua.create_function(
            |_, (name, pem, message, encoding): (String, LuaString, LuaString, Option<String>)| {
                let signature = sign(&name, &pem.as_bytes(), &message.as_bytes());
                let signature = signature.map_err(mlua::Error::external)?;
                encode(&signature, encoding.as_deref())
            },
        )
        .map(Value::Function)
    },
};

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum SignError {
    #[error("crypto.sign: unknown algorithm {name:?}; known are RS256, RS384, RS512, ES256, ES384")]
    Algorithm { name: String },
    #[error("crypto.sign: the key is no PEM text of a private key")]
    Pem,
    #[error("crypto.sign: the key is no key for {name}")]
    Kind { name: String },
    #[error("crypto.sign: the system gives no randomness")]
    Random,
}

fn sign(name: &str, pem: &[u8], message: &[u8]) -> Result<Vec<u8>, SignError> {
    let rsa: Option<&'static dyn RsaEncoding> = match name {
        "RS256" => Some(&RSA_PKCS1_SHA256),
        "RS384" => Some(&RSA_PKCS1_SHA384),
        "RS512" => Some(&RSA_PKCS1_SHA512),
        _ => None,
    };
    let curve: Option<&'static EcdsaSigningAlgorithm> = match name {
        "ES256" => Some(&ECDSA_P256_SHA256_FIXED_SIGNING),
        "ES384" => Some(&ECDSA_P384_SHA384_FIXED_SIGNING),
        _ => None,
    };
    let unknown = || SignError::Algorithm { name: name.to_owned() };
    let kind = |_| SignError::Kind { name: name.to_owned() };
    let random = SystemRandom::new();
    match (rsa, curve) {
        (Some(rsa), _) => {
            let pair = match PrivateKeyDer::from_pem_slice(pem).map_err(|_| SignError::Pem)? {
                PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
                PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
                _ => return Err(SignError::Kind { name: name.to_owned() }),
            };
            let pair = pair.map_err(kind)?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(rsa, &random, message, &mut signature).map_err(|_| SignError::Random)?;
            Ok(signature)
        }
        (None, Some(curve)) => {
            let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| SignError::Pem)?;
            let PrivateKeyDer::Pkcs8(key) = key else {
                return Err(SignError::Kind { name: name.to_owned() });
            };
            let pair = EcdsaKeyPair::from_pkcs8(curve, key.secret_pkcs8_der(), &random);
            let signature = pair.map_err(kind)?.sign(&random, message);
            Ok(signature.map_err(|_| SignError::Random)?.as_ref().to_vec())
        }
        (None, None) => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    };

    use super::*;

    const RSA: &[u8] = include_bytes!("../../tls/store/testdata/rsa-pkcs8.key");
    const OLD_RSA: &[u8] = include_bytes!("../../tls/store/testdata/rsa-pkcs1.key");

    #[test]
    fn signatures_are_right() {
        let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_slice(RSA).unwrap() else {
            panic!("no PKCS #8")
        };
        let public = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
        let public = public.public_key().as_ref().to_vec();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        public.verify(b"text", &sign("RS256", RSA, b"text").unwrap()).unwrap();
        assert!(sign("RS256", OLD_RSA, b"text").is_ok());

        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let signature = sign("ES256", pair.serialize_pem().as_bytes(), b"text").unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key_raw());
        public.verify(b"text", &signature).unwrap();
    }

    #[test]
    fn what_is_wrong_is_told() {
        let check = |name: &str, key: &[u8], expect: &str| {
            let error = sign(name, key, b"text").unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("HS256", RSA, "unknown algorithm \"HS256\"");
        check("RS256", b"secret", "no PEM text");
        check("ES256", RSA, "no key for ES256");
        check("ES256", OLD_RSA, "no key for ES256");
    }
}

//! What an account signs (RFC 8555, section 6.2; RFC 7515), always with an RSA key, as Traefik's
//! accounts have one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use ring::{error, hmac};
use serde_json::{Value, json};

/// The key of an account.
pub(in crate::acme) struct AccountKey {
    pair: RsaKeyPair,
    /// The public half as JSON, members in the order of their names (RFC 7638).
    public: Value,
    thumbprint: String,
}

impl std::fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountKey").finish_non_exhaustive()
    }
}

/// Who signs, as the other side may know it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Signer<'a> {
    /// A key that no account is known for.
    Key,
    /// The account at that URL.
    Account(&'a str),
}

impl AccountKey {
    /// Reads PKCS #1; the reason why not otherwise.
    pub(in crate::acme) fn read(der: &[u8]) -> Result<Self, error::KeyRejected> {
        let pair = RsaKeyPair::from_der(der)?;
        let parts: PublicKeyComponents<Vec<u8>> = pair.public().into();
        let public = json!({"e": encode(&parts.e), "kty": "RSA", "n": encode(&parts.n)});
        let thumbprint = encode(digest(&SHA256, public.to_string().as_bytes()).as_ref());
        Ok(Self { pair, public, thumbprint })
    }

    /// What proves a name, together with a token (RFC 8555, section 8.1).
    pub(in crate::acme) fn authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.thumbprint)
    }

    /// A signed message; nothing as payload is a wish to read.
    pub(super) fn sign(
        &self,
        signer: Signer<'_>,
        nonce: &str,
        url: &str,
        payload: Option<&Value>,
    ) -> Result<Value, error::Unspecified> {
        let mut header = json!({"alg": "RS256", "nonce": nonce, "url": url});
        match signer {
            Signer::Key => header["jwk"] = self.public.clone(),
            Signer::Account(account) => header["kid"] = account.into(),
        }
        let (protected, payload) = parts(&header, payload);
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signed = format!("{protected}.{payload}");
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)?;
        Ok(message(&protected, &payload, &signature))
    }

    /// What ties the account to one that the authority knows otherwise (RFC 8555, section 7.3.4).
    pub(super) fn bind(&self, kid: &str, key: &[u8], url: &str) -> Value {
        let header = json!({"alg": "HS256", "kid": kid, "url": url});
        let (protected, payload) = parts(&header, Some(&self.public));
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let signature = hmac::sign(&key, format!("{protected}.{payload}").as_bytes());
        message(&protected, &payload, signature.as_ref())
    }
}

fn parts(header: &Value, payload: Option<&Value>) -> (String, String) {
    let payload = payload.map(|payload| encode(payload.to_string().as_bytes()));
    (encode(header.to_string().as_bytes()), payload.unwrap_or_default())
}

fn message(protected: &str, payload: &str, signature: &[u8]) -> Value {
    json!({"protected": protected, "payload": payload, "signature": encode(signature)})
}

/// base64 for URLs, without padding.
pub(in crate::acme) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of base64 for URLs, with padding or without; plain base64 is taken as well, since
/// authorities hand out keys in either.
pub(in crate::acme) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=').replace('+', "-").replace('/', "_");
    URL_SAFE_NO_PAD.decode(text).ok()
}

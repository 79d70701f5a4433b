//! Signed tokens (RFC 7515, RFC 7519) and the keys they are signed with (RFC 7517).
//!
//! Must not know what the claims mean, nor Lua.

mod key;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

pub(super) use key::Keys;
use key::{Algorithm, Key};

/// Longer tokens are nobody's.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Keys that one token is tried with.
const TRIES_MAX: usize = 8;

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    /// It is no token.
    #[error("malformed")]
    Malformed,
    /// It is signed in a way that is not allowed or not known.
    #[error("algorithm")]
    Algorithm,
    /// None of the keys can have signed it.
    #[error("no_key")]
    NoKey,
    /// It is not signed with the key that it names.
    #[error("signature")]
    Signature,
}

/// What a token says, once its signature has been verified.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verified {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
}

impl Keys {
    /// Verifies a token's signature. Only algorithms in `allowed` count, any if it is empty.
    ///
    /// # Errors
    /// When the token is not signed with one of the keys.
    pub(super) fn verify(&self, token: &[u8], allowed: &[String]) -> Result<Verified, TokenError> {
        let (signed, header, claims, signature) = parts(token)?;
        // What must be understood and is not makes a token invalid (RFC 7515, section 4.1.11).
        if header.contains_key("crit") {
            return Err(TokenError::Malformed);
        }
        let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let algorithm = Algorithm::named(name).ok_or(TokenError::Algorithm)?;
        if !allowed.is_empty() && !allowed.iter().any(|allowed| allowed == name) {
            return Err(TokenError::Algorithm);
        }
        let id = header.get("kid").and_then(Value::as_str);
        let fits = |key: &&Key| key.fits(algorithm) && key.is_called(id);
        let mut tried = false;
        for key in self.all().iter().filter(fits).take(TRIES_MAX) {
            tried = true;
            if key.verifies(algorithm, signed, &signature) {
                return Ok(Verified { header, claims });
            }
        }
        Err(if tried { TokenError::Signature } else { TokenError::NoKey })
    }
}

type Parts<'a> = (&'a [u8], Map<String, Value>, Map<String, Value>, Vec<u8>);

/// What is signed, header, claims and signature.
fn parts(token: &[u8]) -> Result<Parts<'_>, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let dot = |&byte: &u8| byte == b'.';
    let last = token.iter().rposition(|byte| dot(byte)).ok_or(TokenError::Malformed)?;
    let (signed, signature) = token.split_at_checked(last).ok_or(TokenError::Malformed)?;
    let mut texts = signed.split(dot);
    let (Some(header), Some(claims), None) = (texts.next(), texts.next(), texts.next()) else {
        return Err(TokenError::Malformed);
    };
    let decode = |text: &[u8]| URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed);
    let object = |text: &[u8]| match serde_json::from_slice(&decode(text)?) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(TokenError::Malformed),
    };
    let signature = decode(signature.get(1..).unwrap_or_default())?;
    Ok((signed, object(header)?, object(claims)?, signature))
}

#[cfg(test)]
mod tests;

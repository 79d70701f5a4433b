//! Messages that are signed with a shared key (RFC 8945).
//!
//! Must not know what the messages say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::wire::{self, Name, NameError, Signature};

/// Seconds that clocks may differ.
const FUDGE_SECONDS: u16 = 300;

/// Ways of signing.
const ALGORITHMS: [(&str, hmac::Algorithm); 4] = [
    ("hmac-sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
    ("hmac-sha256", hmac::HMAC_SHA256),
    ("hmac-sha384", hmac::HMAC_SHA384),
    ("hmac-sha512", hmac::HMAC_SHA512),
];

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::lua) enum KeyError {
    /// Its name.
    #[error("the key's name: {0}")]
    Name(#[from] NameError),
    /// Its algorithm.
    #[error("the key's algorithm {name:?} is none of {known}", known = known())]
    Algorithm { name: String },
    /// Its secret.
    #[error("the key's secret is no base64")]
    Secret,
}

fn known() -> String {
    ALGORITHMS.map(|(name, _)| name).join(", ")
}

/// What an error of a signature says, by its number.
pub(super) fn error_words(code: u16) -> String {
    match code {
        16 => "the signature is wrong (BADSIG)".to_owned(),
        17 => "the key is unknown (BADKEY)".to_owned(),
        18 => "the clocks differ too much (BADTIME)".to_owned(),
        22 => "the signature is too short (BADTRUNC)".to_owned(),
        other => format!("code {other}"),
    }
}

/// A shared key.
#[derive(Clone)]
pub(in crate::lua) struct Key {
    name: Name,
    algorithm: Name,
    secret: hmac::Key,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("name", &self.name.to_string()).finish_non_exhaustive()
    }
}

/// A signed message.
pub(super) struct Signed {
    pub(super) message: Vec<u8>,
    mac: Vec<u8>,
}

impl Key {
    /// A key as name servers are told of it: its secret in base64.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::lua) fn new(name: &str, algorithm: &str, secret: &str) -> Result<Self, KeyError> {
        let wanted = algorithm.trim_end_matches('.').to_ascii_lowercase();
        let found = ALGORITHMS.iter().find(|(name, _)| *name == wanted);
        let (algorithm, hmac) =
            found.ok_or_else(|| KeyError::Algorithm { name: algorithm.to_owned() })?;
        let secret = STANDARD.decode(secret.trim()).map_err(|_| KeyError::Secret)?;
        Ok(Self {
            name: Name::parse(name)?,
            algorithm: Name::parse(algorithm)?,
            secret: hmac::Key::new(*hmac, &secret),
        })
    }

    /// Signs a message that is not signed yet.
    pub(super) fn sign(&self, mut message: Vec<u8>, now: u64) -> Signed {
        let mut text = message.clone();
        self.variables(&mut text, now, FUDGE_SECONDS, 0, &[]);
        let mac = hmac::sign(&self.secret, &text).as_ref().to_vec();
        let id = message.get(..2).map(<[u8]>::to_vec).unwrap_or_default();
        let mut data = Vec::new();
        self.algorithm.write(&mut data);
        time(&mut data, now);
        wire::short(&mut data, FUDGE_SECONDS);
        wire::short(&mut data, u16::try_from(mac.len()).unwrap_or_default());
        data.extend_from_slice(&mac);
        data.extend_from_slice(&id);
        // Neither an error nor anything else.
        data.extend_from_slice(&[0; 4]);
        wire::record(&mut message, &self.name, wire::TYPE_TSIG, wire::CLASS_ANY, 0, &data);
        wire::count_additional(&mut message, 1);
        Signed { message, mac }
    }

    /// Whether an answer to a signed message is signed with this key, at about this time.
    pub(super) fn verifies(
        &self,
        answer: &[u8],
        signature: &Signature,
        asked: &Signed,
        now: u64,
    ) -> bool {
        let Some(bare) = answer.get(..signature.at) else { return false };
        let mut bare = bare.to_vec();
        wire::count_additional(&mut bare, -1);
        if let Some(id) = bare.get_mut(..2) {
            id.copy_from_slice(&signature.original_id.to_be_bytes());
        }
        let mut text = Vec::new();
        wire::short(&mut text, u16::try_from(asked.mac.len()).unwrap_or_default());
        text.extend_from_slice(&asked.mac);
        text.extend(bare);
        let Signature { seconds, fudge, error, .. } = *signature;
        self.variables(&mut text, seconds, fudge, error, &signature.other);
        signature.key == self.name
            && signature.algorithm == self.algorithm
            && now.abs_diff(seconds) <= u64::from(fudge)
            && hmac::verify(&self.secret, &text, &signature.mac).is_ok()
    }

    /// What is signed beside the message (section 4.3.3).
    fn variables(&self, to: &mut Vec<u8>, seconds: u64, fudge: u16, error: u16, other: &[u8]) {
        self.name.write(to);
        wire::short(to, wire::CLASS_ANY);
        to.extend_from_slice(&[0; 4]);
        self.algorithm.write(to);
        time(to, seconds);
        wire::short(to, fudge);
        wire::short(to, error);
        wire::short(to, u16::try_from(other.len()).unwrap_or_default());
        to.extend_from_slice(other);
    }
}

/// Seconds in 48 bits.
fn time(to: &mut Vec<u8>, seconds: u64) {
    to.extend(seconds.to_be_bytes().into_iter().skip(2));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer that a server with the same key has signed.
    fn answer(key: &Key, asked: &Signed, now: u64) -> Vec<u8> {
        let mut bare = asked.message.get(..12).unwrap().to_vec();
        bare[2] |= 0x80;
        bare[4..12].fill(0);
        let mut text = Vec::new();
        wire::short(&mut text, u16::try_from(asked.mac.len()).unwrap());
        text.extend_from_slice(&asked.mac);
        text.extend_from_slice(&bare);
        key.variables(&mut text, now, FUDGE_SECONDS, 0, &[]);
        let mac = hmac::sign(&key.secret, &text);
        let mut data = Vec::new();
        key.algorithm.write(&mut data);
        time(&mut data, now);
        wire::short(&mut data, FUDGE_SECONDS);
        wire::short(&mut data, u16::try_from(mac.as_ref().len()).unwrap());
        data.extend_from_slice(mac.as_ref());
        data.extend_from_slice(&bare[..2]);
        data.extend_from_slice(&[0; 4]);
        wire::record(&mut bare, &key.name, wire::TYPE_TSIG, wire::CLASS_ANY, 0, &data);
        wire::count_additional(&mut bare, 1);
        bare
    }

    #[test]
    fn answers_are_verified() {
        let key = |secret: &str| Key::new("k.test.", "HMAC-SHA256.", secret).unwrap();
        let (right, wrong) = (key("c2VjcmV0"), key("b3RoZXI="));
        let name = Name::parse("a.example").unwrap();
        let asked = right.sign(wire::query(5, &name), 1000);
        let check = |received: &[u8], key: &Key, now: u64, expect: bool| {
            let signature = wire::read(received).unwrap().signature.unwrap();
            assert_eq!(key.verifies(received, &signature, &asked, now), expect);
        };
        let received = answer(&right, &asked, 1000);
        check(&received, &right, 1000, true);
        check(&received, &right, 1300, true);
        check(&received, &right, 1301, false);
        check(&received, &wrong, 1000, false);
        let mut changed = received.clone();
        changed[3] ^= 1;
        check(&changed, &right, 1000, false);
        check(&answer(&wrong, &asked, 1000), &right, 1000, false);
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let check = |name: &str, algorithm: &str, secret: &str, expect: &str| {
            let error = Key::new(name, algorithm, secret).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check("", "hmac-sha256", "c2VjcmV0", "the key's name");
        check("k", "hmac-md5.sig-alg.reg.int", "c2VjcmV0", "none of hmac-sha1, hmac-sha256");
        check("k", "hmac-sha256", "?", "no base64");
    }
}

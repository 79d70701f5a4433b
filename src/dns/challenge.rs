//! A challenge as the record that answers it (RFC 8555, section 8.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

/// What must be in the DNS for a certificate authority to see.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The domain that a certificate is for, without `*.`.
    pub domain: String,
    /// The name of the TXT record, with a dot at its end. It is the target where a CNAME leads
    /// somewhere else.
    pub fqdn: String,
    /// The text of the record.
    pub value: String,
    /// The challenge's token; a few providers pass it on.
    pub token: String,
    /// The token with the account's thumbprint.
    pub key_authorization: String,
}

impl std::fmt::Debug for Challenge {
    /// The record is public; the rest is not for a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Challenge").field("fqdn", &self.fqdn).finish_non_exhaustive()
    }
}

impl Challenge {
    /// The record that answers a challenge for a domain.
    #[must_use]
    pub fn new(domain: &str, token: &str, key_authorization: &str) -> Self {
        let domain = domain.trim_start_matches("*.").trim_end_matches('.').to_owned();
        let value = URL_SAFE_NO_PAD.encode(digest(&SHA256, key_authorization.as_bytes()));
        Self {
            fqdn: format!("_acme-challenge.{domain}."),
            domain,
            value,
            token: token.to_owned(),
            key_authorization: key_authorization.to_owned(),
        }
    }

    /// As scripts get it.
    pub(super) fn table(&self) -> Value {
        json!({
            "domain": self.domain,
            "fqdn": self.fqdn,
            "value": self.value,
            "token": self.token,
            "key_authorization": self.key_authorization,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_a_record() {
        // The digest of "token.thumbprint", from another implementation of SHA-256.
        let value = "61rBZ_4knHblO0MNoxFsXZ_eTFUHum0B6IVRbhvUn5I";
        for domain in ["a.example", "*.a.example", "a.example."] {
            let challenge = Challenge::new(domain, "token", "token.thumbprint");
            assert_eq!(challenge.fqdn, "_acme-challenge.a.example.");
            assert_eq!((&*challenge.domain, &*challenge.value), ("a.example", value));
            assert!(!format!("{challenge:?}").contains("token"));
        }
    }
}

//! What is kept of a resolver: its account, its certificates, and records that are still to be
//! taken away. As JSON it is Traefik's `acme.json`, so that either can take the other's place.

use std::sync::Arc;

use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::model;

/// All that is kept of a resolver.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::acme) struct Kept {
    pub(in crate::acme) account: Option<Account>,
    #[serde(deserialize_with = "list")]
    pub(in crate::acme) certificates: Vec<Issued>,
    /// Moongate's own, and passed over by Traefik: records that orders have left behind if they
    /// end before their time.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub(in crate::acme) pending: Vec<Pending>,
}

/// An account of an authority.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in crate::acme) struct Account {
    pub(in crate::acme) email: String,
    pub(in crate::acme) registration: Option<Registration>,
    /// PKCS #1.
    #[serde(with = "bytes")]
    pub(in crate::acme) private_key: Vec<u8>,
    pub(in crate::acme) key_type: String,
}

/// Shows no key.
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("registration", &self.registration).finish_non_exhaustive()
    }
}

/// What the authority said of the account, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::acme) struct Registration {
    pub(in crate::acme) body: Value,
    pub(in crate::acme) uri: String,
}

/// A certificate with its key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::acme) struct Issued {
    pub(in crate::acme) domain: Domain,
    #[serde(flatten, with = "pair")]
    pub(in crate::acme) pair: Arc<model::Certificate>,
    #[serde(rename = "Store")]
    pub(in crate::acme) store: String,
}

/// The names that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::acme) struct Domain {
    pub(in crate::acme) main: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "list")]
    pub(in crate::acme) sans: Vec<String>,
}

/// A record that is to be taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::acme) struct Pending {
    pub(in crate::acme) domain: String,
    pub(in crate::acme) fqdn: String,
    pub(in crate::acme) value: String,
}

impl Domain {
    pub(in crate::acme) fn of(names: &[String]) -> Self {
        let mut names = names.iter().cloned();
        Self { main: names.next().unwrap_or_default(), sans: names.collect() }
    }

    pub(in crate::acme) fn names(&self) -> impl Iterator<Item = &String> {
        let main = Some(&self.main).filter(|main| !main.is_empty());
        main.into_iter().chain(&self.sans)
    }
}

/// Go writes a list that is empty as `null`.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Bytes as Go writes them.
mod bytes {
    use base64::Engine as _;

    use super::{Deserialize, Deserializer, STANDARD, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = Option::<String>::deserialize(from)?.unwrap_or_default();
        // What is wrong is not shown, since it may be a key.
        let wrong = |_| serde::de::Error::custom("no base64");
        STANDARD.decode(text).map_err(wrong)
    }
}

/// A certificate and its key: PEM text inside of bytes.
mod pair {
    use std::sync::Arc;

    use super::{Deserialize, Deserializer, Serialize, Serializer};
    use crate::model::Certificate;

    #[derive(Serialize, Deserialize, Default)]
    #[serde(default)]
    struct Pair {
        #[serde(with = "super::bytes")]
        certificate: Vec<u8>,
        #[serde(with = "super::bytes")]
        key: Vec<u8>,
    }

    pub(super) fn serialize<S: Serializer>(
        pair: &Arc<Certificate>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes = |text: &String| text.as_bytes().to_vec();
        Pair { certificate: bytes(&pair.cert_file), key: bytes(&pair.key_file) }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<Certificate>, D::Error> {
        let pair = Pair::deserialize(from)?;
        let text = |bytes| {
            let wrong = |_| serde::de::Error::custom("no PEM text");
            String::from_utf8(bytes).map_err(wrong)
        };
        let (cert_file, key_file) = (text(pair.certificate)?, text(pair.key)?);
        Ok(Arc::new(Certificate { cert_file, key_file, stores: Vec::new() }))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_traefik_wrote_is_read_and_written_again() {
        let text = json!({
            "Account": {
                "Email": "a@a.test",
                "Registration": {"body": {"status": "valid"}, "uri": "https://ca.test/acct/1"},
                "PrivateKey": STANDARD.encode("key"),
                "KeyType": "4096",
            },
            "Certificates": [{
                "domain": {"main": "a.test", "sans": ["b.test"]},
                "certificate": STANDARD.encode("PEM"),
                "key": STANDARD.encode("KEY"),
                "Store": "default",
            }],
        });
        let kept: Kept = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(kept.account.as_ref().unwrap().private_key, b"key");
        let issued = &kept.certificates[0];
        assert_eq!((&*issued.pair.cert_file, &*issued.pair.key_file), ("PEM", "KEY"));
        assert_eq!(issued.domain.names().collect::<Vec<_>>(), ["a.test", "b.test"]);
        assert_eq!(serde_json::to_value(&kept).unwrap(), text);
        let bare: Kept =
            serde_json::from_value(json!({"Account": null, "Certificates": null})).unwrap();
        assert_eq!(bare, Kept::default());
        assert!(!format!("{kept:?}").contains("KEY"));
    }
}

//! `/api/certificates`: certificates as Traefik's API shows them, without their keys.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::list::{Key, Row};
use crate::tls::CertStore;
use crate::value::{Attribute, Certificate, PublicKey};

/// Whose time ends sooner is shown as a warning.
const SOON_SECS: i64 = 30 * 24 * 60 * 60;

/// Object identifiers of what is shown of names (RFC 5280, appendix A.1).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const COUNTRY: &[u8] = &[0x55, 0x04, 0x06];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// The certificates of a generation, by their fingerprints.
#[derive(Debug)]
pub(super) struct Certificates(Vec<(String, Map<String, Value>)>);

impl Certificates {
    pub(super) fn of(store: &CertStore) -> Self {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let shown = |der: &[u8]| Some((hex(der), body(der, &Certificate::read(der)?, now)));
        let mut all: Vec<_> = store.leaves().filter_map(shown).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.dedup_by(|a, b| a.0 == b.0);
        Self(all)
    }

    /// What lists look at.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        self.0.iter().map(|(name, body)| row(name, body)).collect()
    }

    /// One certificate by its fingerprint.
    pub(super) fn one(&self, name: &str) -> Option<Value> {
        let (_, body) = self.0.iter().find(|(id, _)| id == name)?;
        Some(body.clone().into())
    }
}

fn row<'a>(name: &'a str, body: &'a Map<String, Value>) -> Row<'a> {
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    let names = body.get("sans").and_then(Value::as_array).into_iter().flatten();
    let names = names.filter_map(Value::as_str);
    let told = [text("commonName"), text("issuerOrg"), text("issuerCN")];
    let issuer = if text("issuerOrg").is_empty() { text("issuerCN") } else { text("issuerOrg") };
    let status = match text("status") {
        "disabled" => "disabled",
        "warning" => "warning",
        _ => "enabled",
    };
    Row {
        id: Cow::Borrowed(name),
        status,
        texts: told.into_iter().chain(names).map(Cow::Borrowed).collect(),
        keys: vec![
            ("name", Key::text(text("commonName"))),
            ("status", Key::text(status)),
            ("issuer", Key::text(issuer)),
            // Written alike, so that their order as text is that of time.
            ("validUntil", Key::text(text("notAfter"))),
        ],
        ..Row::default()
    }
}

fn body(der: &[u8], facts: &Certificate<'_>, now: i64) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    // Go's names; what it does not know it calls so as well.
    let (kind, bits) = match PublicKey::read(facts.public_key) {
        Some(key @ PublicKey::Rsa(_)) => ("RSA", key.bits()),
        Some(key @ (PublicKey::P256(_) | PublicKey::P384(_))) => ("ECDSA", key.bits()),
        Some(PublicKey::Ed25519(_)) | None => ("Unknown", 0),
    };
    let fingerprint = hex(der);
    let names = &facts.alternative;
    let mut sans: Vec<String> = names.dns.clone();
    sans.extend(names.addresses.iter().map(ToString::to_string));
    sans.sort();
    put("name", fingerprint.as_str().into());
    put("sans", sans.into());
    put("notAfter", moment(facts.not_after).into());
    put("notBefore", moment(facts.not_before).into());
    put("serialNumber", facts.serial_decimal().into());
    put("commonName", attribute(&facts.subject, COMMON_NAME).into());
    let told = [
        ("issuerOrg", &facts.issuer, ORGANIZATION),
        ("issuerCN", &facts.issuer, COMMON_NAME),
        ("issuerCountry", &facts.issuer, COUNTRY),
        ("organization", &facts.subject, ORGANIZATION),
        ("country", &facts.subject, COUNTRY),
    ];
    for (name, of, id) in told {
        let text = attribute(of, id);
        if !text.is_empty() {
            put(name, text.into());
        }
    }
    put("version", format!("v{}", facts.version).into());
    put("keyType", kind.into());
    if bits > 0 {
        put("keySize", bits.into());
    }
    put("signatureAlgorithm", signature(der).into());
    put("certFingerprint", fingerprint.into());
    put("publicKeyFingerprint", hex(facts.public_key).into());
    let status = match facts.not_after - now {
        left if left < 0 => "disabled",
        left if left < SOON_SECS => "warning",
        _ => "enabled",
    };
    put("status", status.into());
    body
}

fn attribute<'a>(name: &'a [Attribute<'_>], id: &[u8]) -> &'a str {
    name.iter().find(|attribute| attribute.id == id).map_or("", |attribute| &attribute.text)
}

fn moment(seconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    moment.and_then(|moment| moment.format(&Rfc3339).ok()).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}

/// Algorithms of signatures by the bytes of their identifiers (RFC 8017, appendix C; RFC 5758,
/// section 3.2; RFC 8410), and how Go calls them.
const SIGNATURES: &[(&[u8], &str)] = &[
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05], "SHA1-RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "SHA256-RSAPSS"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], "SHA256-RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c], "SHA384-RSA"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d], "SHA512-RSA"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01], "ECDSA-SHA1"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], "ECDSA-SHA256"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], "ECDSA-SHA384"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], "ECDSA-SHA512"),
    (&[0x2b, 0x65, 0x70], "Ed25519"),
];

fn signature(der: &[u8]) -> &'static str {
    let algorithm = Certificate::signed(der).map(|(_, algorithm, _)| algorithm);
    // Tag and length stand in front of the identifier.
    let id = algorithm.and_then(|algorithm| {
        let (_, rest) = algorithm.split_first()?;
        let (len, rest) = rest.split_first()?;
        rest.get(..usize::from(*len))
    });
    let known = SIGNATURES.iter().find(|(known, _)| Some(*known) == id);
    known.map_or("0", |(_, name)| name)
}

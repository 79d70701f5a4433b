//! The little that is read of a certificate: its names, its public key and its time (RFC 5280).
//!
//! A walk over DER that copies nothing but names. Lengths are checked at every step; what is not
//! understood is an error of the whole certificate.

use std::net::IpAddr;

/// What is read of a certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// The common name and all alternative names, in lower case, without doubles.
    pub(super) names: Vec<String>,
    /// The public key with its algorithm, as DER.
    pub(super) public_key: &'a [u8],
    /// When it begins and ends to be valid, in seconds since 1970, where that can be read.
    pub(super) validity: Option<[i64; 2]>,
}

impl Facts<'_> {
    /// Whether a time, in seconds since 1970, is within the certificate's.
    pub(super) fn is_valid_at(&self, unix_seconds: u64) -> bool {
        let now = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        self.validity.is_some_and(|[begin, end]| begin <= now && now <= end)
    }
}

/// Reads a certificate; `None` when it is none.
pub(super) fn read(der: &[u8]) -> Option<Facts<'_>> {
    let certificate = Reader(der).expect(SEQUENCE)?;
    let mut body = Reader(Reader(certificate).expect(SEQUENCE)?);
    body.optional(VERSION)?;
    body.expect(INTEGER)?;
    // The signature's algorithm and the issuer.
    for _ in 0..2 {
        body.expect(SEQUENCE)?;
    }
    let validity = validity(body.expect(SEQUENCE)?);
    let subject = body.expect(SEQUENCE)?;
    let public_key = body.whole(SEQUENCE)?;
    body.optional(ISSUER_ID)?;
    body.optional(SUBJECT_ID)?;
    let mut names = Vec::new();
    common_names(subject, &mut names)?;
    if let Some(extensions) = body.optional(EXTENSIONS)? {
        alternative_names(extensions, &mut names)?;
    }
    Some(Facts { names, public_key, validity })
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17.
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// UTF-8, printable, Teletex and IA5 text.
const TEXTS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];
/// Names of one certificate that are looked at.
const NAMES_MAX: usize = 10_000;

fn validity(der: &[u8]) -> Option<[i64; 2]> {
    let mut times = Reader(der);
    Some([time(&mut times)?, time(&mut times)?])
}

/// A time as both kinds must be written: to the second, in UTC (section 4.1.2.5).
fn time(times: &mut Reader<'_>) -> Option<i64> {
    let (tag, _, text) = times.next()?;
    let text = std::str::from_utf8(text.strip_suffix(b"Z")?).ok()?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let two = |place: usize| rest.get(2 * place..2 * place + 2)?.parse::<u8>().ok();
    let month = time::Month::try_from(two(0)?).ok()?;
    let date = time::Date::from_calendar_date(year, month, two(1)?).ok()?;
    Some(date.with_hms(two(2)?, two(3)?, two(4)?).ok()?.assume_utc().unix_timestamp())
}

fn common_names(subject: &[u8], names: &mut Vec<String>) -> Option<()> {
    let mut parts = Reader(subject);
    while !parts.is_empty() {
        let mut attributes = Reader(parts.expect(SET)?);
        while !attributes.is_empty() {
            let mut attribute = Reader(attributes.expect(SEQUENCE)?);
            let id = attribute.expect(OBJECT_ID)?;
            let (tag, _, text) = attribute.next()?;
            if id == COMMON_NAME && TEXTS.contains(&tag) {
                add(names, text);
            }
        }
    }
    Some(())
}

fn alternative_names(extensions: &[u8], names: &mut Vec<String>) -> Option<()> {
    let mut extensions = Reader(Reader(extensions).expect(SEQUENCE)?);
    while !extensions.is_empty() {
        let mut extension = Reader(extensions.expect(SEQUENCE)?);
        let id = extension.expect(OBJECT_ID)?;
        extension.optional(BOOLEAN)?;
        let value = extension.expect(OCTETS)?;
        if id != ALTERNATIVE_NAME {
            continue;
        }
        let mut entries = Reader(Reader(value).expect(SEQUENCE)?);
        while !entries.is_empty() {
            match entries.next()? {
                (DNS_NAME, _, name) => add(names, name),
                (IP_ADDRESS, _, bytes) => {
                    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
                    add(names, address.ok()?.to_string().as_bytes());
                }
                _ => {}
            }
        }
    }
    Some(())
}

fn add(names: &mut Vec<String>, name: &[u8]) {
    let name = String::from_utf8_lossy(name).to_lowercase();
    if !name.is_empty() && names.len() < NAMES_MAX && !names.contains(&name) {
        names.push(name);
    }
}

/// What is left of DER to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element: its tag, all of it, and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Four bytes of length are more than any certificate has.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let (whole, _) = self.0.split_at_checked(self.0.len() - rest.len())?;
        self.0 = rest;
        Some((tag, whole, content))
    }

    /// The content of the next element, which must be of this kind.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, ..)| *found == tag).map(|(_, _, content)| content)
    }

    /// The next element with its head, which must be of this kind.
    fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, ..)| *found == tag).map(|(_, whole, _)| whole)
    }

    /// The content of the next element if it is of this kind.
    #[allow(clippy::option_option, reason = "the outer one is the error, as in the rest")]
    fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Some(None) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn make(common_name: Option<&str>, names: &[&str]) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Org");
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let san = |name: &&str| match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(san).collect();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let key = rustls::crypto::ring::sign::any_supported_type(
            &rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        );
        (der, key.unwrap().public_key().unwrap().to_vec())
    }

    fn check(common_name: Option<&str>, names: &[&str], expect: &[&str]) {
        let (der, public_key) = make(common_name, names);
        let facts = read(&der).unwrap();
        assert_eq!(facts.names, expect);
        assert_eq!(facts.public_key, public_key);
    }

    #[test]
    fn names_and_key() {
        check(None, &[], &[]);
        check(Some("Only.CN"), &[], &["only.cn"]);
        check(Some("a.test"), &["A.test", "*.b.test"], &["a.test", "*.b.test"]);
        check(None, &["a.test", "127.0.0.1", "::1"], &["a.test", "127.0.0.1", "::1"]);
        let many: Vec<String> = (0..300).map(|number| format!("h{number}.test")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(None, &many, &many);
    }

    #[test]
    fn other_things_are_none() {
        for der in [&b""[..], b"x", &[0x30], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(read(der), None);
        }
        let (der, _) = make(Some("a"), &["b"]);
        assert!((0..der.len()).all(|end| read(&der[..end]).is_none()));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn damaged_certificates_never_panic(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let (mut der, _) = make(Some("cn.test"), &["a.test", "127.0.0.1"]);
            for (at, byte) in damage {
                let at = at.index(der.len());
                der[at] = byte;
            }
            let _ = read(&der);
        }
    }
}

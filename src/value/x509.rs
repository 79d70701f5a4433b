//! What is read of a certificate: its names, its public key, and what servers are told of clients'
//! certificates (RFC 5280).
//!
//! Nothing is verified here. What is not understood is an error of the whole certificate.

use std::net::IpAddr;

use super::der::{BOOLEAN, INTEGER, OBJECT_ID, OCTETS, Reader, SEQUENCE, SET};

/// What is read of a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The common name and all alternative names of hosts, in lower case, without doubles.
    pub names: Vec<String>,
    /// The public key with its algorithm, as DER.
    pub public_key: &'a [u8],
    /// The serial number, big-endian, as DER has it.
    pub serial: &'a [u8],
    /// Who has signed it, as DER.
    pub issuer_der: &'a [u8],
    /// Whose certificate it is, as DER.
    pub subject_der: &'a [u8],
    /// Its extensions, as DER.
    extensions: &'a [u8],
    /// Whose certificate it is, attribute by attribute.
    pub subject: Vec<Attribute<'a>>,
    /// Who has signed it.
    pub issuer: Vec<Attribute<'a>>,
    /// Seconds from 1970 to the beginning of its time.
    pub not_before: i64,
    /// Seconds from 1970 to the end of its time.
    pub not_after: i64,
    /// Alternative names as they are written.
    pub alternative: Alternative,
    /// The version, from 1 on.
    pub version: u8,
}

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The object identifier's bytes.
    pub id: &'a [u8],
    /// Its text.
    pub text: String,
}

/// Alternative names as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alternative {
    /// Names of hosts.
    pub dns: Vec<String>,
    /// Mail addresses.
    pub emails: Vec<String>,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
    /// URIs.
    pub uris: Vec<String>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER; `None` when it is none.
    #[must_use]
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let certificate = Reader(der).expect(SEQUENCE)?;
        let mut body = Reader(Reader(certificate).expect(SEQUENCE)?);
        let version =
            body.optional(VERSION)?.and_then(<[u8]>::last).map_or(1, |v| v.wrapping_add(1));
        let serial = body.expect(INTEGER)?;
        // The signature's algorithm.
        body.expect(SEQUENCE)?;
        let issuer_der = body.whole(SEQUENCE)?;
        let issuer = attributes(Reader(issuer_der).expect(SEQUENCE)?)?;
        let mut validity = Reader(body.expect(SEQUENCE)?);
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        let subject_der = body.whole(SEQUENCE)?;
        let subject = attributes(Reader(subject_der).expect(SEQUENCE)?)?;
        let public_key = body.whole(SEQUENCE)?;
        body.optional(ISSUER_ID)?;
        body.optional(SUBJECT_ID)?;
        let mut alternative = Alternative::default();
        let extensions = body.optional(EXTENSIONS)?;
        if let Some(extensions) = extensions {
            alternative_names(extensions, &mut alternative)?;
        }
        let names = names(&subject, &alternative);
        Some(Self {
            names,
            public_key,
            serial,
            issuer_der,
            subject_der,
            extensions: extensions.unwrap_or_default(),
            subject,
            issuer,
            not_before,
            not_after,
            alternative,
            version,
        })
    }

    /// What an extension holds, by the bytes of its identifier.
    #[must_use]
    pub fn extension(&self, wanted: &[u8]) -> Option<&'a [u8]> {
        let mut extensions = Reader(Reader(self.extensions).expect(SEQUENCE)?);
        while !extensions.is_empty() {
            let mut extension = Reader(extensions.expect(SEQUENCE)?);
            let id = extension.expect(OBJECT_ID)?;
            extension.optional(BOOLEAN)?;
            let value = extension.expect(OCTETS)?;
            if id == wanted {
                return Some(value);
            }
        }
        None
    }

    /// What is signed in a certificate, the signature's algorithm, and the signature.
    #[must_use]
    pub fn signed(der: &'a [u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        let mut certificate = Reader(Reader(der).expect(SEQUENCE)?);
        let (body, algorithm) = (certificate.whole(SEQUENCE)?, certificate.expect(SEQUENCE)?);
        Some((body, algorithm, certificate.expect(BITS)?.strip_prefix(&[0])?))
    }

    /// The common name, as it is written; empty without one.
    #[must_use]
    pub fn common_name(&self) -> &str {
        let named = self.subject.iter().rev().find(|attribute| attribute.id == COMMON_NAME);
        named.map_or("", |attribute| &attribute.text)
    }

    /// The serial number in decimal, as Go prints it.
    #[must_use]
    pub fn serial_decimal(&self) -> String {
        decimal(self.serial)
    }
}

const BITS: u8 = 0x03;
const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;
const EMAIL: u8 = 0x81;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
const IP_ADDRESS: u8 = 0x87;
/// 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17.
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// UTF-8, numeric, printable, Teletex and IA5 text.
const TEXTS: [u8; 5] = [0x0c, 0x12, 0x13, 0x14, 0x16];
/// Text in UTF-16.
const WIDE_TEXT: u8 = 0x1e;
/// Time with two digits of the year, and with four.
const SHORT_TIME: u8 = 0x17;
const LONG_TIME: u8 = 0x18;
/// Serial numbers have 20 bytes at most (RFC 5280, section 4.1.2.2); some have more.
const SERIAL_BYTES_MAX: usize = 64;
/// Names of one certificate that are looked at.
const NAMES_MAX: usize = 10_000;

fn attributes(name: &[u8]) -> Option<Vec<Attribute<'_>>> {
    let mut all = Vec::new();
    let mut parts = Reader(name);
    while !parts.is_empty() {
        let mut part = Reader(parts.expect(SET)?);
        while !part.is_empty() {
            let mut attribute = Reader(part.expect(SEQUENCE)?);
            let id = attribute.expect(OBJECT_ID)?;
            let (tag, _, bytes) = attribute.next()?;
            if let Some(text) = text(tag, bytes).filter(|_| all.len() < NAMES_MAX) {
                all.push(Attribute { id, text });
            }
        }
    }
    Some(all)
}

/// The text of an attribute; `None` for what is none.
fn text(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        _ if TEXTS.contains(&tag) => Some(String::from_utf8_lossy(bytes).into_owned()),
        WIDE_TEXT => {
            let pairs = bytes.chunks_exact(2);
            let units: Vec<u16> = pairs
                .map(|pair| pair.iter().fold(0, |unit, b| unit << 8 | u16::from(*b)))
                .collect();
            Some(String::from_utf16_lossy(&units))
        }
        _ => None,
    }
}

/// A time in one of its two forms (RFC 5280, section 4.1.2.5), in seconds from 1970.
pub(super) fn time(validity: &mut Reader<'_>) -> Option<i64> {
    let (tag, _, text) = validity.next()?;
    let text = text.strip_suffix(b"Z")?;
    let (year, rest) = match tag {
        SHORT_TIME => {
            let (year, rest) = number(text, 2)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        LONG_TIME => number(text, 4)?,
        _ => return None,
    };
    let (month, rest) = number(rest, 2)?;
    let (day, rest) = number(rest, 2)?;
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(rest, 2)?;
    let (second, rest) = number(rest, 2)?;
    let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = time::Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    let small = |number: i32| u8::try_from(number).ok();
    let clock = date.with_hms(small(hour)?, small(minute)?, small(second)?).ok()?;
    rest.is_empty().then(|| clock.assume_utc().unix_timestamp())
}

/// A number of so many digits, and what follows it.
fn number(text: &[u8], digits: usize) -> Option<(i32, &[u8])> {
    let (number, rest) = text.split_at_checked(digits)?;
    let value = number
        .iter()
        .try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + i32::from(b - b'0')))?;
    Some((value, rest))
}

fn alternative_names(extensions: &[u8], names: &mut Alternative) -> Option<()> {
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
            let (tag, _, bytes) = entries.next()?;
            let text = || String::from_utf8_lossy(bytes).into_owned();
            match tag {
                DNS_NAME => keep(&mut names.dns, text()),
                EMAIL => keep(&mut names.emails, text()),
                URI => keep(&mut names.uris, text()),
                IP_ADDRESS => {
                    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
                    let address = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
                    keep(&mut names.addresses, address.ok()?);
                }
                _ => {}
            }
        }
    }
    Some(())
}

fn keep<T>(names: &mut Vec<T>, name: T) {
    if names.len() < NAMES_MAX {
        names.push(name);
    }
}

/// The names that a server certificate is chosen by.
fn names(subject: &[Attribute<'_>], alternative: &Alternative) -> Vec<String> {
    let common = subject.iter().filter(|attribute| attribute.id == COMMON_NAME);
    let common = common.map(|attribute| attribute.text.to_lowercase());
    let dns = alternative.dns.iter().map(|name| name.to_lowercase());
    let addresses = alternative.addresses.iter().map(IpAddr::to_string);
    let mut names = Vec::new();
    for name in common.chain(dns).chain(addresses).filter(|name| !name.is_empty()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A whole number of DER in decimal.
fn decimal(bytes: &[u8]) -> String {
    let is_negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let mut digits = vec![0_u8];
    let push = |digits: &mut Vec<u8>, byte: u8| {
        let mut carry = u32::from(byte);
        for digit in digits.iter_mut() {
            let sum = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(sum % 10).unwrap_or_default();
            carry = sum / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    };
    // Two's complement: a negative number's inverted bytes are one less than its amount.
    for byte in bytes.iter().take(SERIAL_BYTES_MAX) {
        push(&mut digits, if is_negative { !byte } else { *byte });
    }
    if is_negative {
        let nine = digits.iter().take_while(|digit| **digit == 9).count();
        digits.iter_mut().take(nine).for_each(|digit| *digit = 0);
        match digits.get_mut(nine) {
            Some(digit) => *digit += 1,
            None => digits.push(1),
        }
    }
    let digits = digits.iter().rev().map(|digit| char::from(b'0' + digit));
    is_negative.then_some('-').into_iter().chain(digits).collect()
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
        let facts = Certificate::read(&der).unwrap();
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
    fn serial_numbers_in_decimal() {
        for (bytes, expect) in [
            (&[][..], "0"),
            (&[0], "0"),
            (&[0x12, 0x67], "4711"),
            (&[0x00, 0xff], "255"),
            (&[0xff], "-1"),
            (&[0x80], "-128"),
            (&[0xff, 0x9c], "-100"),
            (&[0x01, 0, 0, 0, 0, 0, 0, 0, 0], "18446744073709551616"),
        ] {
            assert_eq!(decimal(bytes), expect, "{bytes:?}");
        }
    }

    #[test]
    fn times_in_both_forms() {
        for (tag, text, expect) in [
            (SHORT_TIME, "210101000000Z", Some(1_609_459_200)),
            (SHORT_TIME, "500101000000Z", Some(-631_152_000)),
            (LONG_TIME, "20480101000000Z", Some(2_461_449_600)),
            (LONG_TIME, "20481301000000Z", None),
            (LONG_TIME, "204801010000Z", None),
            (SHORT_TIME, "2101010000000Z", None),
            (OCTETS, "210101000000Z", None),
        ] {
            let der = [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            assert_eq!(time(&mut Reader(&der)), expect, "{text}");
        }
    }

    #[test]
    fn what_servers_are_told_of_clients() {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::CommonName, "Client");
        params.serial_number = Some(4711.into());
        params.not_before = rcgen::date_time_ymd(2021, 1, 1);
        params.not_after = rcgen::date_time_ymd(2060, 1, 1);
        params.subject_alt_names = vec![
            SanType::DnsName("Cli.test".try_into().unwrap()),
            SanType::Rfc822Name("a@b.test".try_into().unwrap()),
            SanType::URI("urn:x".try_into().unwrap()),
            SanType::IpAddress("::1".parse().unwrap()),
        ];
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let read = Certificate::read(&der).unwrap();
        assert_eq!(read.serial_decimal(), "4711");
        assert_eq!((read.not_before, read.not_after), (1_609_459_200, 2_840_140_800));
        let texts: Vec<_> = read.subject.iter().map(|attribute| &*attribute.text).collect();
        assert_eq!(texts, ["DE", "Client"]);
        assert_eq!(read.issuer, read.subject);
        assert_eq!(read.alternative.dns, ["Cli.test"]);
        assert_eq!(read.alternative.emails, ["a@b.test"]);
        assert_eq!(read.alternative.uris, ["urn:x"]);
        assert_eq!(read.alternative.addresses, ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn other_things_are_none() {
        for der in [&b""[..], b"x", &[0x30], &[0x30, 0x80], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(Certificate::read(der), None);
        }
        let (der, _) = make(Some("a"), &["b"]);
        assert!((0..der.len()).all(|end| Certificate::read(&der[..end]).is_none()));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Certificate::read(&bytes);
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
            let _ = Certificate::read(&der);
        }
    }
}

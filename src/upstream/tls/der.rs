//! The few fields of a certificate (RFC 5280, section 4.1) that rustls does not tell.
//!
//! Reads definite lengths only, as DER has them, and answers nothing where anything is odd. Must
//! not decide whether a certificate is trusted.

/// Fields of a certificate, as slices of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    /// The issuer's name with its header.
    pub(super) issuer: &'a [u8],
    not_before: (u8, &'a [u8]),
    not_after: (u8, &'a [u8]),
    extensions: &'a [u8],
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A URI among the names of a subject.
const URI_NAME: u8 = 0x86;
/// The identifier 2.5.29.17.
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

impl<'a> Fields<'a> {
    /// Reads a certificate.
    pub(super) fn read(certificate: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(Reader(certificate).expect(SEQUENCE)?);
        let mut fields = Reader(outer.expect(SEQUENCE)?);
        if fields.peek() == Some(VERSION) {
            fields.expect(VERSION)?;
        }
        fields.expect(INTEGER)?;
        fields.expect(SEQUENCE)?;
        let issuer = fields.whole(SEQUENCE)?;
        let mut validity = Reader(fields.expect(SEQUENCE)?);
        let (not_before, not_after) = (validity.next()?, validity.next()?);
        fields.expect(SEQUENCE)?;
        fields.expect(SEQUENCE)?;
        let mut extensions: &[u8] = &[];
        while let Some((tag, content)) = fields.next() {
            if tag == EXTENSIONS {
                extensions = Reader(content).expect(SEQUENCE)?;
            }
        }
        Some(Self { issuer, not_before, not_after, extensions })
    }

    /// URIs among the subject's alternative names.
    pub(super) fn uris(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut names = Reader(self.alternative_names().unwrap_or_default());
        std::iter::from_fn(move || names.next())
            .filter(|(tag, _)| *tag == URI_NAME)
            .map(|(_, uri)| uri)
    }

    /// Whether a time, in seconds since 1970, is within the certificate's.
    pub(super) fn is_valid_at(&self, unix_seconds: u64) -> bool {
        let now = i64::try_from(unix_seconds).ok().and_then(written);
        let times = (time(self.not_before), time(self.not_after));
        matches!((now, times), (Some(now), (Some(from), Some(to))) if from <= now && now <= to)
    }

    fn alternative_names(&self) -> Option<&'a [u8]> {
        let mut extensions = Reader(self.extensions);
        loop {
            let mut extension = Reader(extensions.expect(SEQUENCE)?);
            if extension.expect(OBJECT_IDENTIFIER)? != SUBJECT_ALTERNATIVE_NAME {
                continue;
            }
            // Between them may be a boolean that says whether the extension is critical.
            while let Some((tag, content)) = extension.next() {
                if tag == OCTET_STRING {
                    return Reader(content).expect(SEQUENCE);
                }
            }
        }
    }
}

/// A time as `YYYYMMDDHHMMSS`, so that times compare as texts.
fn time((tag, text): (u8, &[u8])) -> Option<String> {
    let digits = std::str::from_utf8(text.strip_suffix(b"Z")?).ok()?;
    match tag {
        // Years from 50 on are of the last century (RFC 5280, section 4.1.2.5.1).
        UTC_TIME if digits < "50" => Some(format!("20{digits}")),
        UTC_TIME => Some(format!("19{digits}")),
        GENERALIZED_TIME => Some(digits.to_owned()),
        _ => None,
    }
}

fn written(unix_seconds: i64) -> Option<String> {
    let at = time::OffsetDateTime::from_unix_timestamp(unix_seconds).ok()?;
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let month = u8::from(month);
    Some(format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"))
}

/// Elements one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element's tag and content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
                (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element, which must have that tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next element with its header.
    fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let start = self.0;
        self.expect(tag)?;
        start.get(..start.len() - self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType, string::Ia5String};

    use super::*;

    fn certificate() -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let uri = Ia5String::try_from("spiffe://x.test/a").unwrap();
        params.subject_alt_names.push(SanType::URI(uri));
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2060, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn reads_a_certificate() {
        let certificate = certificate();
        let fields = Fields::read(&certificate).unwrap();
        assert_eq!(fields.uris().collect::<Vec<_>>(), [b"spiffe://x.test/a"]);
        assert_eq!(fields.issuer[0], SEQUENCE);
        for (at, expect) in [
            (1_500_000_000, false),
            (1_600_000_000, true),
            (2_839_000_000, true),
            (2_850_000_000, false),
        ] {
            assert_eq!(fields.is_valid_at(at), expect, "{at}");
        }
    }

    #[test]
    fn answers_nothing_where_a_certificate_is_cut() {
        let certificate = certificate();
        for end in 0..certificate.len() {
            assert!(Fields::read(&certificate[..end]).is_none(), "{end}");
        }
        assert!(Fields::read(&[0x30, 0x80, 0, 0]).is_none());
    }
}

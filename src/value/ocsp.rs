//! The Online Certificate Status Protocol (RFC 6960): a question about one certificate, and what an
//! answer says.
//!
//! Nothing is verified here: whoever asks says whose signature counts.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::der::{INTEGER, OBJECT_ID, OCTETS, Reader, SEQUENCE};
use super::x509::{Certificate, time};

/// A question about one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The responder that the certificate names.
    pub url: String,
    /// The question as DER.
    pub body: Vec<u8>,
    /// The certificate, as the protocol names it.
    id: Vec<u8>,
}

/// What an answer says of the certificate that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// What is signed.
    pub signed: &'a [u8],
    /// The signature's algorithm: what its DER holds.
    pub algorithm: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// Certificates of whoever has signed.
    pub certificates: Vec<&'a [u8]>,
    /// The certificate's status.
    pub status: Status,
    /// Seconds from 1970 to when that was known.
    pub this_update: i64,
    /// Seconds from 1970 to when more will be known.
    pub next_update: Option<i64>,
}

/// A certificate's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is in force.
    Good,
    /// It is not any more.
    Revoked,
    /// The responder does not know it.
    Unknown,
}

const BITS: u8 = 0x03;
const ENUMERATED: u8 = 0x0a;
const FIRST: u8 = 0xa0;
const GOOD: u8 = 0x80;
const REVOKED: u8 = 0xa1;
const URI: u8 = 0x86;
/// 1.3.14.3.2.26 without parameters: identifiers of certificates are hashes of this kind, which
/// all responders know.
const SHA1: &[u8] = &[0x30, 9, 0x06, 5, 0x2b, 0x0e, 3, 2, 0x1a, 0x05, 0];
/// 1.3.6.1.5.5.7.1.1.
const AUTHORITY_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
/// 1.3.6.1.5.5.7.48.1.
const RESPONDER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1];
/// 1.3.6.1.5.5.7.48.1.1.
const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
/// Certificates of one answer that are looked at.
const CERTIFICATES_MAX: usize = 8;

impl Question {
    /// The question about a certificate of that issuer; nothing where the certificate names no
    /// responder, or is of another issuer.
    #[must_use]
    pub fn about(certificate: &[u8], issuer: &[u8]) -> Option<Self> {
        let (certificate, issuer) = (Certificate::read(certificate)?, Certificate::read(issuer)?);
        if certificate.issuer_der != issuer.subject_der {
            return None;
        }
        let url = responder(certificate.extension(AUTHORITY_ACCESS)?)?;
        let hash = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec();
        let id = element(
            SEQUENCE,
            &[
                SHA1.to_vec(),
                element(OCTETS, &[hash(certificate.issuer_der)]),
                element(OCTETS, &[hash(key(issuer.public_key)?.1)]),
                element(INTEGER, &[certificate.serial.to_vec()]),
            ],
        );
        let mut body = id.clone();
        // A request in a list of requests in what might be signed in the question.
        for _ in 0..4 {
            body = element(SEQUENCE, &[body]);
        }
        Some(Self { url, body, id })
    }

    /// What an answer says of the certificate; nothing when it is none, or is about others.
    #[must_use]
    pub fn read<'a>(&self, answer: &'a [u8]) -> Option<Answer<'a>> {
        let mut response = Reader(Reader(answer).expect(SEQUENCE)?);
        if response.expect(ENUMERATED)? != [0] {
            return None;
        }
        let mut typed = Reader(Reader(response.expect(FIRST)?).expect(SEQUENCE)?);
        if typed.expect(OBJECT_ID)? != BASIC {
            return None;
        }
        let mut basic = Reader(Reader(typed.expect(OCTETS)?).expect(SEQUENCE)?);
        let signed = basic.whole(SEQUENCE)?;
        let algorithm = basic.expect(SEQUENCE)?;
        let signature = basic.expect(BITS)?.strip_prefix(&[0])?;
        let mut certificates = Vec::new();
        if let Some(list) = basic.optional(FIRST)? {
            let mut list = Reader(Reader(list).expect(SEQUENCE)?);
            while !list.is_empty() && certificates.len() < CERTIFICATES_MAX {
                certificates.push(list.whole(SEQUENCE)?);
            }
        }
        let (status, this_update, next_update) = self.single(signed)?;
        Some(Answer {
            signed,
            algorithm,
            signature,
            certificates,
            status,
            this_update,
            next_update,
        })
    }

    /// What is said of the certificate among what may be said of many.
    fn single(&self, signed: &[u8]) -> Option<(Status, i64, Option<i64>)> {
        let mut data = Reader(Reader(signed).expect(SEQUENCE)?);
        data.optional(FIRST)?;
        // Who answers, and when.
        data.next()?;
        data.next()?;
        let mut all = Reader(data.expect(SEQUENCE)?);
        while !all.is_empty() {
            let mut one = Reader(all.expect(SEQUENCE)?);
            if one.whole(SEQUENCE)? != self.id {
                continue;
            }
            let status = match one.next()?.0 {
                GOOD => Status::Good,
                REVOKED => Status::Revoked,
                _ => Status::Unknown,
            };
            let this_update = time(&mut one)?;
            let next_update = match one.optional(FIRST)? {
                Some(next) => Some(time(&mut Reader(next))?),
                None => None,
            };
            return Some((status, this_update, next_update));
        }
        None
    }
}

/// The algorithm of a public key, as its DER holds it, and the key itself.
#[must_use]
pub fn key(public_key: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut info = Reader(Reader(public_key).expect(SEQUENCE)?);
    Some((info.expect(SEQUENCE)?, info.expect(BITS)?.strip_prefix(&[0])?))
}

/// The first responder of the extension that names them.
fn responder(access: &[u8]) -> Option<String> {
    let mut all = Reader(Reader(access).expect(SEQUENCE)?);
    while !all.is_empty() {
        let mut one = Reader(all.expect(SEQUENCE)?);
        let method = one.expect(OBJECT_ID)?;
        let (tag, _, location) = one.next()?;
        if method == RESPONDER && tag == URI {
            return String::from_utf8(location.to_vec()).ok();
        }
    }
    None
}

/// An element of DER.
fn element(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let mut whole = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => whole.push(short),
        _ => {
            let bytes: Vec<u8> =
                length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            whole.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
            whole.extend(bytes);
        }
    }
    whole.extend(content);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_have_their_length() {
        for (length, head) in [
            (0, &[SEQUENCE, 0][..]),
            (127, &[SEQUENCE, 127]),
            (128, &[SEQUENCE, 0x81, 128]),
            (300, &[SEQUENCE, 0x82, 1, 44]),
        ] {
            let whole = element(SEQUENCE, &[vec![7; length]]);
            assert!(whole.starts_with(head) && whole.len() == head.len() + length, "{length}");
            assert_eq!(Reader(&whole).expect(SEQUENCE).map(<[u8]>::len), Some(length));
        }
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let question = Question { url: String::new(), body: Vec::new(), id: Vec::new() };
        // "Try later", and what is broken.
        for answer in [&[0x30, 3, 0x0a, 1, 3][..], &[], &[0x30, 0x80], b"<html>"] {
            assert_eq!(question.read(answer), None);
        }
    }
}

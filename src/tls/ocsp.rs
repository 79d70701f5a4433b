//! What an authority says of a certificate: whether an answer may be shown to clients (RFC 6960,
//! section 4.2.2.2).

use rustls::crypto::ring;
use rustls::pki_types::alg_id;

use crate::value::{Certificate, Question, Status, public_key};

/// An answer that clients may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staple {
    /// The answer as it came.
    pub answer: Vec<u8>,
    /// Seconds from 1970 to when it was right.
    pub from: i64,
    /// Seconds from 1970 to when it is too old.
    pub until: i64,
}

/// Why an answer is not shown to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcspError {
    /// It is none, or not about this certificate.
    #[error("the responder's answer says nothing of this certificate")]
    Answer,
    /// The certificate is revoked.
    #[error("the certificate is revoked")]
    Revoked,
    /// The responder does not know the certificate.
    #[error("the responder does not know the certificate")]
    Unknown,
    /// It is too old, or of times to come.
    #[error("the responder's answer is not of now")]
    Time,
    /// Nobody who may has signed it.
    #[error("the responder's answer is not signed by the authority")]
    Signature,
}

/// How far clocks may differ.
const SKEW_SECONDS: i64 = 300;
/// How long an answer is shown that does not say how long it is right.
const UNTOLD_SECONDS: i64 = 3600;
/// 2.5.29.37, and in it 1.3.6.1.5.5.7.3.9: may sign answers.
const PURPOSES: &[u8] = &[0x55, 0x1d, 0x25];
const SIGNS_ANSWERS: &[u8] = &[0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 9];

/// Judges an answer to a question about a certificate of that issuer, at a time in seconds from
/// 1970.
///
/// # Errors
/// When clients must not be shown it.
pub fn judge(
    question: &Question,
    issuer: &[u8],
    answer: Vec<u8>,
    now: i64,
) -> Result<Staple, OcspError> {
    let read = question.read(&answer).ok_or(OcspError::Answer)?;
    match read.status {
        Status::Good => {}
        Status::Revoked => return Err(OcspError::Revoked),
        Status::Unknown => return Err(OcspError::Unknown),
    }
    let (from, until) =
        (read.this_update, read.next_update.unwrap_or(read.this_update + UNTOLD_SECONDS));
    if from > now + SKEW_SECONDS || until <= now {
        return Err(OcspError::Time);
    }
    let issuer = Certificate::read(issuer).ok_or(OcspError::Signature)?;
    let signed = (read.signed, read.algorithm, read.signature);
    let by_issuer = is_signed(&issuer, signed);
    let is_trusted = by_issuer
        || read.certificates.iter().any(|der| {
            let delegate = Certificate::read(der).filter(|one| is_delegate(one, der, &issuer, now));
            delegate.is_some_and(|delegate| is_signed(&delegate, signed))
        });
    if !is_trusted {
        return Err(OcspError::Signature);
    }
    Ok(Staple { answer, from, until })
}

/// Whether the issuer has let that certificate sign answers.
fn is_delegate(one: &Certificate<'_>, der: &[u8], issuer: &Certificate<'_>, now: i64) -> bool {
    let may = one.extension(PURPOSES).is_some_and(|purposes| {
        purposes.windows(SIGNS_ANSWERS.len()).any(|purpose| purpose == SIGNS_ANSWERS)
    });
    let signed = Certificate::signed(der);
    may && one.issuer_der == issuer.subject_der
        && (one.not_before..=one.not_after).contains(&now)
        && signed.is_some_and(|signed| is_signed(issuer, signed))
}

/// Whether a certificate's key has made a signature: what is signed, the algorithm, the signature.
fn is_signed(by: &Certificate<'_>, (signed, algorithm, signature): (&[u8], &[u8], &[u8])) -> bool {
    let Some((kind, key)) = public_key(by.public_key) else { return false };
    // Some write an algorithm of RSA without its empty parameters.
    let same = |known: alg_id::AlgorithmIdentifier, found: &[u8]| {
        *known == *found || known.strip_suffix(&[5, 0]) == Some(found)
    };
    let all = ring::default_provider().signature_verification_algorithms.all;
    all.iter()
        .filter(|one| {
            same(one.signature_alg_id(), algorithm) && same(one.public_key_alg_id(), kind)
        })
        .any(|one| one.verify_signature(key, signed, signature).is_ok())
}

//! A public key with its algorithm, as certificates and `PUBLIC KEY` files hold it (RFC 5280,
//! section 4.1.2.7).
//!
//! Must not know what the key is for.

use super::der::{INTEGER, OBJECT_ID, Reader, SEQUENCE};

const BIT_STRING: u8 = 0x03;

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicKey<'a> {
    /// RSA: modulus and exponent as DER.
    Rsa(&'a [u8]),
    /// A point on the curve P-256.
    P256(&'a [u8]),
    /// A point on the curve P-384.
    P384(&'a [u8]),
    /// Ed25519.
    Ed25519(&'a [u8]),
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

impl<'a> PublicKey<'a> {
    /// Reads a key; `None` when it is none, or of another kind.
    #[must_use]
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut whole = Reader(Reader(der).expect(SEQUENCE)?);
        let mut algorithm = Reader(whole.expect(SEQUENCE)?);
        let (kind, bits) = (algorithm.expect(OBJECT_ID)?, whole.expect(BIT_STRING)?);
        let (0, key) = bits.split_first()? else { return None };
        match kind {
            RSA => Some(Self::Rsa(key)),
            ED25519 => Some(Self::Ed25519(key)),
            EC => match algorithm.expect(OBJECT_ID)? {
                P256 => Some(Self::P256(key)),
                P384 => Some(Self::P384(key)),
                _ => None,
            },
            _ => None,
        }
    }

    /// How many bits it has, as its strength is told.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa(key) => {
                let modulus =
                    Reader(key).expect(SEQUENCE).and_then(|key| Reader(key).expect(INTEGER));
                let modulus = modulus.unwrap_or_default();
                let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
                let digits = modulus.get(zeros..).unwrap_or_default();
                let lead = digits.first().map_or(0, |byte| byte.leading_zeros() as usize);
                digits.len() * 8 - lead
            }
            Self::P256(_) | Self::Ed25519(_) => 256,
            Self::P384(_) => 384,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_rcgen_writes_them() {
        for (algorithm, expect) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "P256"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "P384"),
            (&rcgen::PKCS_ED25519, "Ed25519"),
        ] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let der = rcgen::PublicKeyData::subject_public_key_info(&pair);
            let key = PublicKey::read(&der).unwrap();
            assert!(format!("{key:?}").starts_with(expect), "{key:?}");
            for end in 0..der.len() {
                assert_eq!(PublicKey::read(&der[..end]), None);
            }
        }
    }
}

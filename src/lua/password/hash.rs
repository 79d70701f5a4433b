//! The hashes that htpasswd writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use ring::digest;

/// How long a hash takes to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// Microseconds.
    Cheap,
    /// A part of a millisecond, or, as is meant for bcrypt, much of a second.
    Dear,
}

/// A kind of hash.
#[derive(Debug)]
pub(super) struct Scheme {
    prefix: &'static str,
    pub(super) cost: Cost,
    /// Whether a password has the hash.
    check: fn(password: &[u8], hash: &str) -> bool,
}

const SCHEMES: &[Scheme] = &[
    Scheme { prefix: "{SHA}", cost: Cost::Cheap, check: sha1 },
    Scheme { prefix: "$apr1$", cost: Cost::Dear, check: md5_crypt },
    Scheme { prefix: "$1$", cost: Cost::Dear, check: md5_crypt },
    Scheme { prefix: "$2a$", cost: Cost::Dear, check: bcrypt },
    Scheme { prefix: "$2b$", cost: Cost::Dear, check: bcrypt },
    Scheme { prefix: "$2x$", cost: Cost::Dear, check: bcrypt },
    Scheme { prefix: "$2y$", cost: Cost::Dear, check: bcrypt },
];

/// The kind of a hash; none for plain text and what is unknown.
pub(super) fn scheme(hash: &[u8]) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|scheme| hash.starts_with(scheme.prefix.as_bytes()))
}

/// Whether a password has the hash, which is of that kind.
pub(super) fn matches(scheme: &Scheme, password: &[u8], hash: &[u8]) -> bool {
    std::str::from_utf8(hash).is_ok_and(|hash| (scheme.check)(password, hash))
}

fn bcrypt(password: &[u8], hash: &str) -> bool {
    bcrypt::verify(password, hash).unwrap_or(false)
}

fn sha1(password: &[u8], hash: &str) -> bool {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password);
    let kept = hash.strip_prefix("{SHA}").and_then(|kept| STANDARD.decode(kept).ok());
    kept.is_some_and(|kept| same(digest.as_ref(), &kept))
}

fn md5_crypt(password: &[u8], hash: &str) -> bool {
    let mut parts = hash.split('$');
    let (Some(""), Some(name), Some(salt), Some(kept), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let salt = salt.as_bytes();
    let salt = salt.get(..SALT_BYTES_MAX).unwrap_or(salt);
    let magic = [b"$", name.as_bytes(), b"$"].concat();
    same(written(&stretched(password, salt, &magic)).as_bytes(), kept.as_bytes())
}

/// Compares in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let different = a.iter().zip(b).fold(0, |d, (a, b)| d | std::hint::black_box(a ^ b));
    a.len() == b.len() && different == 0
}

/// More of a salt does not count.
const SALT_BYTES_MAX: usize = 8;
/// How often MD5 is repeated.
const ROUNDS: usize = 1000;

/// The digest of MD5-crypt, as `crypt(3)` of FreeBSD defined it.
fn stretched(password: &[u8], salt: &[u8], magic: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] = Md5::new()
        .chain_update(password)
        .chain_update(salt)
        .chain_update(password)
        .finalize()
        .into();
    let mut outer = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for part in password.chunks(inner.len()) {
        outer.update(inner.get(..part.len()).unwrap_or(&inner));
    }
    let mut bits = password.len();
    while bits > 0 {
        outer.update(if bits & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
        bits >>= 1;
    }
    let mut digest: [u8; 16] = outer.finalize().into();
    for round in 0..ROUNDS {
        let odd = round % 2 == 1;
        let mut next = Md5::new();
        next.update(if odd { password } else { &digest });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &digest[..] } else { password });
        digest = next.finalize().into();
    }
    digest
}

/// The digest as MD5-crypt writes it: its bytes in an order of their own, in six bits each.
fn written(digest: &[u8; 16]) -> String {
    const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(22);
    let mut put = |mut bits: usize, letters: usize| {
        for _ in 0..letters {
            text.push(char::from(LETTERS.get(bits & 63).copied().unwrap_or(b'.')));
            bits >>= 6;
        }
    };
    let d = |place: usize| usize::from(digest.get(place).copied().unwrap_or_default());
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        put(d(high) << 16 | d(middle) << 8 | d(low), 4);
    }
    put(d(11), 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str, hash: &str, expect: bool) {
        let got = scheme(hash.as_bytes())
            .is_some_and(|scheme| matches(scheme, password.as_bytes(), hash.as_bytes()));
        assert_eq!(got, expect, "{password} {hash}");
    }

    #[test]
    fn hashes_of_all_kinds() {
        let bcrypt = "05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
        for version in ["$2a$", "$2b$", "$2y$"] {
            check("secret", &format!("{version}{bcrypt}"), true);
            check("Secret", &format!("{version}{bcrypt}"), false);
        }
        check("password", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", true);
        check("passwords", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", false);
        check("test", "$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/", true);
        check("tost", "$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/", false);
        check("password", "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/", true);
        check("", "$1$ab$rn6aQS/o7141mj179E/zA.", true);
        check(
            "a longer password than one block of the digest",
            "$apr1$12345678$4tp3HuhInkNPQL2GCA/5U.",
            true,
        );
        check("äöü", "$apr1$x$x1wzYpbDZw9/hhYMOs/Xa0", true);
        check("0123456789abcdef", "$1$saltsalt$xXjYoUe111lGDGm6AfLHb1", true);
        for broken in
            ["", "test", "$apr1$", "$apr1$H6uskkkW", "$1$a$b$c", "{SHA}", "{SHA}!", "$2y$"]
        {
            check("test", broken, false);
            check("", broken, false);
        }
    }
}

//! The Fowler-Noll-Vo hashes of 64 bits: Traefik spreads clients by one and named servers in
//! cookies by the other. And a mixer of bits.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// FNV-1a over several pieces as if they were one.
pub(super) fn fnv1a(pieces: &[&[u8]]) -> u64 {
    pieces
        .iter()
        .copied()
        .flatten()
        .fold(OFFSET, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(PRIME))
}

/// FNV-1.
pub(super) fn fnv1(bytes: &[u8]) -> u64 {
    bytes.iter().fold(OFFSET, |hash, &b| hash.wrapping_mul(PRIME) ^ u64::from(b))
}

/// Spreads every bit over all others (the last step of the splitmix64 generator).
pub(super) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the algorithm's authors.
    #[test]
    fn hashes_as_published() {
        assert_eq!(fnv1a(&[]), OFFSET);
        assert_eq!(fnv1a(&[b"foo", b"bar"]), 0x8594_4171_f739_67e8);
        assert_eq!(fnv1(b"foobar"), 0x340d_8765_a4dd_a9c2);
    }
}

//! The power of two choices: of two servers taken at random, the one with fewer requests in hand.

use std::sync::atomic::{AtomicU64, Ordering};

use super::hash::mix;

/// Where the random numbers are.
#[derive(Debug)]
pub struct Two {
    state: AtomicU64,
}

/// 2^64 divided by the golden ratio: the step of the splitmix64 generator.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Two {
    /// Begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    /// One of `len` members that may be chosen; `None` when none of them may.
    pub(super) fn choose(
        &self,
        len: usize,
        may: impl Fn(usize) -> bool,
        in_flight: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let count = (0..len).filter(|&i| may(i)).count();
        if count < 2 {
            return (0..len).find(|&i| may(i));
        }
        let random = self.random();
        let first = scale(random >> 32, count);
        let second = scale(random & 0xffff_ffff, count - 1);
        let second = if second >= first { second + 1 } else { second };
        // Health may change between two looks, so a place may be gone.
        let nth = |n| (0..len).filter(|&i| may(i)).nth(n);
        match (nth(first), nth(second)) {
            (Some(a), Some(b)) if in_flight(b) < in_flight(a) => Some(b),
            (Some(a), _) | (None, Some(a)) => Some(a),
            (None, None) => (0..len).find(|&i| may(i)),
        }
    }

    fn random(&self) -> u64 {
        mix(self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP))
    }
}

/// A number of 32 bits scaled to `0..count`.
fn scale(random: u64, count: usize) -> usize {
    let scaled = (u128::from(random) * count as u128) >> 32;
    usize::try_from(scaled).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prefers_the_less_busy() {
        let two = Two::new(7);
        // With two members both are always looked at.
        assert!((0..100).all(|_| two.choose(2, |_| true, |i| [3, 1][i]) == Some(1)));
        // The busiest of three never wins against another.
        assert!((0..100).all(|_| two.choose(3, |_| true, |i| [0, 0, 9][i]) != Some(2)));
    }

    #[test]
    fn spreads_when_all_are_idle() {
        let two = Two::new(1);
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[two.choose(4, |_| true, |_| 0).unwrap()] += 1;
        }
        assert!(counts.iter().all(|&count| (800..1200).contains(&count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn never_one_that_is_down(up in prop::collection::vec(any::<bool>(), 0..8), seed: u64) {
            let two = Two::new(seed);
            for _ in 0..20 {
                match two.choose(up.len(), |i| up[i], |i| i) {
                    Some(chosen) => prop_assert!(up[chosen]),
                    None => prop_assert!(!up.contains(&true)),
                }
            }
        }
    }
}

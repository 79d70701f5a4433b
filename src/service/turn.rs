//! Smooth weighted round robin, exact in every window and across workers.
//!
//! Each turn, every member gains its weight and the one with the most loses the sum: the sequence
//! repeats after `sum / gcd` turns and spreads each member evenly (the algorithm nginx uses since
//! 1.3.1). One mutex, held for some nanoseconds per member, keeps the order exact over all
//! workers, for any weights. Members that are down are passed over; their credit waits for them.

use parking_lot::Mutex;

/// The order in which members take turns.
#[derive(Debug)]
pub struct Turn {
    weights: Vec<i64>,
    credits: Mutex<Vec<i64>>,
}

impl Turn {
    /// Starts at the first member; members of weight 0 never have a turn.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let weights: Vec<i64> = weights.iter().map(|&w| i64::from(w)).collect();
        let credits = Mutex::new(vec![0; weights.len()]);
        Self { weights, credits }
    }

    /// The next member's index; `None` when no member has weight.
    pub fn next(&self) -> Option<usize> {
        match self.weights.as_slice() {
            [] => None,
            [weight] => (*weight > 0).then_some(0),
            _ => self.next_of(|_| true),
        }
    }

    /// The next of those members that may have a turn now; `None` when none of them has weight.
    pub fn next_of(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        let mut credits = self.credits.lock();
        let mut sum = 0;
        let mut best = None;
        for (i, (credit, &weight)) in credits.iter_mut().zip(&self.weights).enumerate() {
            if weight == 0 || !may(i) {
                continue;
            }
            *credit += weight;
            sum += weight;
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((i, *credit));
            }
        }
        let (chosen, _) = best?;
        if let Some(credit) = credits.get_mut(chosen) {
            *credit -= sum;
        }
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_to_one_in_every_window() {
        let turn = Turn::new(&[3, 1]);
        let order: Vec<_> = (0..40).map(|_| turn.next().unwrap()).collect();
        for window in order.windows(4) {
            assert_eq!(window.iter().filter(|&&i| i == 0).count(), 3, "{window:?}");
        }
    }

    #[test]
    fn no_weight_no_turn() {
        assert_eq!(Turn::new(&[]).next(), None);
        assert_eq!(Turn::new(&[0]).next(), None);
        assert_eq!(Turn::new(&[0, 0]).next(), None);
        let turn = Turn::new(&[0, 1]);
        assert!((0..9).all(|_| turn.next() == Some(1)));
    }

    proptest! {
        #[test]
        fn exact_over_those_that_are_up(
            members in prop::collection::vec((0u32..20, any::<bool>()), 1..6),
            before in 0usize..50,
        ) {
            let weights: Vec<u32> = members.iter().map(|(weight, _)| *weight).collect();
            let turn = Turn::new(&weights);
            for _ in 0..before {
                turn.next();
            }
            let up: u32 = members.iter().filter(|(_, up)| *up).map(|(weight, _)| weight).sum();
            let mut counts = vec![0; members.len()];
            for _ in 0..up * 50 {
                counts[turn.next_of(|i| members[i].1).unwrap()] += 1;
            }
            // What was earned before the others went down is paid within a cycle.
            for ((weight, is_up), count) in members.iter().zip(counts) {
                let expect = if *is_up { weight * 50 } else { 0 };
                prop_assert!(expect.abs_diff(count) <= weights.iter().sum(), "{expect} {count}");
            }
            prop_assert_eq!(turn.next_of(|_| false), None);
        }

        #[test]
        fn exact_over_each_cycle(weights in prop::collection::vec(0u32..1010, 1..6)) {
            let sum: u32 = weights.iter().sum();
            let turn = Turn::new(&weights);
            for _ in 0..2 {
                let mut counts = vec![0; weights.len()];
                for _ in 0..sum {
                    counts[turn.next().unwrap()] += 1;
                }
                prop_assert_eq!(&counts, &weights);
            }
        }
    }
}

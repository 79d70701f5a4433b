//! The least time: the server whose mean time to an answer, times the requests it has in hand,
//! is least for its weight. Equal ones take turns, so that servers without answers get some.

use super::Turn;

/// Weights, and the order of those that are equal.
#[derive(Debug)]
pub struct LeastTime {
    weights: Vec<f64>,
    turn: Turn,
}

impl LeastTime {
    /// Members of weight 0 are never chosen.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        Self { weights: weights.iter().copied().map(f64::from).collect(), turn: Turn::new(weights) }
    }

    /// A member that may be chosen; `None` when none may. `mean` is in milliseconds.
    pub(super) fn choose(
        &self,
        may: impl Fn(usize) -> bool,
        mean: impl Fn(usize) -> f64,
        in_flight: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let score = |i: usize| {
            let weight = self.weights.get(i).copied().filter(|weight| *weight > 0.0)?;
            #[allow(clippy::cast_precision_loss, reason = "counts of requests are small")]
            may(i).then(|| mean(i) * (1 + in_flight(i)) as f64 / weight)
        };
        let scored = (0..self.weights.len()).filter_map(|i| score(i).map(|score| (i, score)));
        let (first, least) = scored.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        // Other workers go on meanwhile, so that none may be left that is equal.
        self.turn.next_of(|i| score(i).is_some_and(|score| score <= least)).or(Some(first))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weighs_time_against_requests_in_hand() {
        let least = LeastTime::new(&[1, 1, 0]);
        let times = [10.0, 30.0, 0.0];
        let choose = |busy: [usize; 3]| least.choose(|_| true, |i| times[i], |i| busy[i]);
        assert_eq!(choose([0, 0, 0]), Some(0));
        assert_eq!(choose([1, 0, 0]), Some(0));
        assert_eq!(choose([3, 0, 0]), Some(1));
    }

    #[test]
    fn equal_ones_take_turns_by_weight() {
        let least = LeastTime::new(&[3, 1]);
        let order: Vec<_> = (0..8).map(|_| least.choose(|_| true, |_| 0.0, |_| 0)).collect();
        assert_eq!(order.iter().filter(|chosen| **chosen == Some(0)).count(), 6);
    }

    proptest! {
        #[test]
        fn never_one_that_is_down(
            members in prop::collection::vec((any::<bool>(), 0u32..9, 0u32..4), 0..8),
        ) {
            let weights: Vec<u32> = members.iter().map(|(_, _, weight)| *weight).collect();
            let least = LeastTime::new(&weights);
            for _ in 0..20 {
                let may = |i: usize| members[i].0;
                match least.choose(may, |i| f64::from(members[i].1), |i| i) {
                    Some(chosen) => prop_assert!(members[chosen].0 && weights[chosen] > 0),
                    None => prop_assert!(!members.iter().any(|(up, _, weight)| *up && *weight > 0)),
                }
            }
        }
    }
}

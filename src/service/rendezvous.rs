//! Highest random weight: every client has its own order of members, and takes the first that is
//! up. When one goes, only its clients move; when it returns, they return.
//!
//! Scores are made as in Traefik (FNV-1a over client and member, weighted by the logarithm of its
//! inverse), but the hash is mixed once more: by itself it gives members whose names differ at
//! their end nearly equal scores, so that the heavier one would get every client.

use super::hash::{fnv1a, mix};

/// Members with their weights.
#[derive(Debug)]
pub struct Rendezvous {
    members: Vec<(Box<str>, f64)>,
}

impl Rendezvous {
    /// Members by name and weight; those of weight 0 are never chosen.
    #[must_use]
    pub fn new<'a>(members: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let members = members.into_iter().map(|(name, weight)| (name.into(), f64::from(weight)));
        Self { members: members.collect() }
    }

    /// The member for a client; `None` when none may be chosen.
    pub(super) fn choose(&self, client: &[u8], may: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best = None;
        for (i, (name, weight)) in self.members.iter().enumerate() {
            if *weight == 0.0 || !may(i) {
                continue;
            }
            let score = score(client, name, *weight);
            if best.is_none_or(|(_, most)| score > most) {
                best = Some((i, score));
            }
        }
        best.map(|(chosen, _)| chosen)
    }
}

fn score(client: &[u8], name: &str, weight: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "scores need not be finer")]
    let part = mix(fnv1a(&[client, name.as_bytes()])) as f64 / 2f64.powi(64);
    weight / -part.ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(count: usize) -> Rendezvous {
        let names: Vec<_> = (0..count).map(|i| format!("http://10.0.0.{i}")).collect();
        Rendezvous::new(names.iter().map(|name| (name.as_str(), 1)))
    }

    #[test]
    fn follows_weights() {
        let hrw = Rendezvous::new([("a", 3), ("b", 1), ("c", 0)]);
        let mut counts = [0; 3];
        for client in 0..8000u32 {
            counts[hrw.choose(&client.to_be_bytes(), |_| true).unwrap()] += 1;
        }
        assert!((5700..6300).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
    }

    proptest! {
        #[test]
        fn only_clients_of_the_lost_move(count in 1usize..9, lost in 0usize..9, client: u64) {
            let hrw = members(count);
            let client = client.to_string();
            let before = hrw.choose(client.as_bytes(), |_| true).unwrap();
            match hrw.choose(client.as_bytes(), |i| i != lost) {
                Some(after) if before == lost => prop_assert_ne!(after, lost),
                Some(after) => prop_assert_eq!(after, before),
                None => prop_assert_eq!((count, lost), (1, 0)),
            }
        }
    }
}

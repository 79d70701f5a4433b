//! Rules that share a condition on the host, indexed by path where there are many.

use hashbrown::HashMap;

use crate::rule::PathKey;

/// Ranks of rules, by path.
#[derive(Debug)]
pub(super) enum Bucket {
    /// Few enough to be tried one by one.
    Few(Vec<u32>),
    /// By exact path and by prefix.
    Many(Box<Paths>),
}

/// Ranks by path.
#[derive(Debug, Default)]
pub(super) struct Paths {
    exact: HashMap<Box<str>, Vec<u32>>,
    prefixes: HashMap<Box<str>, Vec<u32>>,
    /// The lengths of prefixes, shortest first: each is one look-up.
    lengths: Vec<usize>,
    /// Without a condition on the path.
    rest: Vec<u32>,
}

/// More rules than this are worth an index by path.
const FEW: usize = 8;

impl Default for Bucket {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Bucket {
    /// Adds a rule. Ranks come in ascending order.
    pub(super) fn add(&mut self, rank: u32, path: &PathKey) {
        if let Self::Few(ranks) = self {
            if ranks.len() < FEW {
                ranks.push(rank);
                return;
            }
            // Those that came first stay without a condition, which is right and costs little.
            let rest = std::mem::take(ranks);
            *self = Self::Many(Box::new(Paths { rest, ..Paths::default() }));
        }
        if let Self::Many(paths) = self {
            match path {
                PathKey::Any => paths.rest.push(rank),
                PathKey::Exact(path) => paths.exact.entry_ref(&**path).or_default().push(rank),
                PathKey::Prefix(path) => paths.prefixes.entry_ref(&**path).or_default().push(rank),
            }
        }
    }

    /// Makes the index ready.
    pub(super) fn index(&mut self) {
        match self {
            Self::Few(ranks) => {
                ranks.dedup();
                ranks.shrink_to_fit();
            }
            Self::Many(paths) => {
                paths.lengths = paths.prefixes.keys().map(|prefix| prefix.len()).collect();
                paths.lengths.sort_unstable();
                paths.lengths.dedup();
            }
        }
    }

    /// Lowers `best` to the least rank that matches.
    pub(super) fn find(&self, path: &str, best: &mut Option<u32>, matches: &impl Fn(u32) -> bool) {
        let mut try_all = |ranks: &[u32]| {
            for &rank in ranks {
                if best.is_some_and(|best| rank >= best) {
                    return;
                }
                if matches(rank) {
                    *best = Some(rank);
                    return;
                }
            }
        };
        match self {
            Self::Few(ranks) => try_all(ranks),
            Self::Many(paths) => {
                if let Some(ranks) = paths.exact.get(path) {
                    try_all(ranks);
                }
                for &length in paths.lengths.iter().rev() {
                    if let Some(ranks) = path.get(..length).and_then(|p| paths.prefixes.get(p)) {
                        try_all(ranks);
                    }
                }
                try_all(&paths.rest);
            }
        }
    }
}

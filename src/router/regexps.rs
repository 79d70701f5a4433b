//! Rules by regular expressions on the host, which are tried in one pass over it.

use std::sync::Arc;

use hashbrown::HashMap;
use regex::{RegexSet, RegexSetBuilder};

use super::bucket::Bucket;
use super::search::{FEW, Item, Search, least};

/// Rules by regular expression.
#[derive(Debug)]
pub(super) struct Regexps {
    sets: Vec<Indexed>,
    /// No rule's rank is below this.
    least: u32,
}

#[derive(Debug)]
struct Indexed {
    set: Arc<Set>,
    /// By an expression's place in the set.
    buckets: Vec<Bucket>,
}

/// Expressions compiled as one, which is worth keeping over a rebuild.
#[derive(Debug)]
struct Set {
    expressions: Vec<Arc<str>>,
    compiled: RegexSet,
}

/// More expressions than this are not tried as one: a set's automaton grows with them.
const SET_MAX: usize = 256;
/// More expressions than this are tried one by one; bounds the time to build and the memory.
const EXPRESSIONS_MAX: usize = 4096;
/// A set may take this much memory.
const SIZE_BYTES_MAX: usize = 8 << 20;
/// A thread may keep this much of a set's automaton.
const CACHE_BYTES_MAX: usize = 1 << 20;

impl Regexps {
    /// Makes sets of the expressions if that pays; otherwise the caller keeps the items.
    pub(super) fn new<'a>(
        groups: &HashMap<&'a Arc<str>, Vec<Item<'a>>>,
        before: Option<&Self>,
    ) -> Option<Self> {
        if groups.len() <= FEW || groups.len() > EXPRESSIONS_MAX {
            return None;
        }
        let mut expressions: Vec<_> = groups.keys().map(|&text| Arc::clone(text)).collect();
        expressions.sort_unstable();
        let sets = expressions.chunks(SET_MAX).map(|expressions| {
            let mut kept = before.iter().flat_map(|before| &before.sets);
            let set = match kept.find(|kept| kept.set.expressions == expressions) {
                Some(kept) => Arc::clone(&kept.set),
                None => Arc::new(Set::new(expressions)?),
            };
            let items = |text| groups.get(text).map_or(&[][..], Vec::as_slice);
            let buckets = set.expressions.iter().map(|text| Bucket::new(items(text))).collect();
            Some(Indexed { set, buckets })
        });
        let least = groups.values().map(|items| least(items)).min().unwrap_or(u32::MAX);
        Some(Self { sets: sets.collect::<Option<_>>()?, least })
    }

    pub(super) fn find<T>(&self, search: &mut Search<'_, '_, T>) {
        if self.least >= search.best {
            return;
        }
        for Indexed { set, buckets } in &self.sets {
            for place in &set.compiled.matches(search.facts.host) {
                if let Some(bucket) = buckets.get(place) {
                    bucket.find(search);
                }
            }
        }
    }
}

impl Set {
    fn new(expressions: &[Arc<str>]) -> Option<Self> {
        let compiled = RegexSetBuilder::new(expressions.iter().map(|text| &**text))
            .size_limit(SIZE_BYTES_MAX)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .build();
        compiled.ok().map(|compiled| Self { expressions: expressions.to_vec(), compiled })
    }
}

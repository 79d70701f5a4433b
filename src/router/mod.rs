//! The index of rules: finds the router of a request without trying them all.
//!
//! Pure, and generic over what a router leads to. The answer is always that of trying the rules
//! one by one in their order, which a property test holds it to.

mod bucket;

use std::sync::Arc;

use hashbrown::HashMap;

use self::bucket::Bucket;
use crate::rule::{Facts, HostKey, Matcher};

/// A rule with its place and what it leads to.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// Greater goes first.
    pub priority: i64,
    /// Breaks ties, in alphabetical order, so that the order is stable.
    pub name: Arc<str>,
    /// The rule.
    pub matcher: Arc<Matcher>,
    /// What it leads to.
    pub target: T,
}

/// Rules behind an index.
#[derive(Debug)]
pub struct Table<T> {
    /// In the order they are tried; a rule's place here is its rank.
    entries: Vec<Entry<T>>,
    exact: HashMap<Box<str>, Bucket>,
    below: HashMap<Box<str>, Bucket>,
    any: Bucket,
}

impl<T> Table<T> {
    /// Orders the rules and indexes them.
    #[must_use]
    pub fn build(mut entries: Vec<Entry<T>>) -> Self {
        entries
            .sort_unstable_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        let mut table = Self {
            entries: Vec::new(),
            exact: HashMap::with_capacity(entries.len()),
            below: HashMap::new(),
            any: Bucket::default(),
        };
        for (rank, entry) in entries.iter().enumerate() {
            let Ok(rank) = u32::try_from(rank) else { break };
            for key in entry.matcher.keys() {
                let bucket = match &key.host {
                    HostKey::Any => &mut table.any,
                    HostKey::Exact(host) => table.exact.entry_ref(&**host).or_default(),
                    HostKey::Below(domain) => table.below.entry_ref(&**domain).or_default(),
                };
                bucket.add(rank, &key.path);
            }
        }
        table.any.index();
        table.exact.values_mut().chain(table.below.values_mut()).for_each(Bucket::index);
        table.entries = entries;
        table
    }

    /// The first rule that matches.
    #[must_use]
    pub fn find(&self, facts: &Facts<'_>) -> Option<&T> {
        let host = facts.host.strip_suffix('.').unwrap_or(facts.host);
        let mut best = None;
        let matches = |rank: u32| {
            self.entries.get(rank as usize).is_some_and(|entry| entry.matcher.matches(facts))
        };
        if let Some(bucket) = self.exact.get(host) {
            bucket.find(facts.path, &mut best, &matches);
        }
        if !self.below.is_empty()
            && let Some((_, domain)) = host.split_once('.')
            && let Some(bucket) = self.below.get(domain)
        {
            bucket.find(facts.path, &mut best, &matches);
        }
        self.any.find(facts.path, &mut best, &matches);
        let rank: u32 = best?;
        self.entries.get(rank as usize).map(|entry| &entry.target)
    }

    /// All rules that match, in their order, tried one by one.
    pub fn find_all<'a>(&'a self, facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Entry<T>> + 'a {
        self.entries.iter().filter(|entry| entry.matcher.matches(facts))
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

//! The index of rules: finds the router of a request without trying them all.
//!
//! Pure, and generic over what a router leads to. By host, then by path, then by method and
//! header; a rule is tried itself only where its index key does not say all that it says. The
//! answer is always that of trying the rules one by one in their order, which a property test
//! holds it to.

mod bucket;
mod heads;
mod names;
mod prefixes;
mod regexps;
mod search;
mod tcp;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashMap;

pub use self::names::HostNames;
pub use self::tcp::{TcpEntry, TcpTable};

use self::bucket::Bucket;
use self::regexps::Regexps;
use self::search::{Item, RULES_MAX, Search, grouped};
use crate::rule::{Facts, HostKey, Matcher};

/// A rule with its place and what it leads to.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// Greater goes first.
    pub priority: i64,
    /// Breaks ties: less goes first.
    pub precedence: usize,
    /// Breaks what ties are left, in alphabetical order, so that the order is stable.
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
    index: Index,
}

/// Ranks of rules by their keys.
#[derive(Debug)]
struct Index {
    exact: HashMap<Arc<str>, Bucket>,
    below: HashMap<Arc<str>, Bucket>,
    regexps: Option<Regexps>,
    any: Bucket,
}

impl<T> Table<T> {
    /// Orders the rules and indexes them.
    #[must_use]
    pub fn build(entries: Vec<Entry<T>>) -> Self {
        Self::build_after(entries, None)
    }

    /// As [`Table::build`]; takes over from the table before what is costly and did not change.
    #[must_use]
    pub fn build_after(mut entries: Vec<Entry<T>>, before: Option<&Self>) -> Self {
        entries.sort_unstable_by(|a, b| {
            let by_priority = b.priority.cmp(&a.priority);
            by_priority
                .then_with(|| a.precedence.cmp(&b.precedence))
                .then_with(|| a.name.cmp(&b.name))
        });
        let index = Index::new(&entries, before.map(|before| &before.index));
        Self { entries, index }
    }

    /// The first rule that matches.
    #[must_use]
    pub fn find(&self, facts: &Facts<'_>) -> Option<&T> {
        let mut search = Search { facts, entries: &self.entries, best: u32::MAX };
        self.index.find(&mut search);
        self.entries.get(search.best as usize).map(|entry| &entry.target)
    }

    /// All rules that match, in their order, tried one by one.
    pub fn find_all<'a>(&'a self, facts: &'a Facts<'_>) -> impl Iterator<Item = &'a Entry<T>> + 'a {
        self.entries.iter().filter(|entry| entry.matcher.matches(facts))
    }

    /// All rules, in the order they are tried.
    #[must_use]
    pub fn entries(&self) -> &[Entry<T>] {
        &self.entries
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

impl Index {
    fn new<T>(entries: &[Entry<T>], before: Option<&Self>) -> Self {
        let items: Vec<Item<'_>> = (0..RULES_MAX)
            .zip(entries)
            .flat_map(|(rank, entry)| {
                entry.matcher.keys().iter().map(move |key| Item::new(rank, key))
            })
            .collect();
        let exact = grouped(&items, |key| match &key.host {
            HostKey::Exact(host) => Some(host),
            _ => None,
        });
        let below = grouped(&items, |key| match &key.host {
            HostKey::Below(domain) => Some(domain),
            _ => None,
        });
        let regexps = grouped(&items, |key| match &key.host {
            HostKey::Regexp(regexp) => Some(regexp),
            _ => None,
        });
        let regexps = Regexps::new(&regexps, before.and_then(|b| b.regexps.as_ref()));
        let any = items.iter().filter_map(|item| match &item.key.host {
            HostKey::Any => Some(*item),
            HostKey::Regexp(_) if regexps.is_none() => Some(item.to_be_tried()),
            _ => None,
        });
        let any = Bucket::new(&any.collect::<Vec<_>>());
        Self { exact: buckets(exact), below: buckets(below), regexps, any }
    }

    /// Exact hosts come first: their rules most often do, and spare the others.
    fn find<T>(&self, search: &mut Search<'_, '_, T>) {
        let host = search.facts.host;
        let host = host.strip_suffix('.').unwrap_or(host);
        if let Some(bucket) = self.exact.get(host) {
            bucket.find(search);
        }
        if !self.below.is_empty()
            && let Some((label, domain)) = host.split_once('.')
            && !label.is_empty()
            && let Some(bucket) = self.below.get(domain)
        {
            bucket.find(search);
        }
        if let Some(regexps) = &self.regexps {
            regexps.find(search);
        }
        self.any.find(search);
    }
}

fn buckets(groups: HashMap<&Arc<str>, Vec<Item<'_>>>) -> HashMap<Arc<str>, Bucket> {
    groups.into_iter().map(|(host, items)| (Arc::clone(host), Bucket::new(&items))).collect()
}

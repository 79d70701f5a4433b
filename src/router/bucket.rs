//! Rules that share a condition on the host, by path where there are many.

use std::sync::Arc;

use hashbrown::HashMap;

use super::heads::Heads;
use super::prefixes::Prefixes;
use super::search::{FEW, Item, Line, Search, grouped, least};
use crate::rule::{HeadKey, PathKey};

/// Rules by path.
#[derive(Debug)]
pub(super) enum Bucket {
    /// Few enough to be tried one by one.
    Few(Line),
    /// Indexed.
    Many(Box<Paths>),
}

/// Rules by exact path and by prefix.
#[derive(Debug)]
pub(super) struct Paths {
    exact: HashMap<Arc<str>, Heads>,
    prefixes: Prefixes,
    /// By a prefix's number.
    below: Vec<Heads>,
    /// Without a condition on the path.
    rest: Heads,
    /// No rule's rank is below this.
    least: u32,
}

impl Bucket {
    /// Items come in their order.
    pub(super) fn new(items: &[Item<'_>]) -> Self {
        if items.len() <= FEW {
            return Self::Few(Line::new(items, |key| {
                key.path == PathKey::Any && key.head == HeadKey::Any
            }));
        }
        let exact = grouped(items, |key| match &key.path {
            PathKey::Exact(path) => Some(path),
            _ => None,
        });
        let below = grouped(items, |key| match &key.path {
            PathKey::Prefix(path) => Some(&**path),
            _ => None,
        });
        let mut below: Vec<_> = below.into_iter().collect();
        below.sort_unstable_by_key(|(path, _)| *path);
        let sorted: Vec<&str> = below.iter().map(|(path, _)| *path).collect();
        let rest = items.iter().filter(|item| item.key.path == PathKey::Any).copied();
        Self::Many(Box::new(Paths {
            exact: exact
                .into_iter()
                .map(|(p, items)| (Arc::clone(p), Heads::new(&items)))
                .collect(),
            prefixes: Prefixes::new(&sorted),
            below: below.iter().map(|(_, items)| Heads::new(items)).collect(),
            rest: Heads::new(&rest.collect::<Vec<_>>()),
            least: least(items),
        }))
    }

    pub(super) fn find<T>(&self, search: &mut Search<'_, '_, T>) {
        match self {
            Self::Few(line) => search.line(line),
            Self::Many(paths) if paths.least < search.best => paths.find(search),
            Self::Many(_) => {}
        }
    }
}

impl Paths {
    /// The longest conditions come first: their rules most often do, and spare the others.
    fn find<T>(&self, search: &mut Search<'_, '_, T>) {
        let path = search.facts.path;
        if let Some(heads) = self.exact.get(path) {
            heads.find(search);
        }
        self.prefixes.find(path, |number| {
            if let Some(heads) = self.below.get(number) {
                heads.find(search);
            }
        });
        self.rest.find(search);
    }
}

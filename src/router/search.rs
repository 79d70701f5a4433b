//! One look-up under way, and the rules as the index holds them.

use std::hash::Hash;

use hashbrown::HashMap;

use super::Entry;
use crate::rule::{Facts, Key};

/// A rule's rank, and whether it must still be tried once its key fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// A rule under one of its keys, while the index is built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) rank: u32,
    pub(super) key: &'a Key,
    must_be_tried: bool,
}

/// The best rule found so far.
#[derive(Debug)]
pub(super) struct Search<'a, 'f, T> {
    pub(super) facts: &'a Facts<'f>,
    pub(super) entries: &'a [Entry<T>],
    /// Ranks from here on come too late.
    pub(super) best: u32,
}

/// More rules than this are worth an index of their own.
pub(super) const FEW: usize = 8;
/// The greatest number of rules: a slot keeps one bit for itself.
pub(super) const RULES_MAX: u32 = u32::MAX >> 1;

impl<'a> Item<'a> {
    pub(super) fn new(rank: u32, key: &'a Key) -> Self {
        Self { rank, key, must_be_tried: !key.suffices }
    }

    /// The same, where a part of its key is not looked at.
    pub(super) fn to_be_tried(self) -> Self {
        Self { must_be_tried: true, ..self }
    }
}

impl Slot {
    fn new(item: Item<'_>) -> Self {
        Self(item.rank << 1 | u32::from(item.must_be_tried))
    }

    fn rank(self) -> u32 {
        self.0 >> 1
    }

    fn must_be_tried(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Rules in their order, to be tried one by one.
#[derive(Debug)]
pub(super) enum Line {
    One(Slot),
    Many(Box<[Slot]>),
}

impl Line {
    /// `whole` tells of which keys nothing is left to look at.
    pub(super) fn new(items: &[Item<'_>], whole: impl Fn(&Key) -> bool) -> Self {
        let slot =
            |item: &Item<'_>| Slot::new(if whole(item.key) { *item } else { item.to_be_tried() });
        match items {
            [item] => Self::One(slot(item)),
            _ => Self::Many(items.iter().map(slot).collect()),
        }
    }

    pub(super) fn slots(&self) -> &[Slot] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }
}

impl<T> Search<'_, '_, T> {
    /// Tries rules in their order.
    pub(super) fn line(&mut self, line: &Line) {
        for slot in line.slots() {
            let rank = slot.rank();
            if rank >= self.best {
                return;
            }
            let matches = || {
                let entry = self.entries.get(rank as usize);
                entry.is_some_and(|entry| entry.matcher.matches(self.facts))
            };
            if !slot.must_be_tried() || matches() {
                self.best = rank;
                return;
            }
        }
    }
}

/// The least rank of some items, which come in ascending order.
pub(super) fn least(items: &[Item<'_>]) -> u32 {
    items.first().map_or(u32::MAX, |item| item.rank)
}

/// Items by a part of their keys, in their order; those without that part are left out.
pub(super) fn grouped<'a, K: Hash + Eq>(
    items: &[Item<'a>],
    part: impl Fn(&'a Key) -> Option<K>,
) -> HashMap<K, Vec<Item<'a>>> {
    let mut groups: HashMap<K, Vec<Item<'a>>> = HashMap::new();
    for item in items {
        if let Some(part) = part(item.key) {
            groups.entry(part).or_default().push(*item);
        }
    }
    groups
}

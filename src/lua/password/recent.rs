//! A bounded memory of what was asked for lately.

use std::mem;

use hashbrown::HashSet;

use super::Tag;

/// Tags kept of each half; a busy worker forgets those that are asked for least.
const HALF_MAX: usize = 512;

/// Two halves: what is asked for moves to the young one, and the old one is dropped when the young
/// one is full.
#[derive(Debug, Default)]
pub(super) struct Recent {
    young: HashSet<Tag>,
    old: HashSet<Tag>,
}

impl Recent {
    /// Whether a tag is remembered.
    pub(super) fn knows(&mut self, tag: &Tag) -> bool {
        if self.young.contains(tag) {
            return true;
        }
        let known = self.old.remove(tag);
        if known {
            self.note(*tag);
        }
        known
    }

    /// Remembers a tag.
    pub(super) fn note(&mut self, tag: Tag) {
        if self.young.len() >= HALF_MAX {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_asked_for_and_no_more_than_its_limit() {
        let tag = |number: usize| {
            let mut tag = Tag::default();
            tag[..8].copy_from_slice(&number.to_be_bytes());
            tag
        };
        let mut recent = Recent::default();
        for number in 0..10 * HALF_MAX {
            recent.note(tag(number));
            assert!(recent.knows(&tag(0)), "{number}");
            assert!(recent.young.len() + recent.old.len() <= 2 * HALF_MAX);
        }
        assert!(!recent.knows(&tag(1)));
    }
}

//! When the authority wishes certificates to be renewed (RFC 9773), and when it is asked again.
//!
//! Pure: who asks it tells what it says. Must not know how it is asked.

use std::time::Duration;

use hashbrown::{HashMap, HashSet};

use super::client::Renewal;

/// For the next question where the authority did not answer the last one.
const ASK_AGAIN: Duration = Duration::from_hours(1);
/// Authorities do not want to be asked more often, and not less often either.
const ASK_EVERY: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24));

/// What the authority wishes of all certificates. Times are seconds from 1970.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// By certificate: what it wishes, and when it is asked again.
    known: HashMap<String, (Option<Renewal>, i64)>,
    is_asking: bool,
}

impl Wishes {
    /// What it wishes of a certificate, as far as it has said.
    pub(super) fn of(&self, id: &str) -> Option<Renewal> {
        self.known.get(id)?.0
    }

    /// Of the certificates there are, those that it is to be asked about now. Nobody asks before
    /// [`Wishes::end`] once more. Of others all is forgotten.
    pub(super) fn begin(&mut self, ids: HashSet<String>, now: i64) -> Vec<String> {
        if self.is_asking {
            return Vec::new();
        }
        self.known.retain(|id, _| ids.contains(id));
        let is_due = |id: &String| self.known.get(id).is_none_or(|(_, again)| *again <= now);
        let due: Vec<String> = ids.into_iter().filter(is_due).collect();
        self.is_asking = !due.is_empty();
        due
    }

    /// Notes an answer: a wish, that it has none, or that there was no answer.
    pub(super) fn note<E>(&mut self, id: String, said: &Result<Option<Renewal>, E>, now: i64) {
        let (wish, pause) = match *said {
            Ok(Some(wish)) => (Some(wish), wish.again.clamp(ASK_EVERY.0, ASK_EVERY.1)),
            Ok(None) => (None, ASK_EVERY.1),
            Err(_) => (self.of(&id), ASK_AGAIN),
        };
        let pause = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
        self.known.insert(id, (wish, now.saturating_add(pause)));
    }

    /// All questions are answered.
    pub(super) fn end(&mut self) {
        self.is_asking = false;
    }

    /// When it is asked next.
    pub(super) fn next(&self) -> Option<i64> {
        self.known.values().map(|(_, again)| *again).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_asked_in_their_time() {
        let ids = |all: &[&str]| all.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>();
        let mut wishes = Wishes::default();
        let mut due = wishes.begin(ids(&["a", "b", "c"]), 100);
        due.sort();
        assert_eq!(due, ["a", "b", "c"]);
        // While it is asked, nobody else asks.
        assert_eq!(wishes.begin(ids(&["d"]), 100), Vec::<String>::new());
        let wish = Renewal { start: 5, end: 6, again: Duration::from_secs(1) };
        wishes.note("a".to_owned(), &Ok::<_, ()>(Some(wish)), 100);
        wishes.note("b".to_owned(), &Ok::<_, ()>(None), 100);
        wishes.note("c".to_owned(), &Err(()), 100);
        wishes.end();
        assert_eq!((wishes.of("a"), wishes.of("b")), (Some(wish), None));
        assert_eq!(wishes.next(), Some(160));
        assert_eq!(wishes.begin(ids(&["a", "b", "c"]), 159), Vec::<String>::new());
        assert_eq!(wishes.begin(ids(&["a", "b", "c"]), 160), ["a"]);
        // Without an answer the last wish stays.
        wishes.note("a".to_owned(), &Err(()), 160);
        wishes.end();
        assert_eq!(wishes.of("a"), Some(wish));
        assert_eq!(wishes.begin(ids(&["b"]), 200), Vec::<String>::new());
        assert_eq!(wishes.of("a"), None);
    }
}

//! Index keys: conditions that a request must meet for a rule to match, so that most rules need
//! not be tried at all.

/// A necessary condition: one of a rule's keys fits whenever the rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    /// On the host.
    pub host: HostKey,
    /// On the path.
    pub path: PathKey,
}

/// A condition on the host, which is in lower case and without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostKey {
    /// None.
    #[default]
    Any,
    /// Exactly this.
    Exact(Box<str>),
    /// One label, a dot and this.
    Below(Box<str>),
}

/// A condition on the path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PathKey {
    /// None.
    #[default]
    Any,
    /// Exactly this.
    Exact(Box<str>),
    /// Beginning with this.
    Prefix(Box<str>),
}

/// A rule with more alternatives than this is not indexed by all of them.
pub(super) const KEYS_MAX: usize = 64;

impl Key {
    /// Both conditions; where both speak of the same thing, the sharper or the first.
    fn and(&self, other: &Self) -> Self {
        let host = match (&self.host, &other.host) {
            (HostKey::Any, host) | (host, HostKey::Any) => host,
            (HostKey::Below(_), exact @ HostKey::Exact(_)) => exact,
            (host, _) => host,
        };
        let path = match (&self.path, &other.path) {
            (PathKey::Any, path) | (path, PathKey::Any) => path,
            (PathKey::Prefix(_), exact @ PathKey::Exact(_)) => exact,
            (PathKey::Prefix(a), long @ PathKey::Prefix(b)) if b.len() > a.len() => long,
            (path, _) => path,
        };
        Self { host: host.clone(), path: path.clone() }
    }
}

/// The keys of a conjunction: of each combination of its parts' keys, as long as they are few.
pub(super) fn all(parts: impl IntoIterator<Item = Vec<Key>>) -> Vec<Key> {
    let mut keys = vec![Key::default()];
    for part in parts {
        // Leaving a condition out only makes the index less sharp.
        if keys.len() * part.len() > KEYS_MAX {
            continue;
        }
        keys = keys.iter().flat_map(|key| part.iter().map(|other| key.and(other))).collect();
    }
    keys
}

/// The keys of a disjunction.
pub(super) fn any(parts: impl IntoIterator<Item = Vec<Key>>) -> Vec<Key> {
    let keys: Vec<Key> = parts.into_iter().flatten().collect();
    if keys.len() > KEYS_MAX || keys.contains(&Key::default()) {
        return vec![Key::default()];
    }
    keys
}

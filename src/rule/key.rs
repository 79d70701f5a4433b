//! Index keys: conditions that a request must meet for a rule to match, so that most rules need
//! not be tried at all.
//!
//! Knows nothing of how the index is laid out.

use std::sync::Arc;

use http::{HeaderName, Method};

/// A necessary condition: one of a rule's keys fits whenever the rule matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Key {
    /// On the host.
    pub host: HostKey,
    /// On the path.
    pub path: PathKey,
    /// On the rest of the request's head.
    pub head: HeadKey,
    /// Whether the rule matches whenever this key fits, so that it need not be tried.
    pub suffices: bool,
}

/// A condition on the host, which is in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HostKey {
    /// None.
    #[default]
    Any,
    /// Exactly this, one trailing dot of the request's host left out.
    Exact(Arc<str>),
    /// One label, a dot and this, one trailing dot of the request's host left out.
    Below(Arc<str>),
    /// Whatever this regular expression finds something in.
    Regexp(Arc<str>),
}

/// A condition on the path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PathKey {
    /// None.
    #[default]
    Any,
    /// Exactly this.
    Exact(Arc<str>),
    /// Beginning with this.
    Prefix(Arc<str>),
}

/// A condition on the head beyond host and path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HeadKey {
    /// None.
    #[default]
    Any,
    /// The method is this.
    Method(Method),
    /// One of the header's values is this.
    Header(Arc<(HeaderName, Box<[u8]>)>),
}

/// A rule with more alternatives than this is not indexed; bounds the index's memory.
pub(super) const ALTERNATIVES_MAX: usize = 4096;
/// Alternatives of several conditions are not combined beyond this.
pub(super) const COMBINATIONS_MAX: usize = 256;

impl Key {
    /// A condition on the host alone.
    pub(super) fn of_host(host: HostKey) -> Self {
        Self { host, suffices: true, ..Self::default() }
    }

    /// A condition on the path alone.
    pub(super) fn of_path(path: PathKey) -> Self {
        Self { path, suffices: true, ..Self::default() }
    }

    /// A condition on the rest of the head alone.
    pub(super) fn of_head(head: HeadKey) -> Self {
        Self { head, suffices: true, ..Self::default() }
    }

    /// Whether every request fits.
    fn fits_all(&self) -> bool {
        self.host == HostKey::Any && self.path == PathKey::Any && self.head == HeadKey::Any
    }

    /// Both conditions; where the two cannot be kept, the sharper or the first.
    fn and(&self, other: &Self) -> Self {
        let (host, whole_host) = self.host.and(&other.host);
        let (path, whole_path) = self.path.and(&other.path);
        let (head, whole_head) = self.head.and(&other.head);
        let suffices = self.suffices && other.suffices && whole_host && whole_path && whole_head;
        Self { host: host.clone(), path: path.clone(), head: head.clone(), suffices }
    }
}

impl HostKey {
    /// The condition to keep, and whether it says all that both say.
    fn and<'a>(&'a self, other: &'a Self) -> (&'a Self, bool) {
        match (self, other) {
            (Self::Any, host) | (host, Self::Any) => (host, true),
            (a, b) if a == b => (a, true),
            (a, b) if b.sharpness() > a.sharpness() => (b, false),
            (a, _) => (a, false),
        }
    }

    fn sharpness(&self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Regexp(_) => 1,
            Self::Below(_) => 2,
            Self::Exact(_) => 3,
        }
    }
}

impl PathKey {
    /// The condition to keep, and whether it says all that both say.
    fn and<'a>(&'a self, other: &'a Self) -> (&'a Self, bool) {
        match (self, other) {
            (Self::Any, path) | (path, Self::Any) => (path, true),
            (path @ Self::Exact(exact), Self::Prefix(prefix))
            | (Self::Prefix(prefix), path @ Self::Exact(exact)) => {
                (path, exact.starts_with(&**prefix))
            }
            (path @ Self::Exact(a), Self::Exact(b)) => (path, a == b),
            (Self::Prefix(a), longer @ Self::Prefix(b)) if a.len() <= b.len() => {
                (longer, b.starts_with(&**a))
            }
            (longer @ Self::Prefix(a), Self::Prefix(b)) => (longer, a.starts_with(&**b)),
        }
    }
}

impl HeadKey {
    /// The condition to keep, and whether it says all that both say.
    fn and<'a>(&'a self, other: &'a Self) -> (&'a Self, bool) {
        match (self, other) {
            (Self::Any, head) | (head, Self::Any) => (head, true),
            (Self::Method(_), head @ Self::Header(_)) => (head, false),
            (a, b) => (a, a == b),
        }
    }
}

/// The keys of a conjunction: of each combination of its parts' keys, as long as they are few.
pub(super) fn all(parts: impl IntoIterator<Item = Vec<Key>>) -> Vec<Key> {
    let mut keys = vec![Key { suffices: true, ..Key::default() }];
    for part in parts {
        // Leaving a condition out only makes the index less sharp.
        if keys.len() > 1 && part.len() > 1 && keys.len() * part.len() > COMBINATIONS_MAX {
            for key in &mut keys {
                key.suffices = false;
            }
            continue;
        }
        keys = keys.iter().flat_map(|key| part.iter().map(|other| key.and(other))).collect();
    }
    keys
}

/// The keys of a disjunction.
pub(super) fn any(parts: impl IntoIterator<Item = Vec<Key>>) -> Vec<Key> {
    let keys: Vec<Key> = parts.into_iter().flatten().collect();
    let all = keys.iter().filter(|key| key.fits_all()).max_by_key(|key| key.suffices);
    match all {
        Some(key) => vec![key.clone()],
        None if keys.len() > ALTERNATIVES_MAX => vec![Key::default()],
        None => keys,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{compile, parse};
    use super::*;

    /// Keys as text: host, path, head and a star when the rule must still be tried.
    fn check(rule: &str, expect: &[&str]) {
        let matcher = compile(&parse(rule).unwrap()).unwrap();
        let text = |key: &Key| {
            let host = match &key.host {
                HostKey::Any => String::new(),
                HostKey::Exact(host) => host.to_string(),
                HostKey::Below(domain) => format!("*.{domain}"),
                HostKey::Regexp(regexp) => format!("~{regexp}"),
            };
            let path = match &key.path {
                PathKey::Any => String::new(),
                PathKey::Exact(path) => format!(" {path}$"),
                PathKey::Prefix(path) => format!(" {path}"),
            };
            let head = match &key.head {
                HeadKey::Any => String::new(),
                HeadKey::Method(method) => format!(" {method}"),
                HeadKey::Header(header) => format!(" {}", header.0),
            };
            format!("{host}{path}{head}{}", if key.suffices { "" } else { " *" })
        };
        let got: Vec<_> = matcher.keys().iter().map(text).collect();
        assert_eq!(got, expect, "{rule}");
    }

    #[test]
    fn rules_have_keys() {
        check("Host(`A.b`)", &["a.b"]);
        check("Host(`*.b`) && Host(`a.b`)", &["a.b *"]);
        check("Host(`*`)", &[""]);
        check("Host(`*`) || Host(`a`)", &[""]);
        check("!Host(`a`)", &[" *"]);
        check("!Host(`a`) && Path(`/x`)", &[" /x$ *"]);
        check("Host(`a`) || !Path(`/x`)", &[" *"]);
        check("HostRegexp(`a+`) && Path(`/x`)", &["~a+ /x$"]);
        check("HostRegexp(`a+`) && Host(`a`)", &["a *"]);
        check("Host(`a`) && (Path(`/x`) || PathPrefix(`/y`))", &["a /x$", "a /y"]);
        check("PathPrefix(`/x`) && Path(`/xy`)", &[" /xy$"]);
        check("PathPrefix(`/x`) && Path(`/y`)", &[" /y$ *"]);
        check("PathPrefix(`/x`) && PathPrefix(`/xy`)", &[" /xy"]);
        check("PathPrefix(`/xy`) && PathPrefix(`/x`)", &[" /xy"]);
        check("PathPrefix(`/x`) && PathPrefix(`/yz`)", &[" /yz *"]);
        check("Method(`get`) && Host(`a`)", &["a GET"]);
        check("Method(`GET`) && Header(`X-A`, `1`)", &[" x-a *"]);
        check("Method(`GET`) && ClientIP(`::1`)", &[" GET *"]);
    }

    #[test]
    fn keys_are_limited() {
        let many = |name: &str, count: usize, slash: &str| {
            let one = |i: usize| format!("{name}(`{slash}{i}`)");
            (0..count).map(one).collect::<Vec<_>>().join("||")
        };
        let count = |rule: &str| compile(&parse(rule).unwrap()).unwrap().keys().len();
        assert_eq!(count(&many("Host", 1000, "")), 1000);
        assert_eq!(count(&many("Host", ALTERNATIVES_MAX + 1, "")), 1);
        let combined = |hosts, paths| {
            count(&format!("({}) && ({})", many("Host", hosts, ""), many("Path", paths, "/")))
        };
        assert_eq!(combined(10, 20), 200);
        assert_eq!(combined(100, 20), 100);
        assert_eq!(combined(1000, 1), 1000);
    }
}

//! Which hosts the rules of a table name: what a TLS connection's server name is held against
//! before its requests can be seen.

use std::sync::Arc;

use hashbrown::HashSet;

use super::Table;
use crate::rule::HostKey;

/// Hosts that rules name.
#[derive(Debug, Default)]
pub struct HostNames {
    exact: HashSet<Arc<str>>,
    below: HashSet<Arc<str>>,
    any: bool,
}

impl HostNames {
    /// The hosts that a table's rules name.
    #[must_use]
    pub fn of<T>(table: &Table<T>) -> Self {
        let mut names = Self::default();
        for key in table.entries.iter().flat_map(|entry| entry.matcher.keys()) {
            match &key.host {
                HostKey::Exact(host) => {
                    names.exact.insert(Arc::clone(host));
                }
                HostKey::Below(domain) => {
                    names.below.insert(Arc::clone(domain));
                }
                HostKey::Any | HostKey::Regexp(_) => names.any = true,
            }
        }
        names
    }

    /// Whether a rule names that host, which is in lower case.
    #[must_use]
    pub fn has(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let below = host.split_once('.').filter(|(label, _)| !label.is_empty());
        self.exact.contains(host) || below.is_some_and(|(_, domain)| self.below.contains(domain))
    }

    /// Whether a rule names no host.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Entry;
    use crate::rule::{compile, parse};

    #[test]
    fn finds_hosts_that_rules_name() {
        let names = |rules: &[&str]| {
            let entry = |rule: &&str| {
                let matcher = Arc::new(compile(&parse(rule).unwrap()).unwrap());
                Entry { priority: 1, precedence: 0, name: (*rule).into(), matcher, target: () }
            };
            HostNames::of(&Table::build(rules.iter().map(entry).collect()))
        };
        let some = names(&["Host(`a.test`) && Path(`/x`)", "Host(`*.b.test`) || Host(`c.test`)"]);
        let all = ["a.test", "a.test.", "x.b.test", "c.test", "b.test", "", "d.test", ".b.test"];
        let found: Vec<_> = all.iter().filter(|host| some.has(host)).collect();
        assert_eq!(found, [&"a.test", &"a.test.", &"x.b.test", &"c.test"]);
        assert!(!some.has_any());
        for rule in ["PathPrefix(`/`)", "HostRegexp(`a`)", "!Host(`a`)", "Host(`*`)"] {
            assert!(names(&[rule]).has_any() && !names(&[rule]).has("a"), "{rule}");
        }
    }
}

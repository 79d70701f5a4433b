//! The index of TCP rules, by server name.
//!
//! Pure, and generic over what a router leads to. The answer is always that of trying the rules
//! one by one in their order.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::rule::tcp::{Facts, Matcher, Name};

/// A rule with its place and what it leads to.
#[derive(Debug, Clone)]
pub struct TcpEntry<T> {
    /// Greater goes first.
    pub priority: i64,
    /// Breaks ties, in alphabetical order.
    pub name: Arc<str>,
    /// The rule.
    pub matcher: Arc<Matcher>,
    /// What it leads to.
    pub target: T,
}

/// Rules of TCP routers behind an index.
#[derive(Debug)]
pub struct TcpTable<T> {
    /// In the order they are tried; a rule's place here is its rank.
    entries: Vec<TcpEntry<T>>,
    exact: HashMap<Arc<str>, Vec<usize>>,
    below: HashMap<Arc<str>, Vec<usize>>,
    any: Vec<usize>,
}

impl<T> TcpTable<T> {
    /// Orders the rules and indexes them.
    #[must_use]
    pub fn build(mut entries: Vec<TcpEntry<T>>) -> Self {
        entries
            .sort_unstable_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        let (mut exact, mut below, mut any) = (HashMap::new(), HashMap::new(), Vec::new());
        for (rank, entry) in entries.iter().enumerate() {
            for name in entry.matcher.names() {
                let ranks: &mut Vec<usize> = match name {
                    Name::Exact(name) => exact.entry(Arc::clone(name)).or_default(),
                    Name::Below(domain) => below.entry(Arc::clone(domain)).or_default(),
                    Name::Any => &mut any,
                };
                ranks.push(rank);
            }
        }
        Self { entries, exact, below, any }
    }

    /// The first rule that matches.
    #[must_use]
    pub fn find(&self, facts: &Facts<'_>) -> Option<&TcpEntry<T>> {
        let sni = facts.sni.strip_suffix('.').unwrap_or(facts.sni);
        let exact = self.exact.get(sni);
        let below = sni.split_once('.').and_then(|(_, domain)| self.below.get(domain));
        let lines = [exact, below, Some(&self.any)];
        let first = lines.into_iter().flatten().filter_map(|line| self.first(line, facts)).min()?;
        self.entries.get(first)
    }

    /// The first rule of a line that matches.
    fn first(&self, line: &[usize], facts: &Facts<'_>) -> Option<usize> {
        let matches = |rank: &usize| {
            self.entries.get(*rank).is_some_and(|entry| entry.matcher.matches(facts))
        };
        line.iter().copied().find(matches)
    }

    /// All rules, in the order they are tried.
    #[must_use]
    pub fn entries(&self) -> &[TcpEntry<T>] {
        &self.entries
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::{Syntax, parse, tcp};

    fn entry(name: &str, priority: i64, rule: &str) -> TcpEntry<String> {
        let matcher = Arc::new(tcp::compile(&parse(rule).unwrap(), Syntax::V3).unwrap());
        TcpEntry { priority, name: name.into(), matcher, target: name.to_owned() }
    }

    fn facts(sni: &str) -> Facts<'_> {
        Facts { sni, protocols: &[], client_ip: "127.0.0.1".parse().unwrap() }
    }

    #[test]
    fn priorities_decide() {
        let table = TcpTable::build(vec![
            entry("all", -1, "HostSNI(`*`)"),
            entry("regexp", 30, "HostSNIRegexp(`re`)"),
            entry("named", 100, "HostSNI(`a.re.test`)"),
            entry("below", 10, "HostSNI(`*.re.test`)"),
            entry("tie", 100, "HostSNI(`a.re.test`)"),
        ]);
        for (sni, expect) in [
            ("a.re.test", "named"),
            ("b.re.test", "regexp"),
            ("are", "regexp"),
            ("other", "all"),
            ("", "all"),
        ] {
            assert_eq!(table.find(&facts(sni)).unwrap().target, expect, "{sni}");
        }
    }

    fn rules() -> impl Strategy<Value = String> {
        let name = prop_oneof![Just("a.b"), Just("*.b"), Just("c"), Just("*"), Just("a.b.c")];
        let call = prop_oneof![
            name.prop_map(|name| format!("HostSNI(`{name}`)")),
            Just("HostSNIRegexp(`^a`)".to_owned()),
            Just("ClientIP(`127.0.0.0/8`)".to_owned()),
            Just("ALPN(`h2`)".to_owned()),
        ];
        call.prop_recursive(3, 12, 3, |inner| {
            let many = || prop::collection::vec(inner.clone(), 2..4);
            prop_oneof![
                many().prop_map(|parts| format!("({})", parts.join(" && "))),
                many().prop_map(|parts| format!("({})", parts.join(" || "))),
                inner.prop_map(|part| format!("!{part}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn as_one_by_one(
            rules in prop::collection::vec((rules(), -2i64..3), 0..12),
            sni in prop_oneof![
                Just("a.b"), Just("x.b"), Just("c"), Just(""), Just("a.b.c"), Just("b"), Just("c."),
            ],
        ) {
            let entries: Vec<_> = rules
                .iter()
                .enumerate()
                .map(|(i, (rule, priority))| entry(&format!("{i:02}"), *priority, rule))
                .collect();
            let table = TcpTable::build(entries);
            let facts = facts(sni);
            let naive = table.entries.iter().find(|entry| entry.matcher.matches(&facts));
            let found = table.find(&facts);
            prop_assert_eq!(found.map(|e| &e.target), naive.map(|e| &e.target));
        }
    }
}

//! The choice of a router, and why the others are not chosen.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use super::World;
use super::answer::{Decision, Explanation, Judged, Reason, Taken};
use super::question::Asked;
use super::rules::condition;
use super::scripts::Scripts;
use crate::message::Request;
use crate::model::{ElementStatus, RouterVerdict};
use crate::router::{Entry, Table};
use crate::rule::{Facts, HostKey, Judge, Key, NoScripts, Syntax, parse};
use crate::snapshot::Route;

/// Routers that are told of for one kind of reason.
const TOLD_MAX: usize = 10;

/// One request among routers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Routing<'a> {
    pub(super) world: World<'a>,
    /// The entrypoint's place.
    pub(super) place: usize,
    pub(super) asked: &'a Asked,
    pub(super) request: &'a Request,
    pub(super) scripts: &'a Scripts<'a>,
}

impl<'a> Routing<'a> {
    /// Which routers there are, in words.
    pub(super) fn door(&self) -> String {
        let name = self.world.entrypoints.get(self.place).map_or("", |plan| plan.name.as_str());
        let connections = if self.asked.is_tls { "encrypted" } else { "plain" };
        format!("the entrypoint {name} for {connections} connections")
    }

    /// The router of the entrypoint.
    pub(super) fn first(&self, said: &mut Explanation) -> Option<Arc<Route>> {
        let tables = self.world.snapshot.entrypoints.get(self.place)?;
        let table = if self.asked.is_tls { &tables.encrypted } else { &tables.plain };
        let route = self.among(table, said);
        if let Some(decision) = said.decisions.last_mut() {
            let mut known: HashSet<String> =
                decision.others.iter().map(|other| other.router.name.clone()).collect();
            known.extend(decision.taken.iter().map(|taken| taken.name.clone()));
            let strangers = self.elsewhere().into_iter().chain(self.disabled());
            let strangers = strangers.filter(|other| known.insert(other.router.name.clone()));
            // Who looks for a router that should have taken the request wants these first.
            decision.others.splice(0..0, strangers);
            if decision.taken.is_none() && decision.others.is_empty() {
                let words = "no condition of any rule is met; perhaps the host is misspelled";
                said.notes.push(words.to_owned());
            }
        }
        route
    }

    /// The router of a table.
    pub(super) fn among(
        &self,
        table: &Table<Arc<Route>>,
        said: &mut Explanation,
    ) -> Option<Arc<Route>> {
        let facts = self.facts(self.scripts);
        let mut matching = table.find_all(&facts);
        let first = matching.next();
        let mut others: Vec<_> = first
            .map(|first| matching.take(TOLD_MAX).map(|entry| self.later(first, entry)).collect())
            .unwrap_or_default();
        others.extend(self.near(table));
        let taken = first.map(|entry| self.taken(entry));
        said.decisions.push(Decision { taken, others, count: table.len() });
        first.map(|entry| Arc::clone(&entry.target))
    }

    fn facts(&self, scripts: &'a dyn Judge) -> Facts<'a> {
        Facts {
            method: &self.request.method,
            host: &self.asked.host,
            path: &self.asked.path,
            query: self.request.target.query(),
            headers: &self.request.headers,
            client_ip: self.asked.client,
            scripts,
        }
    }

    fn taken(&self, entry: &Entry<Arc<Route>>) -> Taken {
        let rule = self.rule(&entry.name);
        let met = entry.matcher.conditions(&self.facts(self.scripts));
        Taken {
            name: entry.name.to_string(),
            condition: condition(&rule, &met),
            rule,
            priority: Some(entry.priority),
        }
    }

    fn rule(&self, router: &str) -> String {
        let found = self.world.snapshot.outcome.routers.get(router);
        found.map(|router| router.config.rule.clone()).unwrap_or_default()
    }

    /// A router that matches as well, behind the first.
    fn later(&self, first: &Entry<Arc<Route>>, entry: &Entry<Arc<Route>>) -> Judged {
        let (mine, theirs) = (entry.priority, first.priority);
        let why = if mine < theirs {
            format!("it matches, but its priority {mine} is below {theirs}")
        } else if entry.precedence == first.precedence {
            format!("it matches with the same priority {mine}, but its name comes later")
        } else {
            format!("it matches with the same priority {mine}, but its provider comes later")
        };
        Judged { router: self.taken(entry), reason: Reason::Later, why }
    }

    /// Routers of which some conditions are met: those that name the host first, and of these those
    /// with the greatest part.
    fn near(&self, table: &Table<Arc<Route>>) -> Vec<Judged> {
        let facts = self.facts(&NoScripts);
        let mut near = Vec::new();
        for (rank, entry) in table.entries().iter().enumerate() {
            if entry.matcher.matches(&facts) {
                continue;
            }
            let met = entry.matcher.conditions(&facts);
            let count = met.iter().filter(|met| **met).count();
            let part = count * 1000 / met.len().max(1);
            near.push((Reverse((self.is_named(entry.matcher.keys()), part)), rank, entry));
        }
        // With few routers, all of them are worth a word.
        let is_few = near.len() <= TOLD_MAX;
        near.retain(|(Reverse((_, part)), ..)| is_few || *part > 0);
        near.sort_unstable_by_key(|(part, rank, _)| (*part, *rank));
        let judged = near.into_iter().take(TOLD_MAX).filter_map(|(.., entry)| {
            let router = self.taken(entry);
            let condition = router.condition.as_ref()?;
            // A script may have said yes, and the router is told of already.
            if condition.is_met {
                return None;
            }
            let why = format!("not met: {}", condition.obstacle());
            Some(Judged { router, reason: Reason::NoMatch, why })
        });
        judged.collect()
    }

    /// Whether a rule names the host of the request.
    fn is_named(&self, keys: &[Key]) -> bool {
        let host = self.asked.host.strip_suffix('.').unwrap_or(&self.asked.host);
        keys.iter().any(|key| match &key.host {
            HostKey::Exact(name) => **name == *host,
            HostKey::Below(domain) => {
                host.split_once('.').is_some_and(|(_, below)| *below == **domain)
            }
            HostKey::Any | HostKey::Regexp(_) => false,
        })
    }

    /// Routers that match, but of other entrypoints or connections.
    fn elsewhere(&self) -> Vec<Judged> {
        let facts = self.facts(self.scripts);
        let mut found = Vec::new();
        for (place, tables) in self.world.snapshot.entrypoints.iter().enumerate() {
            for (is_tls, table) in [(false, &tables.plain), (true, &tables.encrypted)] {
                if place == self.place && is_tls == self.asked.is_tls {
                    continue;
                }
                let name = self.world.entrypoints.get(place).map_or("", |plan| &plan.name);
                let (reason, why) = match (place == self.place, is_tls) {
                    (true, true) => {
                        (Reason::EncryptedOnly, "it takes encrypted connections only".to_owned())
                    }
                    (true, false) => {
                        (Reason::PlainOnly, "it takes plain connections only".to_owned())
                    }
                    (false, _) => (Reason::ElsewhereOnly, format!("it is on {name}, not here")),
                };
                let why = format!("it matches, but {why}");
                let matching = table.find_all(&facts).take(TOLD_MAX);
                let judged = |entry| Judged { router: self.taken(entry), reason, why: why.clone() };
                // Moongate's own take everything, which is no news.
                let foreign = matching.filter(|entry| !entry.name.ends_with("@internal"));
                found.extend(foreign.map(judged));
            }
        }
        found.truncate(TOLD_MAX);
        found
    }

    /// Disabled routers whose rule matches.
    fn disabled(&self) -> Vec<Judged> {
        let routers = self.world.snapshot.outcome.routers.iter();
        let disabled =
            routers.filter(|(_, router)| router.verdict.status == ElementStatus::Disabled);
        disabled.filter_map(|(name, router)| self.off(name, router)).take(TOLD_MAX).collect()
    }

    fn off(&self, name: &str, router: &RouterVerdict) -> Option<Judged> {
        let config = &router.config;
        let syntax = router.rule_syntax.unwrap_or(&config.rule_syntax);
        let syntax = Syntax::named(syntax).unwrap_or_default();
        let matcher = syntax.compile(&parse(&config.rule).ok()?).ok()?;
        let met = matcher.conditions(&self.facts(self.scripts));
        let condition = condition(&config.rule, &met)?;
        condition.is_met.then(|| Judged {
            router: Taken {
                name: name.to_owned(),
                rule: config.rule.clone(),
                priority: Some(router.priority),
                condition: Some(condition),
            },
            reason: Reason::Disabled,
            why: format!(
                "its rule matches, but it is disabled: {}",
                router.verdict.errors.join("; ")
            ),
        })
    }
}

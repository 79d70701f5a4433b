//! Which certificates routers want of resolvers: names from `tls.domains`, else from rules.
//!
//! Knows which resolvers there are and what they can prove, not how. Names that a resolver cannot
//! prove go no further than this.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Catalog, EntrypointFacts, IsDefault, Wildcards};
use crate::model::{
    Diagnostic, Dynamic, GeneratedDefault, Router, RouterTls, TcpRouter, TlsDomain,
};
use crate::rule;
use crate::snapshot::Wanted;
use crate::tls::{covers, generated_default};

/// The names that rules name, kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    http: HashMap<String, (Arc<Router>, Names)>,
    tcp: HashMap<String, (Arc<TcpRouter>, Names)>,
}

type Names = Arc<[String]>;

/// All certificates that are wanted, and what is wrong with others.
pub(super) fn compile(
    dynamic: &Dynamic,
    catalog: &Catalog,
    memory: &mut Memory,
) -> (Vec<Wanted>, Vec<Diagnostic>) {
    let mut work = Work { catalog, wanted: Vec::new(), findings: Vec::new() };
    let mut before = std::mem::take(&mut memory.http);
    for (name, router) in &dynamic.http.routers {
        for tls in resolved_by(router, catalog) {
            let names = memory.http.entry_ref(name.as_str());
            let (_, names) = names.or_insert_with(|| {
                let kept = before.remove(name).filter(|(kept, _)| kept == router);
                kept.unwrap_or_else(|| (Arc::clone(router), named(&router.rule, rule::hosts)))
            });
            work.take(&of_router("http", name), name, &tls.cert_resolver, &tls.domains, names);
        }
    }
    let mut before = std::mem::take(&mut memory.tcp);
    for (name, router) in &dynamic.tcp.routers {
        let Some(tls) = &router.tls else { continue };
        if tls.cert_resolver.is_empty() || tls.passthrough {
            continue;
        }
        let kept = before.remove(name).filter(|(kept, _)| kept == router);
        let kept =
            kept.unwrap_or_else(|| (Arc::clone(router), named(&router.rule, rule::tcp::hosts)));
        work.take(&of_router("tcp", name), name, &tls.cert_resolver, &tls.domains, &kept.1);
        memory.tcp.insert(name.clone(), kept);
    }
    work.default(dynamic);
    (work.wanted, work.findings)
}

/// The path of what a router says of TLS.
fn of_router(section: &str, router: &str) -> String {
    format!("{section}.routers.{router}.tls")
}

/// The names in a rule; none where it cannot be read, which is told elsewhere.
fn named(rule: &str, hosts: fn(&rule::Tree) -> Vec<String>) -> Names {
    rule::parse(rule).map(|tree| hosts(&tree)).unwrap_or_default().into()
}

/// What a router says of resolvers: itself, else the entrypoints that give it TLS.
fn resolved_by<'a>(router: &'a Router, catalog: &'a Catalog) -> Vec<&'a RouterTls> {
    let tls: Vec<&RouterTls> = match &router.tls {
        Some(tls) => vec![tls],
        None if !router.parent_refs.is_empty() => Vec::new(),
        None => {
            let is_on = |facts: &&EntrypointFacts| match router.entry_points.is_empty() {
                true => facts.default == IsDefault::Yes,
                false => router.entry_points.iter().any(|name| **name == *facts.name),
            };
            let here = catalog.entrypoints.iter().filter(is_on);
            here.filter_map(|facts| facts.tls.as_ref()).collect()
        }
    };
    tls.into_iter().filter(|tls| !tls.cert_resolver.is_empty()).collect()
}

struct Work<'a> {
    catalog: &'a Catalog,
    wanted: Vec<Wanted>,
    findings: Vec<Diagnostic>,
}

impl Work<'_> {
    /// The default certificate, where a resolver is to have it.
    fn default(&mut self, dynamic: &Dynamic) {
        let store = dynamic.tls.stores.get("default");
        match store.and_then(generated_default) {
            None => {}
            Some(Err(error)) => {
                self.findings.push(Diagnostic::error("tls.stores.default", error));
            }
            Some(Ok(GeneratedDefault { resolver, domain })) => {
                let path = "tls.stores.default.defaultGeneratedCert";
                self.take(path, "the default certificate", &resolver, &[domain], &[]);
            }
        }
    }

    fn take(
        &mut self,
        path: &str,
        by: &str,
        resolver: &str,
        domains: &[TlsDomain],
        rule_names: &[String],
    ) {
        let path = |option: &str| format!("{path}.{option}");
        let Some(facts) = self.catalog.resolvers.get(resolver) else {
            let reason = format!("there is no certificate resolver {resolver:?}");
            self.findings.push(Diagnostic::error(path("certResolver"), reason));
            return;
        };
        let sets = match domains {
            [] => vec![distinct(rule_names.iter().map(String::as_str))],
            domains => of_domains(domains),
        };
        for names in sets {
            if names.is_empty() {
                continue;
            }
            match refusal(&names, facts.wildcards, resolver) {
                Some(reason) => {
                    let option = if domains.is_empty() { "certResolver" } else { "domains" };
                    self.findings.push(Diagnostic::error(path(option), reason));
                }
                None => {
                    let names = names.into();
                    let (resolver, by) = (resolver.into(), by.into());
                    self.wanted.push(Wanted { resolver, by, names });
                }
            }
        }
    }
}

/// Why a certificate for these names is not asked for.
fn refusal(names: &[String], wildcards: Wildcards, resolver: &str) -> Option<String> {
    if let Some(name) = names.iter().find(|name| name.trim_start_matches("*.").contains('*')) {
        return Some(format!("{name:?} is no name that a certificate can hold"));
    }
    if let Some(name) = names.iter().find(|name| name.starts_with("*.*.")) {
        return Some(format!("{name:?} is no name that a certificate can hold"));
    }
    let wildcard = names.iter().find(|name| name.starts_with("*."))?;
    (wildcards == Wildcards::Refused).then(|| {
        format!(
            "a certificate for {wildcard} is proved by dnsChallenge alone, which the resolver \
             {resolver:?} does not have, so nobody is asked for it"
        )
    })
}

/// One list of names for each domain, without what earlier ones or wildcards cover already.
fn of_domains(domains: &[TlsDomain]) -> Vec<Vec<String>> {
    let all = domains.iter().map(|domain| {
        let main = (!domain.main.is_empty()).then_some(domain.main.as_str());
        distinct(main.into_iter().chain(domain.sans.iter().map(String::as_str)))
    });
    let all: Vec<Vec<String>> = all.collect();
    let mut sets: Vec<Vec<String>> = Vec::with_capacity(all.len());
    for (place, names) in all.iter().enumerate() {
        let others = all.iter().enumerate().filter(|(other, _)| *other != place);
        let mains: Vec<&String> = others.filter_map(|(_, names)| names.first()).collect();
        let is_left = |name: &&String| {
            let is_earlier = sets.iter().flatten().any(|held| covers(held, name));
            let is_below = mains.iter().any(|main| main != name && covers(main, name));
            !is_earlier && !is_below
        };
        sets.push(names.iter().filter(is_left).cloned().collect());
    }
    sets
}

/// Names in lower case, without last dots, each once.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
        if !name.is_empty() && name != "*" && !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_asked_for_once() {
        let check = |domains: &[&[&str]], expect: &[&[&str]]| {
            let domain = |names: &&[&str]| TlsDomain {
                main: names[0].to_owned(),
                sans: names[1..].iter().map(|name| (*name).to_owned()).collect(),
            };
            let domains: Vec<_> = domains.iter().map(domain).collect();
            let sets = of_domains(&domains);
            let sets: Vec<_> = sets.into_iter().filter(|set| !set.is_empty()).collect();
            assert_eq!(sets, expect, "{domains:?}");
        };
        check(&[&["A.test.", "b.test", "a.test"]], &[&["a.test", "b.test"]]);
        check(&[&["a.test"], &["a.test", "b.test"]], &[&["a.test"], &["b.test"]]);
        check(&[&["*.a.test", "a.test"], &["x.a.test"]], &[&["*.a.test", "a.test"]]);
        check(&[&["x.a.test", "b.test"], &["*.a.test"]], &[&["b.test"], &["*.a.test"]]);
        check(&[&["*.a.test"], &["*.a.test"]], &[&["*.a.test"]]);
        check(&[&["", "a.test"], &["*"]], &[&["a.test"]]);
    }

    #[test]
    fn what_cannot_be_proved_is_refused() {
        let check = |names: &[&str], wildcards: Wildcards, expect: Option<&str>| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let found = refusal(&names, wildcards, "le");
            match (found, expect) {
                (None, None) => {}
                (Some(found), Some(expect)) => assert!(found.contains(expect), "{found}"),
                other => panic!("{names:?}: {other:?}"),
            }
        };
        check(&["a.test"], Wildcards::Refused, None);
        check(&["a.test", "*.a.test"], Wildcards::Refused, Some("dnsChallenge alone"));
        check(&["a.test", "*.a.test"], Wildcards::Proved, None);
        check(&["*.*.test"], Wildcards::Proved, Some("is no name"));
        check(&["a*.test"], Wildcards::Proved, Some("is no name"));
    }
}

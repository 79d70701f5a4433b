//! Parents and children among routers: who stands below whom, and what is wrong with it.
//!
//! Knows names alone. The findings and their words are those of Traefik's multi-layer routing.

use hashbrown::{HashMap, HashSet};

use super::super::{provider_of, qualify};
use crate::model::{Elements, Router};

/// Routers above each other; a request of the lowest passes as many chains.
const LEVELS_MAX: usize = 16;

/// All parents and children of a configuration; empty where there are none.
#[derive(Debug, Default)]
pub(super) struct Family<'a> {
    /// Children by parent, in alphabetical order, without those that close a cycle.
    children: HashMap<&'a str, Vec<&'a str>>,
    /// Children that a root leads to, each after its own children.
    order: Vec<&'a str>,
    reached: HashSet<&'a str>,
    /// Levels from a router down to its lowest descendant, itself included.
    heights: HashMap<&'a str, usize>,
    cycles: HashMap<&'a str, Vec<String>>,
}

/// What is wrong with a router as a member of a family.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) errors: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// A router on the way down from a root.
struct Step<'a> {
    name: &'a str,
    /// The next child to look at.
    next: usize,
}

impl<'a> Family<'a> {
    pub(super) fn of(routers: &'a Elements<Router>) -> Self {
        let mut family = Self::default();
        for (name, config) in routers {
            for parent in &config.parent_refs {
                let parent = qualify(parent, provider_of(name));
                if let Some((parent, _)) = routers.get_key_value(&parent) {
                    let children = family.children.entry(parent).or_default();
                    // Routers come in their order, so a repetition is the last one.
                    if children.last() != Some(&name.as_str()) {
                        children.push(name);
                    }
                }
            }
        }
        if !family.children.is_empty() {
            let roots = routers.iter().filter(|(_, config)| config.parent_refs.is_empty());
            for (root, _) in roots {
                family.descend(root);
            }
        }
        family
    }

    /// Visits all below a root, children before their parents; a child that stands above itself is
    /// taken from the parent that closes the circle.
    fn descend(&mut self, root: &'a str) {
        let mut path = vec![Step { name: root, next: 0 }];
        while let Some(step) = path.last_mut() {
            let name = step.name;
            let child = self.children.get(name).and_then(|children| children.get(step.next));
            let Some(&child) = child else {
                path.pop();
                self.leave(name, path.is_empty());
                continue;
            };
            if let Some(start) = path.iter().position(|above| above.name == child) {
                let names: Vec<_> = path.iter().skip(start).map(|step| step.name).collect();
                let circle = format!("{} -> {child}", names.join(" -> "));
                self.cycles.entry(name).or_default().push(circle);
                self.children.entry(name).or_default().retain(|other| *other != child);
                continue;
            }
            if let Some(step) = path.last_mut() {
                step.next += 1;
            }
            if self.reached.insert(child) {
                path.push(Step { name: child, next: 0 });
            }
        }
    }

    fn leave(&mut self, name: &'a str, is_root: bool) {
        let below = self.children(name).iter().filter_map(|child| self.heights.get(child));
        let height = below.max().map_or(1, |height| height + 1);
        self.heights.insert(name, height);
        if !is_root {
            self.order.push(name);
        }
    }

    /// Children that a root leads to, each after its own children.
    pub(super) fn order(&self) -> &[&'a str] {
        &self.order
    }

    /// A router's children.
    pub(super) fn children(&self, name: &str) -> &[&'a str] {
        self.children.get(name).map_or(&[], Vec::as_slice)
    }

    /// What is wrong with a router's place in the family.
    pub(super) fn faults(&self, name: &str, config: &Router, routers: &Elements<Router>) -> Faults {
        let mut errors = Vec::new();
        if !config.parent_refs.is_empty() {
            self.child_faults(name, config, routers, &mut errors);
        }
        let has_children = !self.children(name).is_empty();
        match (config.service.is_empty(), has_children) {
            (true, false) => errors.push("router has no service and no child routers".to_owned()),
            (false, true) => errors.push(
                "router has both a service and is referenced as a parent by other routers"
                    .to_owned(),
            ),
            (true, true) | (false, false) => {}
        }
        if self.heights.get(name).is_some_and(|height| *height > LEVELS_MAX) {
            errors.push(format!("more than {LEVELS_MAX} levels of routers begin here"));
        }
        let cycles = self.cycles.get(name).into_iter().flatten();
        let told = |circle| format!("cyclic reference detected in router tree: {circle}");
        Faults { errors, warnings: cycles.map(told).collect() }
    }

    fn child_faults(
        &self,
        name: &str,
        config: &Router,
        routers: &Elements<Router>,
        errors: &mut Vec<String>,
    ) {
        for parent in &config.parent_refs {
            let parent = qualify(parent, provider_of(name));
            if !routers.contains_key(&parent) {
                errors.push(format!("parent router {parent:?} does not exist"));
            }
        }
        for (is_there, section) in [
            (config.tls.is_some(), "TLS"),
            (config.observability.is_some(), "Observability"),
            (!config.entry_points.is_empty(), "Entrypoints"),
        ] {
            if is_there {
                errors.push(format!("non-root router cannot have {section} configuration"));
            }
        }
        if !self.reached.contains(name) {
            errors.push("router is not reachable".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Routers written as `name: parents` or `name= parents`, the latter with a service; what is
    /// found as `name: findings`.
    fn check(text: &[&str], order: &[&str], expect: &[(&str, &str)]) {
        let mut routers = Elements::default();
        for line in text {
            let (name, parents) = line.split_once([':', '=']).unwrap();
            let config = Router {
                service: if line.contains('=') { "s".to_owned() } else { String::new() },
                parent_refs: parents.split_whitespace().map(str::to_owned).collect(),
                ..Router::default()
            };
            routers.insert(format!("{name}@file"), Arc::new(config));
        }
        let family = Family::of(&routers);
        let got: Vec<_> = family.order().iter().map(|name| name.replace("@file", "")).collect();
        assert_eq!(got, order, "{text:?}");
        let mut found = Vec::new();
        for (name, config) in &routers {
            let faults = family.faults(name, config, &routers);
            for fault in faults.errors.into_iter().chain(faults.warnings) {
                found.push((name.replace("@file", ""), fault));
            }
        }
        let found: Vec<_> = found.iter().map(|(name, fault)| (&**name, &**fault)).collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn children_come_before_their_parents() {
        check(&["a=", "b="], &[], &[]);
        check(&["a:", "b= a", "c= a"], &["b", "c"], &[]);
        check(&["a:", "b: a", "c= b", "d= a b@file"], &["c", "d", "b"], &[]);
        check(&["a:", "b:", "c= a b"], &["c"], &[]);
    }

    #[test]
    fn faults_are_told() {
        let lone = "router has no service and no child routers";
        let unreachable = "router is not reachable";
        check(&["a:"], &[], &[("a", lone)]);
        check(
            &["a= b"],
            &[],
            &[("a", "parent router \"b@file\" does not exist"), ("a", unreachable)],
        );
        check(
            &["a= b", "b: a"],
            &[],
            &[
                ("a", unreachable),
                ("a", "router has both a service and is referenced as a parent by other routers"),
                ("b", unreachable),
            ],
        );
        check(
            &["a=", "b= a"],
            &["b"],
            &[("a", "router has both a service and is referenced as a parent by other routers")],
        );
    }

    #[test]
    fn cycles_are_cut_where_they_close() {
        check(
            &["a:", "b: a d", "c: b", "d: c", "e= d"],
            &["e", "d", "c", "b"],
            &[(
                "d",
                "cyclic reference detected in router tree: b@file -> c@file -> d@file -> b@file",
            )],
        );
    }

    #[test]
    fn depth_is_limited() {
        let mut text = vec!["r00:".to_owned()];
        for level in 1..20_000 {
            text.push(format!("r{level:05}: {}", &text[level - 1].split(':').next().unwrap()));
        }
        let mut routers = Elements::default();
        for line in &text {
            let (name, parent) = line.split_once(": ").unwrap_or((&line[..3], ""));
            let parent_refs = parent.split_whitespace().map(str::to_owned).collect();
            let config = Router { parent_refs, ..Router::default() };
            routers.insert(format!("{name}@file"), Arc::new(config));
        }
        let family = Family::of(&routers);
        let faults = family.faults("r00@file", &routers["r00@file"], &routers);
        assert_eq!(faults.errors, ["more than 16 levels of routers begin here"]);
        let low = family.faults("r19984@file", &routers["r19984@file"], &routers);
        assert_eq!(low, Faults::default());
    }
}

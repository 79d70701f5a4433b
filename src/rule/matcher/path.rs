//! `Path`, `PathPrefix`, `PathRegexp`: the request's path.

use regex::Regex;

use super::{Facts, Kind, Test, first, pattern};
use crate::rule::key::{Key, PathKey};

pub(super) const EXACT: Kind = Kind {
    name: "Path",
    signature: "Path(`path`)",
    doc: "The request's path is exactly that.",
    example: "Path(`/cart`)",
    arity: (1, 1),
    build: exact,
};

pub(super) const PREFIX: Kind = Kind {
    name: "PathPrefix",
    signature: "PathPrefix(`prefix`)",
    doc: "The request's path begins with the prefix, character by character.",
    example: "PathPrefix(`/api/`)",
    arity: (1, 1),
    build: prefix,
};

pub(super) const REGEXP: Kind = Kind {
    name: "PathRegexp",
    signature: "PathRegexp(`regexp`)",
    doc: "The request's path matches the regular expression.",
    example: "PathRegexp(`\\.(jpeg|png)$`)",
    arity: (1, 1),
    build: regexp,
};

#[derive(Debug)]
struct Path(PathKey);

#[derive(Debug)]
struct PathRegexp(Regex);

fn absolute(args: &[String]) -> Result<&str, String> {
    let path = first(args);
    if path.starts_with('/') {
        return Ok(path);
    }
    Err(format!("{path:?} does not begin with a slash"))
}

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(Path(PathKey::Exact(absolute(args)?.into()))))
}

fn prefix(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(Path(PathKey::Prefix(absolute(args)?.into()))))
}

fn regexp(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(PathRegexp(pattern::compile(first(args))?)))
}

impl Test for Path {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        match &self.0 {
            PathKey::Any => true,
            PathKey::Exact(path) => facts.path == &**path,
            PathKey::Prefix(prefix) => facts.path.starts_with(&**prefix),
        }
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key::of_path(self.0.clone())]
    }
}

impl Test for PathRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.is_match(facts.path)
    }
}

//! `HostRegexp`: the request's host, by a regular expression.

use regex::Regex;

use super::{Facts, Kind, Test, first, pattern};
use crate::rule::key::{HostKey, Key};

pub(super) const KIND: Kind = Kind {
    name: "HostRegexp",
    signature: "HostRegexp(`regexp`)",
    doc: "The request's host, in lower case and without port, matches the regular expression.",
    example: "HostRegexp(`^[a-z]+\\.shop\\.example$`)",
    arity: (1, 1),
    build,
};

#[derive(Debug)]
struct HostRegexp(Regex);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    if !first(args).is_ascii() {
        return Err(format!("{:?} is not ASCII", first(args)));
    }
    Ok(Box::new(HostRegexp(pattern::compile(first(args))?)))
}

impl Test for HostRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.is_match(facts.host)
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key::of_host(HostKey::Regexp(self.0.as_str().into()))]
    }
}

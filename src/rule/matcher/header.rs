//! `Header`, `HeaderRegexp`: one of a request header's values.

use std::sync::Arc;

use http::HeaderName;
use regex::Regex;

use super::{Facts, Kind, Test, first, pattern, second};
use crate::rule::key::{HeadKey, Key};

pub(super) const EXACT: Kind = Kind {
    name: "Header",
    signature: "Header(`name`, `value`)",
    doc: "The request has the header with exactly that value; one of several suffices.",
    example: "Header(`X-Canary`, `yes`)",
    arity: (2, 2),
    build: exact,
};

pub(super) const REGEXP: Kind = Kind {
    name: "HeaderRegexp",
    signature: "HeaderRegexp(`name`, `regexp`)",
    doc: "The request has the header with a value that matches the regular expression.",
    example: "HeaderRegexp(`Content-Type`, `^application/(json|yaml)$`)",
    arity: (2, 2),
    build: regexp,
};

#[derive(Debug)]
struct Header(Arc<(HeaderName, Box<[u8]>)>);

#[derive(Debug)]
struct HeaderRegexp(HeaderName, Regex);

fn name(args: &[String]) -> Result<HeaderName, String> {
    let name = first(args);
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header's name"))
}

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(Header(Arc::new((name(args)?, second(args).as_bytes().into())))))
}

fn regexp(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(HeaderRegexp(name(args)?, pattern::compile(second(args))?)))
}

impl Test for Header {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let (name, wanted) = &*self.0;
        facts.headers.get_all(name).iter().any(|value| value.as_bytes() == &**wanted)
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key::of_head(HeadKey::Header(Arc::clone(&self.0)))]
    }
}

impl Test for HeaderRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let mut values = facts.headers.get_all(&self.0).iter();
        values.any(|value| self.1.is_match(&String::from_utf8_lossy(value.as_bytes())))
    }
}

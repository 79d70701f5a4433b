//! `Header`, `HeaderRegexp`: one of a request header's values.

use http::HeaderName;
use regex::Regex;

use super::{Facts, Kind, Test, first, pattern, second};

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
struct Header(HeaderName, String);

#[derive(Debug)]
struct HeaderRegexp(HeaderName, Regex);

fn name(args: &[String]) -> Result<HeaderName, String> {
    let name = first(args);
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header's name"))
}

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(Header(name(args)?, second(args).to_owned())))
}

fn regexp(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(HeaderRegexp(name(args)?, pattern::compile(second(args))?)))
}

impl Test for Header {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        facts.headers.get_all(&self.0).iter().any(|value| value.as_bytes() == self.1.as_bytes())
    }
}

impl Test for HeaderRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let mut values = facts.headers.get_all(&self.0).iter();
        values.any(|value| self.1.is_match(&String::from_utf8_lossy(value.as_bytes())))
    }
}

//! `Headers`, `HeadersRegexp`: pairs of a header and its value, all of which must hold.

use std::sync::Arc;

use http::HeaderName;
use regex::Regex;

use super::{Kind, PAIRS};
use crate::rule::key::{self, HeadKey, Key};
use crate::rule::matcher::{Facts, Test, pattern};

pub(super) const EXACT: Kind = Kind {
    name: "Headers",
    signature: "Headers(`name`, `value`, ...)",
    doc: "The request has each header with exactly that value; one of several suffices.",
    example: "Headers(`X-Canary`, `yes`)",
    arity: PAIRS,
    build: exact,
};

pub(super) const REGEXP: Kind = Kind {
    name: "HeadersRegexp",
    signature: "HeadersRegexp(`name`, `regexp`, ...)",
    doc: "The request has each header with a value that matches its regular expression.",
    example: "HeadersRegexp(`Content-Type`, `^application/(json|yaml)$`)",
    arity: PAIRS,
    build: regexp,
};

#[derive(Debug)]
struct Headers(Vec<Arc<(HeaderName, Box<[u8]>)>>);

#[derive(Debug)]
struct HeadersRegexp(Vec<(HeaderName, Regex)>);

/// The arguments two by two.
fn pairs(args: &[String]) -> Result<Vec<(HeaderName, &str)>, String> {
    let pairs = args.chunks(2).map(|pair| match pair {
        [name, value] => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Ok((name, value.as_str())),
            Err(_) => Err(format!("{name:?} is no header's name")),
        },
        _ => Err("arguments come in pairs of a name and a value".to_owned()),
    });
    pairs.collect()
}

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    let pairs = pairs(args)?.into_iter();
    let pairs = pairs.map(|(name, value)| Arc::new((name, value.as_bytes().into())));
    Ok(Box::new(Headers(pairs.collect())))
}

fn regexp(args: &[String]) -> Result<Box<dyn Test>, String> {
    let pairs = pairs(args)?.into_iter();
    let pairs = pairs.map(|(name, regexp)| pattern::compile(regexp).map(|regexp| (name, regexp)));
    Ok(Box::new(HeadersRegexp(pairs.collect::<Result<_, _>>()?)))
}

impl Test for Headers {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|pair| {
            let (name, wanted) = &**pair;
            facts.headers.get_all(name).iter().any(|value| value.as_bytes() == &**wanted)
        })
    }

    fn keys(&self) -> Vec<Key> {
        let key = |pair: &Arc<_>| vec![Key::of_head(HeadKey::Header(Arc::clone(pair)))];
        key::all(self.0.iter().map(key))
    }
}

impl Test for HeadersRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|(name, regexp)| {
            let mut values = facts.headers.get_all(name).iter();
            values.any(|value| regexp.is_match(&String::from_utf8_lossy(value.as_bytes())))
        })
    }
}

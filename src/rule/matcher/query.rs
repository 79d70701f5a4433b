//! `Query`, `QueryRegexp`: one of a query parameter's values.

use std::borrow::Cow;

use regex::Regex;

use super::{Facts, Kind, Test, first, pattern, second};

pub(super) const EXACT: Kind = Kind {
    name: "Query",
    signature: "Query(`name`[, `value`])",
    doc: "The query has the parameter with exactly that value; without a value, with none.",
    example: "Query(`preview`, `true`)",
    arity: (1, 2),
    build: exact,
};

pub(super) const REGEXP: Kind = Kind {
    name: "QueryRegexp",
    signature: "QueryRegexp(`name`[, `regexp`])",
    doc: "The query has the parameter with a value that matches the regular expression.",
    example: "QueryRegexp(`id`, `^[0-9]+$`)",
    arity: (1, 2),
    build: regexp,
};

#[derive(Debug)]
struct Query(String, String);

#[derive(Debug)]
struct QueryRegexp(String, Regex);

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    if first(args).is_empty() {
        return Err("the parameter's name is empty".to_owned());
    }
    Ok(Box::new(Query(first(args).to_owned(), second(args).to_owned())))
}

fn regexp(args: &[String]) -> Result<Box<dyn Test>, String> {
    if first(args).is_empty() {
        return Err("the parameter's name is empty".to_owned());
    }
    let pattern = if args.len() == 1 { "^$" } else { second(args) };
    Ok(Box::new(QueryRegexp(first(args).to_owned(), pattern::compile(pattern)?)))
}

impl Test for Query {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        any_value(facts, &self.0, |value| value == self.1)
    }
}

impl Test for QueryRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        any_value(facts, &self.0, |value| self.1.is_match(value))
    }
}

/// Whether one of the parameter's values passes; escapes are decoded, a pair that holds a `;` or a
/// broken escape is passed over as Go's `url.ParseQuery` does.
fn any_value(facts: &Facts<'_>, name: &str, test: impl Fn(&str) -> bool) -> bool {
    let pairs = facts.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for pair in pairs.filter(|pair| !pair.contains(';')) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(key), Some(value)) = (decode(key), decode(value))
            && key == name
            && test(&value)
        {
            return true;
        }
    }
    false
}

/// `+` is a space, `%XX` a byte; `None` for a broken escape.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let byte = digit()? * 16 + digit()?;
                out.push(u8::try_from(byte).ok()?);
            }
            other => out.push(other),
        }
    }
    Some(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
}

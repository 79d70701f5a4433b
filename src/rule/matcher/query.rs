//! `Query`, `QueryRegexp`: one of a query parameter's values.

use std::borrow::Cow;
use std::str::Bytes;

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
        any_value(facts, &self.0, |value| Decoded(value.bytes()).eq(self.1.bytes()))
    }
}

impl Test for QueryRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        any_value(facts, &self.0, |value| self.1.is_match(&text(value)))
    }
}

/// Whether one of the parameter's values passes, which come with their escapes; a pair that holds
/// a `;` or a broken escape is passed over as Go's `url.ParseQuery` does.
fn any_value(facts: &Facts<'_>, name: &str, test: impl Fn(&str) -> bool) -> bool {
    facts.query.unwrap_or_default().split('&').any(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        !pair.is_empty()
            && Decoded(key.bytes()).eq(name.bytes())
            && !pair.contains(';')
            && is_whole(pair)
            && test(value)
    })
}

/// Whether two hexadecimal digits follow each `%`.
pub(super) fn is_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// A value as text, what is no UTF-8 replaced.
pub(super) fn text(value: &str) -> Cow<'_, str> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value);
    }
    let bytes: Vec<u8> = Decoded(value.bytes()).collect();
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Bytes of a query: `+` is a space, `%XX` a byte. Ends at a broken escape.
struct Decoded<'a>(Bytes<'a>);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        match self.0.next()? {
            b'+' => Some(b' '),
            b'%' => {
                let mut digit = || char::from(self.0.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()
            }
            other => Some(other),
        }
    }
}

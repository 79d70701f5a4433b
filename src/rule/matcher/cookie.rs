//! `Cookie`, `CookieRegexp`: one of the request's cookies. Moongate's own; Traefik has neither.

use http::header::COOKIE;
use regex::Regex;

use super::{Facts, Kind, Test, first, pattern, second};

pub(super) const EXACT: Kind = Kind {
    name: "Cookie",
    signature: "Cookie(`name`[, `value`])",
    doc: "Moongate's own: the request has the cookie with exactly that value; without a value, \
          with any.",
    example: "Cookie(`canary`, `yes`)",
    arity: (1, 2),
    build: exact,
};

pub(super) const REGEXP: Kind = Kind {
    name: "CookieRegexp",
    signature: "CookieRegexp(`name`, `regexp`)",
    doc: "Moongate's own: the request has the cookie with a value that matches the regular \
          expression.",
    example: "CookieRegexp(`group`, `^(blue|green)$`)",
    arity: (2, 2),
    build: regexp,
};

#[derive(Debug)]
struct Cookie(String, Option<String>);

#[derive(Debug)]
struct CookieRegexp(String, Regex);

fn name(args: &[String]) -> Result<String, String> {
    let name = first(args);
    let is_letter = |b: u8| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b);
    if name.bytes().all(is_letter) {
        return Ok(name.to_owned());
    }
    Err(format!("{name:?} is no cookie's name"))
}

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(Cookie(name(args)?, args.get(1).cloned())))
}

fn regexp(args: &[String]) -> Result<Box<dyn Test>, String> {
    Ok(Box::new(CookieRegexp(name(args)?, pattern::compile(second(args))?)))
}

impl Test for Cookie {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        any_value(facts, &self.0, |value| match &self.1 {
            Some(wanted) => value == wanted.as_bytes(),
            None => true,
        })
    }
}

impl Test for CookieRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        any_value(facts, &self.0, |value| self.1.is_match(&String::from_utf8_lossy(value)))
    }
}

/// Whether one of the cookie's values passes, quotes around it left out (RFC 6265, section 4.1.1).
fn any_value(facts: &Facts<'_>, name: &str, test: impl Fn(&[u8]) -> bool) -> bool {
    let headers = facts.headers.get_all(COOKIE).iter();
    headers.flat_map(|header| header.as_bytes().split(|b| *b == b';')).any(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        value.is_some_and(|value| {
            let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
            test(inner.unwrap_or(value))
        })
    })
}

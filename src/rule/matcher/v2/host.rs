//! `Host`, `HostHeader`, `HostRegexp`: one of several hosts.

use regex::Regex;

use super::template::{Place, Template};
use super::{Kind, MANY};
use crate::rule::key::{self, HostKey, Key};
use crate::rule::matcher::{Facts, Test};

pub(super) const EXACT: Kind = Kind {
    name: "Host",
    signature: "Host(`domain`, ...)",
    doc: "The request's host is one of the domains, whatever its case.",
    example: "Host(`shop.example`, `www.shop.example`)",
    arity: MANY,
    build: exact,
};

pub(super) const HEADER: Kind = Kind {
    name: "HostHeader",
    signature: "HostHeader(`domain`, ...)",
    doc: "The same as `Host`.",
    example: "HostHeader(`shop.example`)",
    arity: MANY,
    build: exact,
};

pub(super) const REGEXP: Kind = Kind {
    name: "HostRegexp",
    signature: "HostRegexp(`template`, ...)",
    doc: "The request's host is one of the templates; a variable is a label, or what its regular \
          expression matches.",
    example: "HostRegexp(`shop.example`, `{sub:[a-z]+}.shop.example`)",
    arity: MANY,
    build: regexp,
};

#[derive(Debug)]
struct Hosts(Vec<String>);

#[derive(Debug)]
struct HostRegexps(Vec<(Regex, Key)>);

fn ascii(host: &str) -> Result<&str, String> {
    if host.is_ascii() {
        return Ok(host);
    }
    Err(format!("{host:?} is not ASCII; write it in its punycode form (xn--...)"))
}

fn exact(args: &[String]) -> Result<Box<dyn Test>, String> {
    let host = |host: &String| {
        let host = ascii(host)?.to_ascii_lowercase();
        Ok(host.strip_suffix('.').map_or(host.clone(), str::to_owned))
    };
    Ok(Box::new(Hosts(args.iter().map(host).collect::<Result<_, String>>()?)))
}

fn regexp(args: &[String]) -> Result<Box<dyn Test>, String> {
    let template = |host: &String| {
        let template = Template::new(ascii(host)?, Place::Host)?;
        let Some(regexp) = template.regexp else {
            return Err(format!("{host:?} is no template"));
        };
        let key = match template.domain {
            Some(domain) => {
                Key { suffices: false, ..Key::of_host(HostKey::Below(domain.as_str().into())) }
            }
            None => Key::of_host(HostKey::Regexp(regexp.as_str().into())),
        };
        Ok((regexp, key))
    };
    Ok(Box::new(HostRegexps(args.iter().map(template).collect::<Result<_, String>>()?)))
}

impl Test for Hosts {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let host = facts.host.strip_suffix('.').unwrap_or(facts.host);
        // A request without a host is nobody's.
        !facts.host.is_empty() && self.0.iter().any(|wanted| wanted == host)
    }

    fn keys(&self) -> Vec<Key> {
        key::any(self.0.iter().map(|host| {
            let whole = !host.is_empty();
            vec![Key { suffices: whole, ..Key::of_host(HostKey::Exact(host.as_str().into())) }]
        }))
    }
}

impl Test for HostRegexps {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().any(|(regexp, _)| regexp.is_match(facts.host))
    }

    fn keys(&self) -> Vec<Key> {
        key::any(self.0.iter().map(|(_, key)| vec![key.clone()]))
    }
}

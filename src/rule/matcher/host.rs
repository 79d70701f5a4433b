//! `Host`: the request's host, exactly, one label below a domain, or any.

use super::{Facts, Kind, Test, first};
use crate::rule::Tree;
use crate::rule::key::{HostKey, Key};

pub(super) const KIND: Kind = Kind {
    name: "Host",
    signature: "Host(`domain`)",
    doc: "The request's host is the domain, whatever its case; `*.domain` is one label below it, \
          `*` is any.",
    example: "Host(`shop.example`) || Host(`*.shop.example`)",
    arity: (1, 1),
    build,
};

#[derive(Debug)]
struct Host(HostKey);

fn build(args: &[String]) -> Result<Box<dyn Test>, String> {
    let host = first(args);
    if host.is_empty() {
        return Err("the host is empty".to_owned());
    }
    if !host.is_ascii() {
        return Err(format!("{host:?} is not ASCII; write it in its punycode form (xn--...)"));
    }
    if host.bytes().any(|b| b.is_ascii_whitespace() || b.is_ascii_control()) {
        return Err(format!("{host:?} is no host"));
    }
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    if host.is_empty() {
        return Err("the host is a dot alone".to_owned());
    }
    Ok(Box::new(Host(match host.strip_prefix("*.") {
        _ if host == "*" => HostKey::Any,
        Some(domain) => HostKey::Below(domain.into()),
        None => HostKey::Exact(host.into()),
    })))
}

/// All hosts that a rule names with `Host`, in lower case and without a last dot; under `!` too, as
/// Traefik takes them, and all of them in the older syntax. TLS options belong to them.
#[must_use]
pub fn hosts(tree: &Tree) -> Vec<String> {
    let calls = tree.calls().into_iter().filter(|call| KIND.is_called(&call.name));
    let hosts = calls.flat_map(|call| call.args.iter()).map(|host| host.to_ascii_lowercase());
    hosts.map(|host| host.strip_suffix('.').unwrap_or(&host).to_owned()).collect()
}

impl Test for Host {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let host = facts.host.strip_suffix('.').unwrap_or(facts.host);
        match &self.0 {
            HostKey::Any | HostKey::Regexp(_) => true,
            HostKey::Exact(wanted) => host == &**wanted,
            HostKey::Below(domain) => {
                let below = host.split_once('.');
                below.is_some_and(|(label, rest)| !label.is_empty() && rest == &**domain)
            }
        }
    }

    fn keys(&self) -> Vec<Key> {
        vec![Key::of_host(self.0.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::parse;

    #[test]
    fn a_rule_names_hosts() {
        for (rule, expect) in [
            ("PathPrefix(`/`)", &[][..]),
            ("HostRegexp(`a`) && Header(`Host`, `b`)", &[]),
            (
                "Host(`A.test.`) && (HOST(`*.b.test`) || !host(`c.test`))",
                &["a.test", "*.b.test", "c.test"],
            ),
        ] {
            assert_eq!(hosts(&parse(rule).unwrap()), expect, "{rule}");
        }
    }
}

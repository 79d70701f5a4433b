//! Which TLS options a server name has on one entrypoint.

use std::sync::Arc;

use hashbrown::HashMap;

use super::ServerOptions;

/// TLS options by server name.
#[derive(Debug, Default)]
pub struct Hosts {
    exact: HashMap<Box<str>, Choice>,
    /// By what stands below `*.`.
    below: HashMap<Box<str>, Choice>,
    other: Choice,
    /// Whether any of them have a script.
    has_scripts: bool,
}

/// Options; none where no handshake must succeed, since those that are asked for cannot be used.
type Choice = Option<Arc<ServerOptions>>;

impl Hosts {
    /// Begins with the options of all names.
    #[must_use]
    pub fn new(other: Option<Arc<ServerOptions>>) -> Self {
        let has_scripts = has_script(&other);
        Self { other, has_scripts, ..Self::default() }
    }

    /// Sets the options of a host as rules name it, in lower case: a name, `*.` with a domain, or
    /// `*`.
    pub fn set(&mut self, host: &str, options: Option<Arc<ServerOptions>>) {
        self.has_scripts |= has_script(&options);
        if host == "*" {
            self.other = options;
        } else if let Some(domain) = host.strip_prefix("*.") {
            self.below.insert(domain.into(), options);
        } else {
            self.exact.insert(host.into(), options);
        }
    }

    /// Whether scripts look at handshakes of any name.
    #[must_use]
    pub fn has_scripts(&self) -> bool {
        self.has_scripts
    }

    /// The options of a handshake: those of exactly the name that the client asks for, else those
    /// of the wildcard in place of its first label, else those of all other names. None when the
    /// handshake must not succeed.
    #[must_use]
    pub fn choose(&self, server_name: Option<&str>) -> Option<&Arc<ServerOptions>> {
        let named = match server_name {
            Some(name) if !self.exact.is_empty() || !self.below.is_empty() => self.named(name),
            _ => None,
        };
        named.unwrap_or(&self.other).as_ref()
    }

    fn named(&self, name: &str) -> Option<&Choice> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let below = || self.below.get(name.split_once('.')?.1);
        self.exact.get(name.as_str()).or_else(below)
    }
}

fn has_script(options: &Choice) -> bool {
    options.as_ref().is_some_and(|options| options.script().is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::Tls;
    use crate::tls::{CertStore, OptionSets};

    #[test]
    fn options_are_chosen_by_name() {
        let options = ["exact@file", "wild@file", "other@file", "any@file"];
        let options = options.map(|name| (name.to_owned(), Arc::default()));
        let tls = Tls { options: options.into_iter().collect(), ..Tls::default() };
        let (sets, _) =
            OptionSets::build(&tls, &Arc::new(CertStore::default()), None, &BTreeMap::new());
        let get = |name: &str| sets.get(name).ok().cloned();
        let mut hosts = Hosts::new(get("default"));
        let check = |hosts: &Hosts, name: Option<&str>, expect: &str| {
            let found = hosts.choose(name).map_or("none", |options| options.name());
            assert_eq!(found, expect, "{name:?}");
        };
        check(&hosts, Some("a.test"), "default");
        check(&hosts, None, "default");
        hosts.set("a.test", get("exact@file"));
        hosts.set("*.test", get("wild@file"));
        hosts.set("broken.test", get("unknown@file"));
        check(&hosts, Some("a.test"), "exact@file");
        check(&hosts, Some("A.test."), "exact@file");
        check(&hosts, Some("b.test"), "wild@file");
        check(&hosts, Some("b.a.test"), "default");
        check(&hosts, Some("test"), "default");
        check(&hosts, Some("broken.test"), "none");
        check(&hosts, None, "default");
        hosts.set("*", get("any@file"));
        check(&hosts, Some("b.a.test"), "any@file");
        check(&hosts, None, "any@file");
    }
}

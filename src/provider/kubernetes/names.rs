//! How objects are named: within the cluster, and as elements of the configuration.

use std::fmt;

use data_encoding::HEXLOWER;
use ring::digest;

/// Which of its two groups a custom resource is of; objects of other groups are `Present`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Group {
    /// `traefik.io`.
    Present,
    /// `traefik.containo.us`, of Traefik 1 and 2.
    Old,
}

/// Which object of a kind. Ordered by name, and by group where both have one of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id {
    /// Empty for what belongs to no namespace.
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) group: Group,
}

impl Id {
    /// An object of one of Kubernetes' own groups, or of the present group of Traefik.
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self { namespace, name, group: Group::Present }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return f.write_str(&self.name);
        }
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A name of nothing but letters, digits and single dashes, as Traefik makes it.
pub(super) fn normalize(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// The element that stands for an object.
pub(super) fn element(namespace: &str, name: &str) -> String {
    normalize(&format!("{namespace}-{name}"))
}

/// The element that stands for one rule of an object: 20 digits of the rule's SHA-256 tell it
/// from the others.
pub(super) fn rule_element(namespace: &str, name: &str, rule: &str) -> String {
    normalize(&format!("{namespace}-{name}-{}", hash(rule, 10)))
}

/// The first bytes of a text's SHA-256 in hexadecimal digits.
pub(super) fn hash(text: &str, bytes: usize) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut digits = HEXLOWER.encode(digest.as_ref());
    digits.truncate(2 * bytes);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_named_as_traefik_names_them() {
        for (name, expect) in [
            (element("default", "whoami"), "default-whoami"),
            (element("team-a", "add.prefix"), "team-a-add-prefix"),
            (element("default", "-a--b_"), "default-a-b"),
            (
                rule_element("default", "whoami", "Host(`whoami.example.com`)"),
                "default-whoami-122f93d6852c295caed0",
            ),
            (
                rule_element("team-a", "web.v1", "Path(`/wrr`)"),
                "team-a-web-v1-7890f29edabc923eee88",
            ),
        ] {
            assert_eq!(name, expect);
        }
    }
}

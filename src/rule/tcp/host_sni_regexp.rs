//! `HostSNIRegexp`: the server name of the handshake, by a regular expression.

use regex::Regex;

use super::{Facts, Kind, Test};
use crate::value::go_regex;

pub(super) const KIND: Kind = Kind {
    name: "HostSNIRegexp",
    signature: "HostSNIRegexp(`regexp`)",
    doc: "The server name of the TLS handshake, in lower case, matches the regular expression.",
    example: "HostSNIRegexp(`^[a-z]+\\.db\\.example$`)",
    build,
};

#[derive(Debug)]
struct HostSniRegexp(Regex);

fn build(pattern: &str) -> Result<Box<dyn Test>, String> {
    if !pattern.is_ascii() {
        return Err(format!("{pattern:?} is not ASCII"));
    }
    let regex = go_regex(pattern).map_err(|error| error.to_string())?;
    Ok(Box::new(HostSniRegexp(regex)))
}

impl Test for HostSniRegexp {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.is_match(facts.sni)
    }
}

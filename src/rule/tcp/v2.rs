//! Matchers of the older syntax, in which each takes many values and `HostSNIRegexp` takes
//! templates.

use regex::Regex;

use super::{Facts, Kind, Test, alpn, client_ip, host_sni, host_sni_regexp};
use crate::rule::matcher::v2::template::{Place, Template};

/// All matchers of the older syntax.
pub(super) const CATALOGUE: &[Kind] = &[EXACT, REGEXP, ALPN, CLIENT_IP];

const EXACT: Kind = Kind {
    signature: "HostSNI(`domain`, ...)",
    doc: "The server name of the TLS handshake is one of the domains, whatever its case; `*` is \
          any, also none, and the only one without TLS.",
    example: "HostSNI(`db.example`, `sql.example`)",
    build: exact,
    ..host_sni::KIND
};

const REGEXP: Kind = Kind {
    signature: "HostSNIRegexp(`template`, ...)",
    doc: "The server name of the TLS handshake is one of the templates; a variable is a label, or \
          what its regular expression matches.",
    example: "HostSNIRegexp(`{name:[a-z]+}.db.example`)",
    build: regexp,
    ..host_sni_regexp::KIND
};

const ALPN: Kind = Kind {
    signature: "ALPN(`protocol`, ...)",
    doc: "The client offers one of the protocols in its TLS handshake. `acme-tls/1` cannot be \
          asked for.",
    ..alpn::KIND
};

const CLIENT_IP: Kind = Kind {
    signature: "ClientIP(`network`, ...)",
    doc: "The connection comes from one of the addresses or networks; a PROXY header that is \
          believed says from where.",
    ..client_ip::KIND
};

/// Wildcards below a domain came with the present syntax.
fn exact(host: &str) -> Result<Box<dyn Test>, String> {
    match host.strip_prefix("*.") {
        Some(_) => Err(format!("{host:?} is no host")),
        None => (host_sni::KIND.build)(host),
    }
}

#[derive(Debug)]
struct HostSniTemplate(Regex);

fn regexp(text: &str) -> Result<Box<dyn Test>, String> {
    if !text.is_ascii() {
        return Err(format!("{text:?} is not ASCII"));
    }
    match Template::new(text, Place::Host)?.regexp {
        Some(regexp) => Ok(Box::new(HostSniTemplate(regexp))),
        None => Err(format!("{text:?} is no template")),
    }
}

impl Test for HostSniTemplate {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.is_match(facts.sni)
    }
}

//! `HostSNI`: the server name of the handshake, exactly, one label below a domain, or any.

use super::{Facts, Kind, Name, Test};

pub(super) const KIND: Kind = Kind {
    name: "HostSNI",
    signature: "HostSNI(`domain`)",
    doc: "The server name of the TLS handshake is the domain, whatever its case; `*.domain` is one \
          label below it; `*` is any, also none, and the only one without TLS.",
    example: "HostSNI(`db.example`) || HostSNI(`*.db.example`)",
    build,
};

#[derive(Debug)]
struct HostSni(Name);

fn build(host: &str) -> Result<Box<dyn Test>, String> {
    if !host.is_ascii() {
        return Err(format!("{host:?} is not ASCII; write it in its punycode form (xn--...)"));
    }
    let host = host.to_ascii_lowercase();
    if host == "*" {
        return Ok(Box::new(HostSni(Name::Any)));
    }
    let plain = host.strip_suffix('.').unwrap_or(&host);
    let (name, is_below) = match plain.strip_prefix("*.") {
        Some(domain) => (domain, true),
        None => (plain, false),
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(format!("{host:?} is no host"));
    }
    let name = name.into();
    Ok(Box::new(HostSni(if is_below { Name::Below(name) } else { Name::Exact(name) })))
}

impl Test for HostSni {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let sni = facts.sni.strip_suffix('.').unwrap_or(facts.sni);
        match &self.0 {
            Name::Any => true,
            Name::Exact(wanted) => sni == &**wanted,
            Name::Below(domain) => {
                let below = sni.split_once('.');
                below.is_some_and(|(label, rest)| !label.is_empty() && rest == &**domain)
            }
        }
    }

    fn name(&self) -> Name {
        self.0.clone()
    }

    fn needs_tls(&self) -> bool {
        self.0 != Name::Any
    }
}

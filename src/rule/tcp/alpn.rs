//! `ALPN`: a protocol that the client offers in its handshake.

use super::{Facts, Kind, Test};

pub(super) const KIND: Kind = Kind {
    name: "ALPN",
    signature: "ALPN(`protocol`)",
    doc: "The client offers the protocol in its TLS handshake. `acme-tls/1` cannot be asked for.",
    example: "ALPN(`mqtt`)",
    build,
};

/// What certificate authorities ask with; it belongs to whoever gets certificates (RFC 8737).
const CHALLENGE: &str = "acme-tls/1";

#[derive(Debug)]
struct Alpn(Box<[u8]>);

fn build(protocol: &str) -> Result<Box<dyn Test>, String> {
    if protocol == CHALLENGE {
        return Err(format!("{protocol:?} is kept for the challenges of certificates"));
    }
    Ok(Box::new(Alpn(protocol.as_bytes().into())))
}

impl Test for Alpn {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        facts.protocols.iter().any(|offered| **offered == *self.0)
    }
}

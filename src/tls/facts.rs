//! What is known of a TLS connection after its handshake.

use std::sync::Arc;

use rustls::{CommonState, ProtocolVersion, ServerConnection};

use super::names::SUITES;
use crate::message::TlsFacts;

/// What is known of a connection after its handshake under the options of that name.
#[must_use]
pub fn facts(connection: &ServerConnection, options: &Arc<str>) -> TlsFacts {
    facts_of(connection, connection.server_name(), options)
}

/// The same of a connection whose server name its kind tells.
pub(super) fn facts_of(
    connection: &CommonState,
    server_name: Option<&str>,
    options: &Arc<str>,
) -> TlsFacts {
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let find = |suite| SUITES.iter().find(|(_, known)| *known == suite);
    let chain = connection.peer_certificates().unwrap_or_default();
    TlsFacts {
        sni: server_name.map(|name| name.to_ascii_lowercase().into()),
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            _ => "",
        },
        cipher: suite.and_then(find).map_or("", |(name, _)| *name),
        alpn: match connection.alpn_protocol() {
            Some(b"h2") => Some("h2"),
            Some(b"http/1.1") => Some("http/1.1"),
            Some(b"h3") => Some("h3"),
            _ => None,
        },
        options: Arc::clone(options),
        client_chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;

    use super::*;

    #[test]
    fn every_offered_cipher_has_a_name() {
        for suite in ring::ALL_CIPHER_SUITES {
            assert!(SUITES.iter().any(|(_, known)| *known == suite.suite()), "{suite:?}");
        }
    }
}

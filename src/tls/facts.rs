//! What is known of a TLS connection after its handshake.

use rustls::{CipherSuite, ProtocolVersion, ServerConnection};

use crate::message::TlsFacts;

/// What is known of a connection after its handshake.
#[must_use]
pub fn facts(connection: &ServerConnection) -> TlsFacts {
    let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
    let find = |suite| CIPHERS.iter().find(|(known, _)| *known == suite);
    let chain = connection.peer_certificates().unwrap_or_default();
    TlsFacts {
        sni: connection.server_name().map(|name| name.to_ascii_lowercase().into()),
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            _ => "",
        },
        cipher: suite.and_then(find).map_or("", |(_, name)| *name),
        alpn: match connection.alpn_protocol() {
            Some(b"h2") => Some("h2"),
            Some(b"http/1.1") => Some("http/1.1"),
            _ => None,
        },
        client_chain: chain.iter().map(|certificate| certificate.to_vec()).collect(),
    }
}

/// The cipher suites of our settings by Go's names.
const CIPHERS: [(CipherSuite, &str); 9] = [
    (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
    (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ),
];

#[cfg(test)]
mod tests {
    use rustls::crypto::ring;

    use super::*;

    #[test]
    fn every_offered_cipher_has_a_name() {
        for suite in ring::ALL_CIPHER_SUITES {
            assert!(CIPHERS.iter().any(|(known, _)| *known == suite.suite()), "{suite:?}");
        }
        assert_eq!(ring::ALL_CIPHER_SUITES.len(), CIPHERS.len());
    }
}

//! Handshakes in which an authority makes sure that a name is ours (RFC 8737).
//!
//! Only a client that offers nothing but that protocol comes here, so other handshakes cost one
//! look at what a client offers, and none where nobody proves anything in handshakes. Must not
//! know who asks for certificates.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::server::Fixed;
use crate::message::LocalFuture;

/// The protocol that an authority offers.
pub const CHALLENGE: &[u8] = b"acme-tls/1";

/// What proves names in handshakes.
pub trait Challenges: std::fmt::Debug + Send + Sync {
    /// The settings of the handshake that proves a name; none when nobody is to prove it now.
    fn proof(&self, server_name: &str) -> LocalFuture<'static, Option<Arc<ServerConfig>>>;
}

/// A certificate that proves one name, with its key.
#[derive(Debug)]
pub struct ChallengeKey {
    /// The certificate, as DER.
    pub certificate: CertificateDer<'static>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

impl ChallengeKey {
    /// The settings of the handshake.
    ///
    /// # Errors
    /// When rustls cannot use the key.
    pub fn config(self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let key = ring::sign::any_supported_type(&self.key)?;
        let key = Arc::new(CertifiedKey::new(vec![self.certificate], key));
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Fixed(key)));
        config.alpn_protocols = vec![CHALLENGE.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

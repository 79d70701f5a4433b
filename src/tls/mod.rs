//! Certificates of the dynamic configuration, chosen by server name, and what is known of a TLS
//! connection.
//!
//! Must not know entrypoints or routers.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::message::TlsFacts;
use crate::model::{Certificate, Diagnostic};

/// All certificates of one generation.
#[derive(Debug, Default)]
pub struct CertStore {}

impl CertStore {
    /// Loads certificates; those that `before` holds unchanged are not parsed again. A broken one
    /// is left out and reported.
    #[must_use]
    pub fn build(
        certificates: &[Arc<Certificate>],
        before: Option<&Self>,
    ) -> (Self, Vec<Diagnostic>) {
        let _ = (certificates, before);
        (Self::default(), Vec::new())
    }
}

/// Why TLS cannot be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// rustls refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(#[from] rustls::Error),
}

/// The server's settings; the certificate is chosen from what the store holds at the handshake,
/// else a generated default.
///
/// # Errors
/// When the settings are refused.
pub fn server_config(
    certificates: Arc<ArcSwap<CertStore>>,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let _ = certificates;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    struct N;
    impl std::fmt::Debug for N {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("N")
        }
    }
    impl rustls::server::ResolvesServerCert for N {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }
    }
    let c = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(N));
    Ok(Arc::new(c))
}

/// What is known of a connection after its handshake.
#[must_use]
pub fn facts(connection: &rustls::ServerConnection) -> TlsFacts {
    let _ = connection;
    TlsFacts::default()
}

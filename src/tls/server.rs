//! The server's settings: versions, protocols, resumption, and the choice of a certificate.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

use super::load::join;
use super::{CertStore, TlsError};

/// The server's settings: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1. The certificate is chosen from
/// what the store holds at the handshake, else it is a generated default, made by this call.
///
/// Sessions are resumed by tickets alone, whose keys rotate, so that workers share no table. Early
/// data is never accepted, since it can be replayed.
///
/// # Errors
/// When the settings are refused.
pub fn server_config(certificates: Arc<ArcSwap<CertStore>>) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&TLS13, &TLS12])?.with_no_client_auth();
    let generated = Arc::new(generate()?);
    let mut config = builder.with_cert_resolver(Arc::new(Resolver { certificates, generated }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new()?;
    // As many as Go's server sends.
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Resolver {
    certificates: Arc<ArcSwap<CertStore>>,
    generated: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = self.certificates.load().find(hello.server_name());
        found.or_else(|| Some(Arc::clone(&self.generated)))
    }
}

/// The common name of the default certificate, as in Traefik.
const GENERATED_NAME: &str = "TRAEFIK DEFAULT CERT";

/// A certificate that nobody trusts, for names that none is configured for.
fn generate() -> Result<CertifiedKey, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, GENERATED_NAME);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::HOUR;
    params.not_after = now + time::Duration::days(365);
    let certificate = params.self_signed(&key)?.pem();
    let name = || GENERATED_NAME.to_owned();
    let (key, _) = join(certificate.as_bytes(), key.serialize_pem().as_bytes(), name, name)?;
    Ok(key)
}

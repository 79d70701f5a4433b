//! The server's settings under TLS options: versions, protocols, resumption, and the choice of a
//! certificate.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use data_encoding::HEXLOWER;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::error::GenerateError;
use super::load::join;
use super::{CertStore, OptionsError, client_auth, names};
use crate::model::TlsOptions;

/// TLS options with the certificates of one generation, ready for handshakes.
#[derive(Debug)]
pub struct ServerOptions {
    name: Arc<str>,
    config: Arc<ServerConfig>,
    /// The same for HTTP/3, made when it is first asked for.
    quic: OnceLock<Arc<ServerConfig>>,
    certificates: Arc<CertStore>,
    /// For names without a certificate; none where such handshakes must fail.
    default: Option<Arc<CertifiedKey>>,
    /// The script that looks at handshakes.
    script: Option<Arc<str>>,
}

impl ServerOptions {
    /// The settings of `base` with these certificates.
    pub(super) fn new(
        name: &Arc<str>,
        base: &ServerConfig,
        certificates: Certificates,
        script: Option<Arc<str>>,
    ) -> Self {
        let (store, default) = (Arc::clone(&certificates.store), certificates.default.clone());
        let mut config = base.clone();
        config.cert_resolver = Arc::new(certificates);
        Self {
            name: Arc::clone(name),
            config: Arc::new(config),
            quic: OnceLock::new(),
            certificates: store,
            default,
            script,
        }
    }

    /// The script that looks at handshakes before they are answered, as the options name it.
    #[must_use]
    pub fn script(&self) -> Option<&Arc<str>> {
        self.script.as_ref()
    }

    /// The certificate for a client that asked for a name, or for none.
    #[must_use]
    pub fn certificate(&self, server_name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        server_name.and_then(|name| self.certificates.find(name)).or_else(|| self.default.clone())
    }

    /// Whether there is a certificate for a name that a client asks for.
    #[must_use]
    pub fn holds(&self, server_name: &str) -> bool {
        self.certificates.find(server_name).is_some()
    }

    /// The options' name, with its provider unless it is `default`.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The settings for a client that asked for a name, or for none at a local address; then the
    /// certificate of that address is chosen, if there is one.
    #[must_use]
    pub fn config(&self, server_name: Option<&str>, local: IpAddr) -> Arc<ServerConfig> {
        let of_address = || self.showing(&local.to_canonical().to_string());
        let fixed = server_name.is_none().then(of_address).flatten();
        fixed.unwrap_or_else(|| Arc::clone(&self.config))
    }

    /// The settings with the certificate of a name, whatever a client asks for; none where there
    /// is no such certificate.
    #[must_use]
    pub fn showing(&self, name: &str) -> Option<Arc<ServerConfig>> {
        let key = self.certificates.find(name)?;
        let mut config = ServerConfig::clone(&self.config);
        config.cert_resolver = Arc::new(Fixed(key));
        Some(Arc::new(config))
    }

    /// As [`ServerOptions::config`], for HTTP/3.
    pub(super) fn quic(&self, server_name: Option<&str>, local: IpAddr) -> Arc<ServerConfig> {
        let config = self.config(server_name, local);
        if Arc::ptr_eq(&config, &self.config) {
            return Arc::clone(self.quic.get_or_init(|| over_quic(&config)));
        }
        over_quic(&config)
    }
}

/// The protocol of HTTP/3 (RFC 9114, section 3.1).
const HTTP3: &[u8] = b"h3";

/// The settings for HTTP/3: whatever the options offer, QUIC carries nothing else here.
fn over_quic(config: &ServerConfig) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![HTTP3.to_vec()];
    Arc::new(config)
}

/// The settings of options, without certificates, and what in them has no effect.
///
/// Sessions are resumed by tickets alone, whose keys rotate, so that workers share no table. Early
/// data is never accepted, since it can be replayed.
pub(super) fn settings(options: &TlsOptions) -> Result<(ServerConfig, Vec<String>), OptionsError> {
    let mut warnings = Vec::new();
    let mut provider = ring::default_provider();
    let versions = names::versions(&options.min_version, &options.max_version, &mut warnings)?;
    names::suites(&mut provider, &options.cipher_suites, &mut warnings)?;
    names::groups(&mut provider, &options.curve_preferences, &mut warnings)?;
    // Fewer bits are as safe and cheaper; those of ChaCha20 are for machines without AES.
    provider.cipher_suites.sort_by_key(|suite| names::preference(suite.suite()));
    let provider = Arc::new(provider);
    let verifier = client_auth::verifier(&options.client_auth, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Certificates::default()));
    config.alpn_protocols =
        options.alpn_protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    // As Go, which has its own order whatever the client's is.
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // As many as Go's server sends.
    config.send_tls13_tickets = usize::from(!options.disable_session_tickets);
    if !options.disable_session_tickets {
        config.ticketer = ring::Ticketer::new()?;
    }
    config.max_early_data_size = 0;
    if options.prefer_server_cipher_suites.is_some() {
        warnings.push("preferServerCipherSuites: is deprecated and has no effect".to_owned());
    }
    Ok((config, warnings))
}

/// Certificates of one generation.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates {
    pub(super) store: Arc<CertStore>,
    /// For names without a certificate of their own.
    pub(super) default: Option<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let found = hello.server_name().and_then(|name| self.store.find(name));
        // That of the store is asked for again, since the word of its authority changes.
        found.or_else(|| {
            let default = self.default.as_ref()?;
            Some(self.store.default_certificate().unwrap_or_else(|| Arc::clone(default)))
        })
    }
}

#[derive(Debug)]
pub(super) struct Fixed(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// The common name of the default certificate, as in Traefik.
const GENERATED_NAME: &str = "TRAEFIK DEFAULT CERT";

/// A certificate that nobody trusts, for names that none is configured for.
pub(super) fn generate() -> Result<CertifiedKey, GenerateError> {
    let key = KeyPair::generate()?;
    // Traefik's form: each process has a name of its own.
    let hash = ::ring::digest::digest(&::ring::digest::SHA256, key.public_key_raw());
    let mut domain = HEXLOWER.encode(hash.as_ref());
    domain.insert(32, '.');
    let mut params = CertificateParams::new([format!("{domain}.traefik.default")])?;
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

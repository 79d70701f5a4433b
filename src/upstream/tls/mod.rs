//! TLS to servers: whom to trust, what to present, what to offer.
//!
//! Must not know connections.

mod der;
mod identity;
mod material;
mod names;
mod verify;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use self::identity::Identities;
use self::material::Files;
use self::verify::{Trust, Verifier};
use super::SystemRoots;
use crate::model::ServersTransport;

/// The runtime form of a transport's TLS options.
#[derive(Debug)]
pub(super) struct Tls {
    /// Offers HTTP/2 before HTTP/1.1.
    pub(super) http2: Arc<ClientConfig>,
    /// Offers nothing, which means HTTP/1.1, as Traefik does with `disableHTTP2` and for upgrades.
    pub(super) http1: Arc<ClientConfig>,
    /// The name asked for and verified instead of the URL's host.
    pub(super) server_name: Option<ServerName<'static>>,
    files: Files,
}

/// Why a transport's TLS options are refused. Options are named as below the transport.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{option}: {path:?} cannot be read: {cause}")]
    Read {
        /// The option.
        option: String,
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// There is no certificate where one should be.
    #[error("{option}: there is no certificate in PEM form")]
    NoCertificate {
        /// The option.
        option: String,
    },
    /// A root cannot be used.
    #[error("{option}: a certificate cannot be used as a root: {cause}")]
    Root {
        /// The option.
        option: String,
        /// rustls's words.
        cause: rustls::Error,
    },
    /// There is no private key where one should be.
    #[error("{option}: there is no private key in PEM form")]
    NoKey {
        /// The option.
        option: String,
    },
    /// A private key cannot be used or does not belong to its certificate.
    #[error("{option}: the key cannot be used with its certificate: {cause}")]
    Key {
        /// The option.
        option: String,
        /// rustls's words.
        cause: rustls::Error,
    },
    /// A version that is unknown, or too old to be supported.
    #[error("{option}: {name:?} is not supported; known are {known}")]
    Version {
        /// The option.
        option: &'static str,
        /// As written.
        name: String,
        /// Those that are.
        known: String,
    },
    /// The newest version allowed is older than the oldest.
    #[error("maxVersion: it is older than minVersion")]
    NoVersion,
    /// A cipher suite that is unknown, or too weak to be supported.
    #[error("cipherSuites[{option}]: {name:?} is not supported")]
    CipherSuite {
        /// Its place in the list.
        option: usize,
        /// As written.
        name: String,
    },
    /// The server's name cannot be one.
    #[error("serverName: {name:?} is no name of a server")]
    ServerName {
        /// As written.
        name: String,
    },
    /// rustls refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(#[from] rustls::Error),
}

impl Tls {
    /// Reads the options and the files they name.
    pub(super) fn build(options: &ServersTransport) -> Result<Self, TlsError> {
        Self::build_trusting(options, SystemRoots::Replaced)
    }

    /// The same, with the system's roots beside those of the options, if so said.
    pub(super) fn build_trusting(
        options: &ServersTransport,
        system: SystemRoots,
    ) -> Result<Self, TlsError> {
        let mut files = Files::default();
        let mut provider = rustls::crypto::ring::default_provider();
        names::choose(&mut provider, &options.cipher_suites)?;
        let versions = names::versions(&options.min_version, &options.max_version)?;
        let verifier = verifier(options, system, &mut files, &provider)?;
        let identities = Identities::read(&options.certificates, &mut files, &provider)?;
        let mut http1 = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(identities));
        http1.resumption = rustls::client::Resumption::in_memory_sessions(SESSIONS_MAX);
        let mut http2 = http1.clone();
        http2.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        let server_name = match options.server_name.as_str() {
            "" => None,
            name => Some(server_name(name).ok_or_else(|| {
                let name = name.to_owned();
                TlsError::ServerName { name }
            })?),
        };
        Ok(Self { http2: Arc::new(http2), http1: Arc::new(http1), server_name, files })
    }

    /// Whether the files that were read still hold the same.
    pub(super) fn is_current(&self) -> bool {
        self.files.are_unchanged()
    }
}

/// HTTP/2's name in a handshake (RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";
/// Sessions kept for resumption, over all servers of a transport.
const SESSIONS_MAX: usize = 1024;

/// A name or an address, without brackets, as TLS knows it.
pub(super) fn server_name(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).ok()
}

fn verifier(
    options: &ServersTransport,
    system: SystemRoots,
    files: &mut Files,
    provider: &rustls::crypto::CryptoProvider,
) -> Result<Verifier, TlsError> {
    let trust = if options.insecure_skip_verify { Trust::Anybody } else { Trust::Verified };
    let uri = (!options.peer_cert_uri.is_empty()).then(|| options.peer_cert_uri.clone());
    let mut pinned = Vec::new();
    let mut roots = match system {
        SystemRoots::Trusted => RootCertStore::clone(&material::system_roots()),
        SystemRoots::Replaced => RootCertStore::empty(),
    };
    for (i, root) in options.root_cas.iter().enumerate() {
        let option = format!("rootCAs[{i}]");
        for certificate in material::certificates(&option, &files.read(&option, root)?)? {
            let added = roots.add(certificate.clone());
            added.map_err(|cause| TlsError::Root { option: option.clone(), cause })?;
            pinned.push(certificate);
        }
    }
    let roots = match (options.root_cas.is_empty(), trust, &uri) {
        (true, Trust::Verified, _) | (true, _, Some(_)) => material::system_roots(),
        _ => Arc::new(roots),
    };
    let algorithms = provider.signature_verification_algorithms;
    Ok(Verifier { trust, roots, pinned, uri, algorithms })
}

//! Which servers are trusted.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::der::Fields;

/// Judges servers' certificates as the transport says.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) roots: Arc<RootCertStore>,
    /// The configured roots themselves: a server may present one of them as its own certificate.
    pub(super) pinned: Vec<CertificateDer<'static>>,
    /// A URI that the certificate must hold.
    pub(super) uri: Option<String>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// Whom the transport trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Servers whose certificate leads to a root and holds their name.
    Verified,
    /// Anybody (`insecureSkipVerify`).
    Anybody,
}

impl Verifier {
    /// Whether a root vouches for the certificate.
    fn chain(
        &self,
        parsed: &ParsedCertificate<'_>,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.pinned.iter().any(|pinned| pinned == certificate) {
            let fields = Fields::read(certificate);
            let valid = fields.is_some_and(|fields| fields.is_valid_at(now.as_secs()));
            return if valid { Ok(()) } else { Err(CertificateError::Expired.into()) };
        }
        verify_server_cert_signed_by_trust_anchor(
            parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )
    }

    /// Whether the certificate holds the URI that is asked for.
    fn holds_uri(&self, certificate: &[u8]) -> Result<(), Error> {
        let Some(uri) = &self.uri else {
            return Ok(());
        };
        let fields = Fields::read(certificate);
        let holds = fields.is_some_and(|fields| fields.uris().any(|held| held == uri.as_bytes()));
        let missing = || Error::General(format!("its certificate does not hold the URI {uri:?}"));
        if holds { Ok(()) } else { Err(missing()) }
    }
}

impl ServerCertVerifier for Verifier {
    /// Traefik checks a certificate that must hold a URI against the roots even where it trusts
    /// anybody, but not its name.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.trust == Trust::Verified || self.uri.is_some() {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            self.chain(&parsed, end_entity, intermediates, now)?;
            if self.trust == Trust::Verified {
                verify_server_name(&parsed, server_name)?;
            }
        }
        self.holds_uri(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    /// Where anybody is trusted a signature proves nothing, and certificates too old to be read
    /// (X.509 version 1) would fail here.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.trust == Trust::Anybody && self.uri.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.trust == Trust::Anybody && self.uri.is_none() {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

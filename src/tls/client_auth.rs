//! Certificates of clients: whether they are asked for, and which are taken.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};

use super::OptionsError;
use super::load::{content, name};
use crate::model::ClientAuth;
use crate::value::Certificate;

/// Who judges clients under these options.
pub(super) fn verifier(
    options: &ClientAuth,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, OptionsError> {
    let authorities = authorities(&options.ca_files)?;
    let kind = match options.client_auth_type.as_str() {
        "" if authorities.is_empty() => "NoClientCert",
        "" => "RequireAndVerifyClientCert",
        given => given,
    };
    let (presence, trust) = match kind {
        "NoClientCert" => return Ok(WebPkiClientVerifier::no_client_auth()),
        "RequestClientCert" => (Presence::Optional, Trust::Anybody),
        "RequireAnyClientCert" => (Presence::Required, Trust::Anybody),
        "VerifyClientCertIfGiven" => (Presence::Optional, Trust::Verified),
        "RequireAndVerifyClientCert" => (Presence::Required, Trust::Verified),
        _ => return Err(OptionsError::ClientAuthType { name: kind.to_owned() }),
    };
    let algorithms = provider.signature_verification_algorithms;
    if authorities.is_empty() {
        if trust == Trust::Verified {
            return Err(OptionsError::NoAuthorities { kind: kind.to_owned() });
        }
        let hints = Vec::new();
        return Ok(Arc::new(Verifier { presence, chains: None, authorities, hints, algorithms }));
    }
    let mut roots = RootCertStore::empty();
    for authority in &authorities {
        roots.add(authority.clone())?;
    }
    let hints = roots.subjects();
    let provider = Arc::clone(provider);
    let chains = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let chains = (trust == Trust::Verified).then_some(chains).transpose()?;
    Ok(Arc::new(Verifier { presence, chains, authorities, hints, algorithms }))
}

/// All certificates of the files.
fn authorities(files: &[String]) -> Result<Vec<CertificateDer<'static>>, OptionsError> {
    let mut all = Vec::new();
    for file in files {
        let pem = content("caFiles", file)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => all.extend(certificates),
            _ => return Err(OptionsError::NoAuthority { name: name(file) }),
        }
    }
    Ok(all)
}

/// Whether a client may come without a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Optional,
    Required,
}

/// Whether an authority must vouch for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Anybody,
    Verified,
}

#[derive(Debug)]
struct Verifier {
    presence: Presence,
    /// Judges chains; none where any certificate is taken.
    chains: Option<Arc<dyn ClientCertVerifier>>,
    authorities: Vec<CertificateDer<'static>>,
    /// The authorities' names, which clients choose a certificate by.
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.presence == Presence::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Some(chains) = &self.chains else {
            return Ok(ClientCertVerified::assertion());
        };
        // A client may present an authority's own certificate, which Go takes and rustls does not.
        if self.authorities.iter().any(|authority| authority == end_entity) {
            let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            let facts = Certificate::read(end_entity);
            let is_valid = facts.is_some_and(|f| f.not_before <= now && now <= f.not_after);
            let expired = || rustls::CertificateError::Expired.into();
            return if is_valid { Ok(ClientCertVerified::assertion()) } else { Err(expired()) };
        }
        chains.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

//! Client certificates, for servers that ask for one.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::der::Fields;
use super::material::{self, Files};
use super::{TlsError, material::certificates};
use crate::model::Certificate;

/// The certificates a transport may present.
#[derive(Debug)]
pub(super) struct Identities(Vec<Arc<CertifiedKey>>);

impl Identities {
    pub(super) fn read(
        configured: &[Certificate],
        files: &mut Files,
        provider: &CryptoProvider,
    ) -> Result<Self, TlsError> {
        let mut identities = Vec::with_capacity(configured.len());
        for (i, certificate) in configured.iter().enumerate() {
            let option = format!("certificates[{i}].certFile");
            let chain = certificates(&option, &files.read(&option, &certificate.cert_file)?)?;
            let option = format!("certificates[{i}].keyFile");
            let key = material::key(&option, &files.read(&option, &certificate.key_file)?)?;
            let identity = CertifiedKey::from_der(chain, key, provider)
                .map_err(|cause| TlsError::Key { option, cause })?;
            identities.push(Arc::new(identity));
        }
        Ok(Self(identities))
    }
}

impl ResolvesClientCert for Identities {
    /// The first that the server can check and that an authority it names has signed, as Go
    /// chooses; none where no one does.
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let is_signed_by_one = |identity: &CertifiedKey| {
            root_hint_subjects.is_empty()
                || identity.cert.iter().any(|certificate| {
                    Fields::read(certificate)
                        .is_some_and(|fields| root_hint_subjects.contains(&fields.issuer))
                })
        };
        let suits = |identity: &&Arc<CertifiedKey>| {
            identity.key.choose_scheme(sigschemes).is_some() && is_signed_by_one(identity)
        };
        self.0.iter().find(suits).cloned()
    }

    fn has_certs(&self) -> bool {
        !self.0.is_empty()
    }
}

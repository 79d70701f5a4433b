//! Why certificates and TLS options cannot be used. No key is ever shown.

use std::io;

/// Why TLS options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// No version is called so.
    #[error("{option}: {name:?} is no version; known are VersionTLS12 and VersionTLS13")]
    Version {
        /// `minVersion` or `maxVersion`.
        option: &'static str,
        /// As written.
        name: String,
    },
    /// The newest version that is asked for is too old.
    #[error("maxVersion: {name} is not spoken; the oldest is VersionTLS12")]
    OldVersion {
        /// As written.
        name: String,
    },
    /// The newest version that is asked for is older than the oldest one.
    #[error("maxVersion: it is older than minVersion")]
    NoVersion,
    /// No cipher suite is called so.
    #[error("cipherSuites: {name:?} is no cipher suite")]
    Suite {
        /// As written.
        name: String,
    },
    /// All cipher suites that are asked for are too weak.
    #[error("cipherSuites: none of them is spoken")]
    NoSuite,
    /// No key exchange group is called so.
    #[error("curvePreferences: {name:?} is no key exchange group")]
    Group {
        /// As written.
        name: String,
    },
    /// All key exchange groups that are asked for are unknown to our cryptography.
    #[error("curvePreferences: none of them is spoken")]
    NoGroup,
    /// No way of client authentication is called so.
    #[error("clientAuth.clientAuthType: {name:?} is unknown")]
    ClientAuthType {
        /// As written.
        name: String,
    },
    /// Clients' certificates are to be verified, and there is nobody to vouch for them.
    #[error("clientAuth.clientAuthType: {kind} needs caFiles")]
    NoAuthorities {
        /// As written.
        kind: String,
    },
    /// A file of authorities cannot be read.
    #[error("clientAuth.{0}")]
    Authorities(#[from] CertificateError),
    /// There is no certificate in the PEM text.
    #[error("clientAuth.caFiles: {name} holds no PEM certificate")]
    NoAuthority {
        /// The file.
        name: String,
    },
    /// The authorities cannot judge clients.
    #[error("clientAuth.caFiles: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// rustls refuses the settings.
    #[error("{0}")]
    Settings(#[from] rustls::Error),
}

/// Why the default certificate cannot be generated.
#[derive(Debug, thiserror::Error)]
pub(super) enum GenerateError {
    /// There is no key or no certificate.
    #[error("the default certificate cannot be generated: {0}")]
    Generate(#[from] rcgen::Error),
    /// It cannot be used.
    #[error("the generated default certificate: {0}")]
    Generated(#[from] CertificateError),
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// An option is missing.
    #[error("{option} is empty")]
    Empty {
        /// `certFile`, `keyFile` or `caFiles`.
        option: &'static str,
    },
    /// A file cannot be read.
    #[error("{option}: {name} cannot be read: {error}")]
    Read {
        /// `certFile`, `keyFile` or `caFiles`.
        option: &'static str,
        /// The file, unless its name looks like a key.
        name: String,
        /// Why.
        error: io::Error,
    },
    /// There is no certificate in the PEM text.
    #[error("certFile: {name} holds no PEM certificate")]
    NoCertificate {
        /// The file.
        name: String,
    },
    /// There is no private key in the PEM text.
    #[error("keyFile: {name} holds no PEM private key")]
    NoKey {
        /// The file.
        name: String,
    },
    /// The private key is encrypted.
    #[error("keyFile: {name} is encrypted, which is not supported")]
    Encrypted {
        /// The file.
        name: String,
    },
    /// The certificate cannot be understood.
    #[error("certFile: {name} is no X.509 certificate")]
    Malformed {
        /// The file.
        name: String,
    },
    /// The key's kind is not supported, or the key is broken.
    #[error("keyFile: {name}: {error}")]
    Key {
        /// The file.
        name: String,
        /// The reason.
        error: rustls::Error,
    },
    /// The key is another certificate's.
    #[error("the key of {key} does not belong to the certificate of {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
    },
}

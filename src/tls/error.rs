//! Why a certificate cannot be used, and why TLS cannot be set up. No key is ever shown.

use std::io;

/// Why TLS cannot be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// rustls refuses the settings.
    #[error("TLS cannot be set up: {0}")]
    Settings(#[from] rustls::Error),
    /// The default certificate cannot be generated.
    #[error("the default certificate cannot be generated: {0}")]
    Generate(#[from] rcgen::Error),
    /// The generated default certificate cannot be used.
    #[error("the generated default certificate: {0}")]
    Generated(#[from] CertificateError),
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// An option is missing.
    #[error("{option} is empty")]
    Empty {
        /// `certFile` or `keyFile`.
        option: &'static str,
    },
    /// A file cannot be read.
    #[error("{option}: {name} cannot be read: {error}")]
    Read {
        /// `certFile` or `keyFile`.
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

//! One certificate with its key, from files or from PEM text; how such sources are read.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::CertificateError;
use crate::model::Certificate;
use crate::value::Certificate as Facts;

/// A certificate that can be used.
pub(super) struct Loaded {
    /// As configured.
    pub(super) config: Arc<Certificate>,
    /// What its files were just before they were read.
    pub(super) stamps: Stamps,
    /// The names it is chosen by, in lower case.
    pub(super) names: Vec<String>,
    /// The chain and the key.
    pub(super) key: Arc<CertifiedKey>,
    /// The same with the newest word of the authority, if there is one.
    pub(super) stapled: ArcSwapOption<CertifiedKey>,
}

impl Loaded {
    /// What clients are shown now.
    pub(super) fn shown(&self) -> Arc<CertifiedKey> {
        self.stapled.load_full().unwrap_or_else(|| Arc::clone(&self.key))
    }
}

/// What changes when a file changes, for the certificate and for its key; PEM text has none.
pub(super) type Stamps = [Option<Stamp>; 2];

/// Device, file, bytes, and the time of the last change.
pub(super) type Stamp = (u64, u64, u64, i64, i64);

/// A file longer than this holds neither certificate nor key.
const PEM_BYTES_MAX: u64 = 1024 * 1024;
/// What PEM text is told from a path by.
const PEM_BEGIN: &str = "-----BEGIN";

/// What the files are now.
pub(super) fn stamps(config: &Certificate) -> Stamps {
    [&config.cert_file, &config.key_file].map(|source| stamp(source))
}

/// What the file is now; nothing for PEM text.
pub(super) fn stamp(source: &str) -> Option<Stamp> {
    let metadata = if is_text(source) { None } else { fs::metadata(source).ok() };
    metadata.map(|m| (m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec()))
}

/// Reads a certificate and its key.
pub(super) fn load(config: &Arc<Certificate>) -> Result<Loaded, CertificateError> {
    let stamps = stamps(config);
    let certificate = content("certFile", &config.cert_file)?;
    let private = content("keyFile", &config.key_file)?;
    let (key, names) =
        join(&certificate, &private, || name(&config.cert_file), || name(&config.key_file))?;
    let (key, stapled) = (Arc::new(key), ArcSwapOption::empty());
    Ok(Loaded { config: Arc::clone(config), stamps, names, key, stapled })
}

/// A chain with its key, and the names of its first certificate.
pub(super) fn join(
    certificate: &[u8],
    private: &[u8],
    certificate_name: impl Fn() -> String,
    key_name: impl Fn() -> String,
) -> Result<(CertifiedKey, Vec<String>), CertificateError> {
    let none = |_| CertificateError::NoCertificate { name: certificate_name() };
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(none)?;
    let Some(first) = chain.first() else {
        return Err(CertificateError::NoCertificate { name: certificate_name() });
    };
    let malformed = || CertificateError::Malformed { name: certificate_name() };
    let facts = Facts::read(first).ok_or_else(malformed)?;
    // The reader's own errors may hold lines of the file, so none is handed on.
    let key = PrivateKeyDer::from_pem_slice(private).map_err(|_| {
        let is_encrypted = private.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED);
        let name = key_name();
        if is_encrypted {
            CertificateError::Encrypted { name }
        } else {
            CertificateError::NoKey { name }
        }
    })?;
    let key = any_supported_type(&key)
        .map_err(|error| CertificateError::Key { name: key_name(), error })?;
    // Compared here and not by rustls, which refuses certificates of version 1.
    if key.public_key().is_some_and(|public| *public != *facts.public_key) {
        let (certificate, key) = (certificate_name(), key_name());
        return Err(CertificateError::Mismatch { certificate, key });
    }
    let names = facts.names;
    Ok((CertifiedKey::new(chain, key), names))
}

const ENCRYPTED: &[u8] = b"ENCRYPTED";

fn is_text(source: &str) -> bool {
    source.contains(PEM_BEGIN)
}

/// What a source holds, a path or PEM text.
pub(super) fn content(option: &'static str, source: &str) -> Result<Vec<u8>, CertificateError> {
    if source.is_empty() {
        return Err(CertificateError::Empty { option });
    }
    if is_text(source) {
        return Ok(source.as_bytes().to_vec());
    }
    file(source).map_err(|error| CertificateError::Read { option, name: name(source), error })
}

fn file(path: &str) -> io::Result<Vec<u8>> {
    // A pipe would hold up the reader.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(PEM_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PEM_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// How a source is called in messages: by its path, unless it may be a key without its PEM frame.
pub(super) fn name(source: &str) -> String {
    // DER in base64 begins with an M, whatever it holds.
    let is_bare = source.len() >= 40 && source.starts_with('M') && !source.contains('.');
    if is_text(source) || is_bare || source.contains('\n') {
        "the text given inline".to_owned()
    } else {
        source.to_owned()
    }
}

//! Certificates and keys from files or from text, and the system's roots.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// Files that were read, with digests of what they held.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<(PathBuf, Digest)>);

type Digest = [u8; 32];

/// A file of certificates is at most this long; the largest bundles have some 250 KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Files {
    /// Reads an option that holds a path or PEM text.
    pub(super) fn read(&mut self, option: &str, value: &str) -> Result<Vec<u8>, TlsError> {
        if value.contains("-----BEGIN") {
            return Ok(value.as_bytes().to_vec());
        }
        let (option, path) = (option.to_owned(), PathBuf::from(value));
        match read(&path) {
            Err(cause) => Err(TlsError::Read { option, path, cause }),
            Ok(bytes) => {
                self.0.push((path, digest(&bytes)));
                Ok(bytes)
            }
        }
    }

    /// Whether all files still hold what they held.
    pub(super) fn are_unchanged(&self) -> bool {
        self.0.iter().all(|(path, before)| read(path).is_ok_and(|bytes| digest(&bytes) == *before))
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let length = std::fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    std::fs::read(path)
}

fn digest(bytes: &[u8]) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().try_into().unwrap_or_default()
}

/// The certificates of a PEM text, at least one.
pub(super) fn certificates(
    option: &str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TlsError::NoCertificate { option: option.to_owned() }),
    }
}

/// The first private key of a PEM text.
pub(super) fn key(option: &str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::NoKey { option: option.to_owned() })
}

/// Where systems keep the roots they trust, in the order Go looks; the first that exists counts.
const ROOT_FILES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];
const ROOT_FOLDERS: &[&str] = &["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The roots the system trusts, read once. `SSL_CERT_FILE` and `SSL_CERT_DIR` name other places,
/// as for Go's programs. Broken certificates are left out; without any, no server is trusted.
pub(super) fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
        let named_file = std::env::var("SSL_CERT_FILE").ok().filter(|file| !file.is_empty());
        let named_folders = std::env::var("SSL_CERT_DIR").ok().filter(|list| !list.is_empty());
        let mut roots = RootCertStore::empty();
        let first = match &named_file {
            Some(file) => read(Path::new(file)).ok(),
            None => ROOT_FILES.iter().find_map(|file| read(Path::new(file)).ok()),
        };
        let found = first.is_some();
        add(&mut roots, &first.unwrap_or_default());
        match &named_folders {
            Some(folders) => folders.split(':').for_each(|folder| add_folder(&mut roots, folder)),
            None if !found => ROOT_FOLDERS.iter().for_each(|folder| add_folder(&mut roots, folder)),
            None => {}
        }
        Arc::new(roots)
    });
    Arc::clone(&ROOTS)
}

fn add_folder(roots: &mut RootCertStore, folder: &str) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        add(roots, &read(&entry.path()).unwrap_or_default());
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8]) {
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
}

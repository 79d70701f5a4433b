//! The `tls` section: certificates, options, stores.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Elements, TlsDomain};

/// The `tls` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    /// Certificates, found by the names they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Arc<Certificate>>,
    /// Options by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: Elements<TlsOptions>,
    /// Whether several providers give the options `default`; then those of none are used.
    #[serde(skip)]
    pub is_default_disputed: bool,
    /// Stores by name; only `default` counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stores: BTreeMap<String, Value>,
}

/// The default certificate as one that a resolver has (`defaultGeneratedCert` of a store).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GeneratedDefault {
    /// The certificate resolver's name.
    pub resolver: String,
    /// The names of the certificate.
    pub domain: TlsDomain,
}

/// What is asked of clients in the handshake, and offered to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsOptions {
    /// `VersionTLS12` or `VersionTLS13`; older ones are never spoken.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_version: String,
    /// `VersionTLS12` or `VersionTLS13`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_version: String,
    /// Cipher suites of TLS 1.2 by Go's names; none means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<String>,
    /// Key exchange groups by Go's names; none means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curve_preferences: Vec<String>,
    /// Certificates of clients.
    pub client_auth: ClientAuth,
    /// Whether clients without a certificate for the name they ask for are refused.
    pub sni_strict: bool,
    /// What is offered by ALPN, the preferred first.
    pub alpn_protocols: Vec<String>,
    /// Whether sessions are never resumed.
    pub disable_session_tickets: bool,
    /// Deprecated, and without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefer_server_cipher_suites: Option<bool>,
    /// A script, by name or path, whose hook `tls` looks at handshakes; none where empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lua: String,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            min_version: String::new(),
            max_version: String::new(),
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            client_auth: ClientAuth::default(),
            sni_strict: false,
            alpn_protocols: ["h2", "http/1.1"].map(str::to_owned).to_vec(),
            disable_session_tickets: false,
            prefer_server_cipher_suites: None,
            lua: String::new(),
        }
    }
}

/// Certificates of clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientAuth {
    /// Authorities that vouch for clients: paths or PEM text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ca_files: Vec<String>,
    /// `NoClientCert`, `RequestClientCert`, `RequireAnyClientCert`, `VerifyClientCertIfGiven` or
    /// `RequireAndVerifyClientCert`; the last where only authorities are given.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_auth_type: String,
}

/// A certificate with its key.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Certificate {
    /// A path, or PEM text.
    pub cert_file: String,
    /// A path, or PEM text.
    pub key_file: String,
    /// Stores; only `default` counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stores: Vec<String>,
}

/// Shows no key, which either text may hold.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

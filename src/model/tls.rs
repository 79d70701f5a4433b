//! The `tls` section: certificates, options, stores.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The `tls` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tls {
    /// Certificates, found by the names they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<Arc<Certificate>>,
    /// Options by name; kept as they came until they are supported.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, Value>,
    /// Stores by name; only `default` counts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stores: BTreeMap<String, Value>,
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

//! `tlsClient`: how a TLS client proves itself and checks the server.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::SchemaError;
use super::super::declaration::Declaration;
use super::super::fields::Fields;
use super::{Entry, Kind, Object};

pub(super) const ENTRY: Entry = Entry {
    name: "tlsClient",
    doc: "A section with `ca`, `cert`, `key` (each a path or the PEM text) and \
          `insecureSkipVerify`; in Kubernetes objects `caSecret` and `certSecret` name Secrets.",
    example: r#"{"type": "tlsClient"}"#,
    build,
};

fn secret(name: &str, keys: &[&str], doc: &str) -> Value {
    json!({"name": name, "type": "secret", "keys": keys, "doc": doc})
}

/// Traefik's `ClientTLS`, and the Secrets that its custom resources name instead.
fn build(own: &mut Declaration<'_>) -> Result<Arc<dyn Kind>, SchemaError> {
    let authorities = "The Secret with the authorities the server's certificate must come from.";
    let pair = "The Secret with the client's certificate and private key.";
    let declared = json!({
        "standalone": false,
        "ca": {
            "type": "file",
            "pem": true,
            "doc": "The authorities the server's certificate must come from: a path or PEM text.",
            "crd": secret("caSecret", &["tls.ca", "ca.crt"], authorities),
        },
        "cert": {
            "type": "file",
            "pem": true,
            "doc": "The client's certificate: a path or PEM text.",
            "crd": secret("certSecret", &["tls.crt"], pair),
        },
        "key": {
            "type": "file",
            "pem": true,
            "doc": "The client's private key: a path or PEM text.",
            "crd": secret("certSecret", &["tls.key"], pair),
        },
        "insecureSkipVerify": {
            "type": "boolean",
            "default": false,
            "doc": "Whether the server's certificate is taken unchecked.",
        },
        "caOptional": {
            "type": "boolean",
            "deprecated": "it has no effect on a TLS client",
            "doc": "Without effect.",
        },
    });
    Ok(Arc::new(Object { fields: Fields::parse(&declared, own)? }))
}

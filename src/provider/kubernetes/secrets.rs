//! What Secrets and `ConfigMap`s hold: certificates, authorities, users.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest;

use super::error::ObjectError;
use super::names::Id;
use super::objects::Secret;
use super::view::View;
use crate::model::Certificate;

/// Keys of authorities, the first that is there counts.
pub(super) const AUTHORITIES: &[&str] = &["tls.ca", "ca.crt"];

/// The certificate and the private key of a Secret, of whatever type.
///
/// # Errors
/// When the Secret is not there or lacks one of both.
pub(super) fn certificate(view: &View, id: &Id) -> Result<Arc<Certificate>, ObjectError> {
    let cert_file = value(view, id, &["tls.crt"])?;
    let key_file = value(view, id, &["tls.key"])?;
    Ok(Arc::new(Certificate { cert_file, key_file, stores: Vec::new() }))
}

/// The text under the first of the keys that the Secret has.
///
/// Of users Traefik asks that they be the one key there is, whatever its name, or the name and
/// the password of a Secret of the type for both.
///
/// # Errors
/// When the Secret is not there or has none of the keys.
pub(super) fn value(view: &View, id: &Id, keys: &[&str]) -> Result<String, ObjectError> {
    let secret = view.secret(id)?;
    if let Some(key) = keys.iter().find(|key| secret.data.contains_key(**key)) {
        return text(secret, id, key);
    }
    if keys == ["users"] {
        if secret.kind == BASIC_AUTH {
            return user(secret, id);
        }
        if let (Some(only), 1) = (secret.data.keys().next(), secret.data.len()) {
            return text(secret, id, only);
        }
    }
    Err(ObjectError::Key { name: id.to_string(), keys: keys.join(" or ") })
}

/// The type of Secrets that hold one user.
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";

/// A line of the user and the password that the Secret holds, hashed as Traefik hashes it.
fn user(secret: &Secret, id: &Id) -> Result<String, ObjectError> {
    let (name, password) = (text(secret, id, "username")?, text(secret, id, "password")?);
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    Ok(format!("{name}:{{SHA}}{}", BASE64_STANDARD.encode(hash)))
}

fn text(secret: &Secret, id: &Id, key: &str) -> Result<String, ObjectError> {
    let bytes = secret.data.get(key).filter(|bytes| !bytes.is_empty());
    let (name, key) = (id.to_string(), key.to_owned());
    let Some(bytes) = bytes else {
        return Err(ObjectError::Key { name, keys: key });
    };
    String::from_utf8(bytes.clone()).map_err(|_| ObjectError::Encoding { name, key })
}

/// Authorities from a `ConfigMap`.
///
/// # Errors
/// When the `ConfigMap` is not there or has none.
pub(super) fn authorities_of_map(view: &View, id: &Id) -> Result<String, ObjectError> {
    let map = view.config_map(id)?;
    let found = AUTHORITIES.iter().find_map(|key| map.data.get(*key));
    found.cloned().ok_or_else(|| ObjectError::ConfigMapKey {
        name: id.to_string(),
        key: AUTHORITIES.join(" or "),
    })
}

/// The type Secret never shows what it holds.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<&String> = self.data.keys().collect();
        f.debug_struct("Secret").field("kind", &self.kind).field("keys", &keys).finish()
    }
}

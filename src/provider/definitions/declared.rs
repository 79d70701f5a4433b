//! The kinds as they are declared in `kinds.yaml`.
//!
//! Must not know how they are printed.

use serde::Deserialize;
use serde_json::Value;

use super::DefinitionError;

/// A kind of custom resource.
#[derive(Debug, Deserialize)]
pub(super) struct Declared {
    /// Such as `IngressRoute`.
    pub(super) kind: String,
    /// As it stands in URLs.
    pub(super) plural: String,
    /// One sentence.
    pub(super) doc: String,
    /// What `kubectl get -o wide` shows beside the name and the age.
    pub(super) columns: Vec<Value>,
    /// Which scripts its options are of, beside its own.
    pub(super) scripts: Option<Scripts>,
    /// Its own options.
    pub(super) spec: Value,
}

/// Scripts by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scripts {
    /// Middlewares of HTTP.
    Http,
    /// Middlewares of TCP.
    Tcp,
}

/// Parts within parts are this deep.
const PARTS_DEEP_MAX: usize = 4;

/// All kinds, in the order of the declarations.
pub(super) fn declared() -> Result<Vec<Declared>, DefinitionError> {
    #[derive(Deserialize)]
    struct File {
        kinds: Vec<Declared>,
    }
    let mut text: serde_yaml::Value = serde_yaml::from_str(include_str!("kinds.yaml"))?;
    // A part may be made of parts, which one pass leaves as they are.
    for _ in 0..PARTS_DEEP_MAX {
        text.apply_merge()?;
    }
    Ok(serde_yaml::from_value::<File>(text)?.kinds)
}

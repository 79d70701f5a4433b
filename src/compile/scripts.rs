//! Scripts that are named outside of middlewares: in rules, in services, on entrypoints.

use std::sync::Arc;

use super::{Catalog, Script, Scripts};
use crate::lua::{InstanceId, InstanceSpec, Limits, OnError, ScriptInfo};
use crate::schema::Source;

/// What a script is for; the same script is another instance for another use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// A page of an entrypoint.
    Page,
    /// A condition of rules.
    Matcher,
    /// The choice of a server.
    Balance,
}

/// Whether a name stands for a file, rather than for a script of `scripts.directory`.
#[must_use]
pub fn is_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".lua")
}

/// A script by its name or path.
pub(super) fn named<'a>(
    name: &str,
    scripts: &'a Scripts,
) -> Result<(&'a Script, &'a Arc<ScriptInfo>), String> {
    let found = if is_path(name) { scripts.file(name) } else { scripts.kind(name) };
    let script = found.ok_or_else(|| format!("there is no script {name:?}"))?;
    let info = script.info.as_ref().map_err(Clone::clone)?;
    // Nothing gives options here, so the script must do without.
    let without = serde_json::Value::Object(serde_json::Map::new());
    match info.schema.decode(&without, Source::File) {
        Ok(_) => Ok((script, info)),
        Err(_) => Err(format!("{name}: it needs options, which cannot be given here")),
    }
}

/// A script that must have a hook, as an instance for one use.
pub(super) fn with_hook(
    name: &str,
    usage: Usage,
    hook: &str,
    catalog: &Catalog,
) -> Result<Arc<InstanceSpec>, String> {
    let (script, info) = named(name, &catalog.scripts)?;
    if !info.hooks.iter().any(|has| has == hook) {
        return Err(format!("{name}: it has no hook `{hook}`"));
    }
    Ok(Arc::new(single(name, usage, script, OnError::Skip)))
}

/// An instance of a script with the defaults of its options.
pub(super) fn single(name: &str, usage: Usage, script: &Script, on_error: OnError) -> InstanceSpec {
    let without = serde_json::Value::Object(serde_json::Map::new());
    let decoded = script.info.as_ref().ok().map(|info| info.schema.decode(&without, Source::File));
    let options = decoded.and_then(Result::ok).map_or(without, |decoded| decoded.options);
    let identity = format!("{usage:?}\u{0}{name}\u{0}{}", script.source.text);
    let digest = ring::digest::digest(&ring::digest::SHA256, identity.as_bytes());
    let head = digest.as_ref().iter().take(8);
    let id = head.fold(0u64, |id, &byte| (id << 8) | u64::from(byte));
    InstanceSpec {
        id: InstanceId(id),
        name: name.into(),
        source: Arc::clone(&script.source),
        options: Arc::new(options),
        limits: Limits::default(),
        on_error,
    }
}

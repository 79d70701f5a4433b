//! Scripts that are named outside of middlewares: in rules, in services, on entrypoints.

use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Catalog, Script, Scripts};
use crate::lua::{InstanceId, InstanceSpec, Limits, OnError, ScriptInfo};
use crate::schema::Source;

/// Scripts of rules and services: one instance for each name, kept while its text stays.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Those of the generation that is being compiled.
    now: HashMap<Arc<str>, Arc<InstanceSpec>>,
    /// Those that are served: what a name falls back to when its new script is bad.
    good: HashMap<Arc<str>, Arc<InstanceSpec>>,
    /// Instances that could not be loaded, with the reason.
    pub(super) failed: HashMap<InstanceId, String>,
}

impl Named {
    /// A new generation begins.
    pub(super) fn begin(&mut self) {
        self.now.clear();
    }

    /// What was compiled last is served.
    pub(super) fn confirm(&mut self) {
        self.good.clone_from(&self.now);
    }

    /// Those of this generation.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<InstanceSpec>)> {
        self.now.iter()
    }

    /// Takes up a script that must have a hook; a warning where its last good version stays.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) fn take(
        &mut self,
        name: &str,
        hook: &str,
        catalog: &Catalog,
    ) -> Result<Option<String>, String> {
        let error = match self.spec(name, hook, catalog) {
            Ok(spec) => match self.failed.get(&spec.id) {
                None => {
                    self.now.insert(name.into(), spec);
                    return Ok(None);
                }
                Some(error) => error.clone(),
            },
            Err(error) => error,
        };
        let good = self.good.get(name).filter(|good| !self.failed.contains_key(&good.id));
        let Some(good) = good.cloned() else { return Err(error) };
        self.now.insert(name.into(), good);
        Ok(Some(format!("{error}; the last good version of the script stays in force")))
    }

    fn spec(&self, name: &str, hook: &str, catalog: &Catalog) -> Result<Arc<InstanceSpec>, String> {
        let (script, info) = named(name, &catalog.scripts)?;
        if !info.hooks.iter().any(|has| has == hook) {
            return Err(format!("{name}: it has no hook `{hook}`"));
        }
        let same = [&self.now, &self.good].into_iter().find_map(|specs| specs.get(name));
        if let Some(same) = same.filter(|same| Arc::ptr_eq(&same.source, &script.source)) {
            return Ok(Arc::clone(same));
        }
        Ok(Arc::new(single(name, script, OnError::Skip)))
    }
}

/// Whether a name stands for a file, rather than for a script of `scripts.directory`.
#[must_use]
pub fn is_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some_and(|end| end == "lua")
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

/// An instance of a script with the defaults of its options.
pub(super) fn single(name: &str, script: &Script, on_error: OnError) -> InstanceSpec {
    let without = serde_json::Value::Object(serde_json::Map::new());
    let decoded = script.info.as_ref().ok().map(|info| info.schema.decode(&without, Source::File));
    let options = decoded.and_then(Result::ok).map_or(without, |decoded| decoded.options);
    let identity = format!("named\u{0}{name}\u{0}{}", script.source.text);
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

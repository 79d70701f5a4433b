//! The scripts of providers, by their codes.
//!
//! Must not know any provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DnsError;
use crate::lua::{ScriptInfo, ScriptSource, Task, dns_builtins, inspect};
use crate::value::nearest;

/// A script longer than this is none.
const SCRIPT_BYTES_MAX: u64 = 1024 * 1024;

/// Built-in scripts, and a folder of the user's.
#[derive(Debug, Clone)]
pub(super) struct Scripts {
    folder: Option<Arc<Path>>,
}

/// A provider's script, and what it declares.
#[derive(Debug, Clone)]
pub(super) struct ProviderScript {
    pub(super) source: Arc<ScriptSource>,
    pub(super) info: ScriptInfo,
}

/// The built-in providers with what they declare, in the order of their codes.
#[must_use]
pub fn provider_scripts() -> Vec<(ScriptSource, ScriptInfo)> {
    let scripts = dns_builtins().filter_map(|source| {
        let info = inspect(&source).ok()?;
        Some((source, info))
    });
    let mut scripts: Vec<_> = scripts.collect();
    scripts.sort_by(|a, b| a.0.kind().cmp(b.0.kind()));
    scripts
}

impl Scripts {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { folder: directory.map(|directory| directory.join("dns").into()) }
    }

    /// The script of a code as it is now. Waits for the disk.
    ///
    /// # Errors
    /// When there is none, or when it is none of a provider.
    pub(super) fn find(&self, code: &str) -> Result<ProviderScript, DnsError> {
        let found = self.named(code)?;
        let Some(other) = &found.info.alias_of else { return Ok(found) };
        let found = self.named(other)?;
        match &found.info.alias_of {
            None => Ok(found),
            Some(_) => Err(wrong(code, "its alias_of names another alias")),
        }
    }

    fn named(&self, code: &str) -> Result<ProviderScript, DnsError> {
        let source = match self.of_user(code)? {
            Some(source) => Some(source),
            None => dns_builtins().find(|source| source.kind().eq_ignore_ascii_case(code)),
        };
        let Some(source) = source else { return Err(self.unknown(code)) };
        let info = inspect(&source).map_err(|error| wrong(code, &error.to_string()))?;
        let has = |task: Task| info.hooks.iter().any(|hook| hook == task.name());
        if info.alias_of.is_none() && !Task::ALL.into_iter().all(has) {
            return Err(wrong(code, &format!("{} has no present and cleanup", source.name)));
        }
        Ok(ProviderScript { source: Arc::new(source), info })
    }

    /// A file of the user's.
    fn of_user(&self, code: &str) -> Result<Option<ScriptSource>, DnsError> {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let Some(folder) = self.folder.as_ref().filter(|_| code.chars().all(safe)) else {
            return Ok(None);
        };
        let path = folder.join(format!("{code}.lua"));
        let name = path.display().to_string();
        match std::fs::metadata(&path) {
            Err(_) => return Ok(None),
            Ok(found) if found.len() > SCRIPT_BYTES_MAX => {
                return Err(wrong(
                    code,
                    &format!("{name} is longer than {SCRIPT_BYTES_MAX} bytes"),
                ));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| wrong(code, &format!("{name}: {error}")))?;
        Ok(Some(ScriptSource { name: name.into(), text: text.into() }))
    }

    fn unknown(&self, code: &str) -> DnsError {
        let mut known: Vec<String> =
            dns_builtins().map(|source| source.kind().to_owned()).collect();
        let entries = self.folder.as_ref().and_then(|folder| std::fs::read_dir(folder).ok());
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            known.extend(name.strip_suffix(".lua").map(str::to_owned));
        }
        known.retain(|name| !name.ends_with("_test"));
        known.sort();
        known.dedup();
        let near = nearest(code, known.iter().map(String::as_str)).map(str::to_owned);
        DnsError::Unknown { code: code.to_owned(), near, known: known.join(", ") }
    }
}

fn wrong(code: &str, reason: &str) -> DnsError {
    DnsError::Script { code: code.to_owned(), reason: reason.to_owned() }
}

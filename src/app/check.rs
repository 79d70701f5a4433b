//! A whole configuration, or one script, looked at without serving it.

use std::sync::Arc;

use super::catalog::Internals;
use super::providers::{file_providers, kubernetes};
use super::{StartError, about, catalog, cluster, internal, ping, script_files};
use crate::api::Api;
use crate::compile::{Memory, compile};
use crate::config::Static;
use crate::lua::{self, ScriptInfo, ScriptSource};
use crate::model::{Diagnostic, merge};
use crate::provider::{FileProvider, Message};
use crate::snapshot::Live;

/// Compiles a whole configuration without serving it: what `check` does. Findings of the first
/// kind are the providers', those of the second the elements'.
///
/// # Errors
/// When user scripts cannot be read or the built-in configuration is wrong.
pub fn check(plan: &Static) -> Result<Vec<Diagnostic>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Acceptor)?;
    let live = Arc::<Live>::default();
    let api = plan
        .api
        .is_some()
        .then(|| Api::new(Arc::clone(&live), about(plan, &[]), runtime.handle().clone()));
    let internals = Internals { api, ping: ping(plan)?, ..Internals::default() };
    let mut catalog = catalog::catalog(plan, internals)?;
    let mut messages = vec![internal(plan)?];
    let mut scripts = script_files(plan)?;
    messages.extend(file_providers(plan, &scripts.kinds()).iter_mut().map(FileProvider::load));
    messages.extend(runtime.block_on(cluster::first(kubernetes(plan, &scripts.kinds()))));
    let mut findings = Vec::new();
    let mut parts = Vec::new();
    for message in messages {
        match message {
            Message::Update(update) => {
                findings.extend(update.diagnostics.iter().cloned());
                parts.push(update);
            }
            Message::Rejected { diagnostics, .. } => findings.extend(diagnostics),
        }
    }
    let dynamic = merge(parts.iter().map(|part| (&*part.provider, &*part.dynamic)));
    scripts.load(&dynamic, &mut catalog);
    let snapshot = compile(&dynamic, &catalog, &mut Memory::default());
    findings.extend(snapshot.outcome.diagnostics());
    for script in scripts.user_scripts() {
        findings.extend(script_findings(&script.source, &script.info));
    }
    for part in &parts {
        part.locate(&mut findings);
    }
    Ok(findings)
}

/// What is wrong with one script, whoever uses it.
#[must_use]
pub fn check_script(source: &ScriptSource) -> Vec<Diagnostic> {
    let info = lua::inspect(source).map(Arc::new).map_err(|error| error.to_string());
    script_findings(source, &info)
}

fn script_findings(
    source: &ScriptSource,
    info: &Result<Arc<ScriptInfo>, String>,
) -> Vec<Diagnostic> {
    let name = source.name.to_string();
    let unknown = lua::lint(source).into_iter().map(|unknown| {
        Diagnostic::warning(name.clone(), format!("line {}: {}", unknown.line, unknown.reason))
    });
    let broken = info.as_ref().err().map(|error| Diagnostic::error(name.clone(), error));
    broken.into_iter().chain(unknown).collect()
}

//! A whole configuration, or one script, looked at without serving it: what `check` and `explain`
//! do.

use std::sync::Arc;

use super::catalog::{self, Internals};
use super::providers::{file_providers, kubernetes};
use super::resolvers::Resolvers;
use super::{StartError, api, cluster, differences, internal, ping, records, script_files};
use crate::api::Sources;
use crate::compile::{Memory, Scripts, compile};
use crate::config::Static;
use crate::explain::{Explanation, Question, QuestionError, World};
use crate::lua::{self, ScriptInfo, ScriptSource};
use crate::model::{Diagnostic, Dynamic, merge};
use crate::provider::{FileProvider, Message, Update};
use crate::reconcile::ScriptFiles;
use crate::snapshot::{Live, Snapshot};

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The configuration cannot be compiled.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The question is none.
    #[error(transparent)]
    Question(#[from] QuestionError),
}

/// What a configuration comes to.
struct Trial {
    snapshot: Snapshot,
    scripts: ScriptFiles,
    /// Scripts by kind.
    known: Scripts,
    dynamic: Dynamic,
    parts: Vec<Update>,
    /// What providers found.
    findings: Vec<Diagnostic>,
}

/// Where a configuration was written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coming {
    /// For Moongate.
    FromHere,
    /// For Traefik: what behaves differently is told.
    FromTraefik,
}

/// Compiles a whole configuration without serving it: what `check` does. Findings of the first
/// kind are the providers', those of the second the elements'.
///
/// # Errors
/// When user scripts cannot be read or the built-in configuration is wrong.
pub fn check(plan: &Static, coming: Coming) -> Result<Vec<Diagnostic>, StartError> {
    let Trial { snapshot, scripts, known, dynamic, parts, mut findings } = Trial::of(plan)?;
    findings.extend(snapshot.outcome.diagnostics());
    if coming == Coming::FromTraefik {
        findings.extend(differences::of_elements(&dynamic, &known, &snapshot.outcome));
    }
    for script in scripts.user_scripts() {
        findings.extend(script_findings(&script.source, &script.info));
    }
    for part in &parts {
        part.locate(&mut findings);
    }
    Ok(findings)
}

/// Explains what would become of a request, without serving anything.
///
/// # Errors
/// When the configuration cannot be compiled, or the question is none.
pub fn explain(plan: &Static, question: &Question) -> Result<Explanation, ExplainError> {
    let trial = Trial::of(plan)?;
    let world = World { snapshot: &trial.snapshot, entrypoints: &plan.entrypoints };
    Ok(world.explain(question)?)
}

impl Trial {
    fn of(plan: &Static) -> Result<Self, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(StartError::Acceptor)?;
        let live = Arc::<Live>::default();
        records::check(plan, &live)?;
        let api = api(plan, &[], Sources { live: Arc::clone(&live), ..Sources::default() });
        let mut more = vec![Resolvers::stand_in()];
        more.extend(records::prometheus(plan).map(|_| records::stand_in()));
        let internals = Internals { api, ping: ping(plan)?, more, ..Internals::default() };
        let mut catalog = catalog::catalog(plan, internals)?;
        let mut messages = vec![internal(plan)?];
        let mut scripts = script_files(plan)?;
        messages.extend(file_providers(plan, &scripts.kinds()).iter_mut().map(FileProvider::load));
        messages.extend(runtime.block_on(cluster::first(kubernetes(plan, &scripts.kinds()))));
        let (mut findings, mut parts) = (Vec::new(), Vec::new());
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
        Ok(Self { snapshot, scripts, known: catalog.scripts, dynamic, parts, findings })
    }
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

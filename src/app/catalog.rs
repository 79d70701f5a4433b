//! The catalogue: scripts, internal services and entrypoints that configuration may name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::api::{Api, Dashboard, Noop, Ping};
use crate::compile::{Catalog, DisabledRouters, EntrypointFacts, IsDefault, RouterRules, Scripts};
use crate::config::{EntryPointPlan, Static};
use crate::lua::{self, ScriptSource};
use crate::reconcile::script;
use crate::service::Internal;
use crate::upstream::{Transport, TransportError};

/// Internal services that the static configuration switches on.
#[derive(Debug, Clone, Default)]
pub(super) struct Internals {
    pub(super) api: Option<Arc<Api>>,
    pub(super) ping: Option<Arc<Ping>>,
    /// Others by name.
    pub(super) more: Vec<(&'static str, Arc<dyn Internal>)>,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A folder of user scripts, or a file in it, cannot be read.
    #[error("scripts.directory: {}: {cause}", path.display())]
    Scripts {
        /// The folder or the file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The transport of services that name none is refused.
    #[error("serversTransport.{0}")]
    Transport(#[from] TransportError),
}

/// Puts the catalogue together.
///
/// # Errors
/// When user scripts cannot be read, or the default transport is refused.
pub(super) fn catalog(plan: &Static, internals: Internals) -> Result<Catalog, CatalogError> {
    let directory = plan.root.scripts.directory.as_str();
    let transport = Transport::build(&plan.root.servers_transport.as_dynamic())?;
    Ok(Catalog {
        scripts: scripts(lua::builtins(), Path::new(directory))?,
        tcp_scripts: scripts(lua::tcp_builtins(), &tcp_folder(directory))?,
        internals: services(plan, internals),
        entrypoints: plan.entrypoints.iter().map(facts).collect(),
        transport: Arc::new(transport),
        tcp_transport: plan.root.tcp_servers_transport.as_dynamic(),
        rules: RouterRules {
            syntax: plan.rule_syntax,
            precedence: plan.precedence.clone(),
            disabled: if plan.rejects_disabled {
                DisabledRouters::Reject
            } else {
                DisabledRouters::FallThrough
            },
        },
        log_internals: plan.access_log.as_ref().is_some_and(|log| log.add_internals),
    })
}

fn services(plan: &Static, internals: Internals) -> HashMap<String, Arc<dyn Internal>> {
    let mut all: HashMap<String, Arc<dyn Internal>> = HashMap::new();
    all.insert("noop@internal".to_owned(), Arc::new(Noop));
    if let Some(api) = internals.api {
        all.insert("api@internal".to_owned(), api);
        if plan.api.as_ref().is_some_and(|api| api.dashboard) {
            all.insert("dashboard@internal".to_owned(), Arc::new(Dashboard));
        }
    }
    if let Some(ping) = internals.ping {
        all.insert("ping@internal".to_owned(), ping);
    }
    all.extend(internals.more.into_iter().map(|(name, service)| (name.to_owned(), service)));
    all
}

fn facts(plan: &EntryPointPlan) -> EntrypointFacts {
    EntrypointFacts {
        name: plan.name.as_str().into(),
        transport: plan.address.transport,
        default: if plan.is_default { IsDefault::Yes } else { IsDefault::No },
        middlewares: plan.options.http.middlewares.clone(),
        tls: plan.options.http.tls.clone(),
        access_log: plan.options.observability.access_logs,
    }
}

/// Built-in scripts, and those of the user's folder, which replace built-ins of the same name.
pub(super) fn scripts(
    builtins: impl Iterator<Item = ScriptSource>,
    directory: &Path,
) -> Result<Scripts, CatalogError> {
    let mut scripts = Scripts::default();
    for source in builtins {
        let kind = source.kind().to_ascii_lowercase();
        scripts.kinds.insert(kind, script(&source.name, &source.text));
    }
    if !directory.as_os_str().is_empty() {
        user_scripts(directory, &mut scripts)?;
    }
    scripts.resolve_aliases();
    Ok(scripts)
}

/// Where a user's scripts of TCP routers are, if there are any.
pub(super) fn tcp_folder(directory: &str) -> PathBuf {
    let folder = Path::new(directory).join("tcp");
    if !directory.is_empty() && folder.is_dir() { folder } else { PathBuf::new() }
}

fn user_scripts(folder: &Path, scripts: &mut Scripts) -> Result<(), CatalogError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| CatalogError::Scripts { path, cause }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let is_test = path.to_string_lossy().ends_with("_test.lua");
        if path.extension().is_none_or(|extension| extension != "lua") || is_test {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        let loaded = script(&path.to_string_lossy(), &text);
        let kind = loaded.source.kind().to_ascii_lowercase();
        if let Err(error) = &loaded.info {
            tracing::error!(script = %path.display(), %error, "a user script cannot be used");
        }
        if scripts.kinds.insert(kind, loaded).is_some() {
            tracing::warn!(script = %path.display(), "a user script replaces a built-in one");
        }
    }
    Ok(())
}

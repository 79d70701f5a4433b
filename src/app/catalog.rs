//! The catalogue: scripts, internal services and entrypoints that configuration may name.

use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;

use super::records;
use crate::api::{Api, Exposition, Noop, Ping};
use crate::compile::{
    Catalog, DisabledRouters, EntrypointFacts, IsDefault, ResolverFacts, RouterRules, Scripts,
    Wildcards, timeouts,
};
use crate::config::{EntryPointPlan, Static};
use crate::lua;
use crate::reconcile::{FolderError, Folders, ScriptFolder};
use crate::service::Internal;
use crate::upstream::{Transport, TransportError};

/// Internal services that the static configuration switches on.
#[derive(Debug, Clone, Default)]
pub(super) struct Internals {
    pub(super) api: Option<Arc<Api>>,
    pub(super) ping: Option<Arc<Ping>>,
    pub(super) prometheus: Option<Arc<Exposition>>,
    /// Others by name.
    pub(super) more: Vec<(&'static str, Arc<dyn Internal>)>,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A folder of user scripts cannot be read.
    #[error(transparent)]
    Scripts(#[from] FolderError),
    /// The transport of services that name none is refused.
    #[error("serversTransport.{0}")]
    Transport(#[from] TransportError),
}

/// Puts the catalogue together, without scripts: they are put in when they are known.
///
/// # Errors
/// When the default transport is refused.
pub(super) fn catalog(plan: &Static, internals: Internals) -> Result<Catalog, CatalogError> {
    let transport = Transport::build(&plan.root.servers_transport.as_dynamic())?;
    Ok(Catalog {
        scripts: Scripts::default(),
        tcp_scripts: Scripts::default(),
        internals: services(internals),
        entrypoints: plan.entrypoints.iter().map(|entrypoint| facts(plan, entrypoint)).collect(),
        resolvers: resolvers(plan),
        transport: Arc::new(transport),
        tcp_transport: plan.root.tcp_servers_transport.as_dynamic(),
        rules: RouterRules {
            syntax: plan.rule_syntax,
            names_syntax: names_syntax(plan),
            precedence: plan.precedence.clone(),
            disabled: if plan.rejects_disabled {
                DisabledRouters::Reject
            } else {
                DisabledRouters::FallThrough
            },
        },
        observed_internals: records::observed_internals(plan),
    })
}

/// Resolvers by name, all that are configured: what one lacks is told when it starts.
fn resolvers(plan: &Static) -> HashMap<String, ResolverFacts> {
    let all = plan.root.certificates_resolvers.iter();
    let facts = all.filter_map(|(name, resolver)| {
        let dns = resolver.acme.as_ref()?.dns_challenge.as_ref();
        let wildcards = match dns.filter(|dns| !dns.provider.is_empty()) {
            Some(_) => Wildcards::Proved,
            None => Wildcards::Refused,
        };
        Some((name.clone(), ResolverFacts { wildcards }))
    });
    facts.collect()
}

fn services(internals: Internals) -> HashMap<String, Arc<dyn Internal>> {
    let mut all: HashMap<String, Arc<dyn Internal>> = HashMap::new();
    all.insert("noop@internal".to_owned(), Arc::new(Noop));
    if let Some(api) = internals.api {
        if let Some(dashboard) = api.dashboard() {
            all.insert("dashboard@internal".to_owned(), Arc::clone(dashboard) as _);
        }
        all.insert("api@internal".to_owned(), api);
    }
    if let Some(ping) = internals.ping {
        all.insert("ping@internal".to_owned(), ping);
    }
    if let Some(prometheus) = internals.prometheus {
        all.insert("prometheus@internal".to_owned(), prometheus);
    }
    all.extend(internals.more.into_iter().map(|(name, service)| (name.to_owned(), service)));
    all
}

fn names_syntax(plan: &Static) -> bool {
    !plan.root.core.default_rule_syntax.is_empty()
}

fn facts(all: &Static, plan: &EntryPointPlan) -> EntrypointFacts {
    let http = &plan.options.http;
    EntrypointFacts {
        is_model: names_syntax(all) || http.tls.is_some() || !http.middlewares.is_empty(),
        name: plan.name.as_str().into(),
        transport: plan.address.transport,
        default: if plan.is_default { IsDefault::Yes } else { IsDefault::No },
        middlewares: http.middlewares.clone(),
        tls: http.tls.clone(),
        observed: records::observed(&plan.options.observability),
        answers: http.answers.clone(),
        timeouts: timeouts(http.timeouts),
    }
}

/// Built-in scripts, and those of the user's folder, which replace built-ins of the same name.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn folders(directory: &str) -> Result<Folders, FolderError> {
    let http = ScriptFolder::builtins(lua::builtins());
    let tcp = ScriptFolder::builtins(lua::tcp_builtins());
    if directory.is_empty() {
        return Ok(Folders { http, tcp });
    }
    let tcp_folder = Path::new(directory).join("tcp");
    let tcp = if tcp_folder.is_dir() { tcp.with_folder(tcp_folder)? } else { tcp };
    Ok(Folders { http: http.with_folder(directory.into())?, tcp })
}

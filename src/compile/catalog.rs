//! What configuration is compiled against: scripts, internal services, entrypoints. A value that
//! is built once and handed down.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashMap;

use crate::config;
use crate::lua::{ScriptInfo, ScriptSource};
use crate::message::{Observed, Timeouts};
use crate::model::{RouterTls, TcpServersTransport};
use crate::rule::Syntax;
use crate::service::Internal;
use crate::upstream::Transport;

/// All that configuration may name beside itself.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Scripts by kind and by path.
    pub scripts: Scripts,
    /// Scripts of TCP routers, by kind alone.
    pub tcp_scripts: Scripts,
    /// Internal services, such as `api@internal`.
    pub internals: HashMap<String, Arc<dyn Internal>>,
    /// Entrypoints, in the order workers know them.
    pub entrypoints: Vec<EntrypointFacts>,
    /// Certificate resolvers by name.
    pub resolvers: HashMap<String, ResolverFacts>,
    /// The transport of services that name none.
    pub transport: Arc<Transport>,
    /// The same of TCP services.
    pub tcp_transport: TcpServersTransport,
    /// What holds for all routers.
    pub rules: RouterRules,
    /// What is recorded of requests of internal services.
    pub observed_internals: Observed,
}

/// What routers need to know of a certificate resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolverFacts {
    /// Whether it can prove that `*.domain` is ours.
    pub wildcards: Wildcards,
}

/// Whether a resolver can have certificates for all names below a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wildcards {
    /// It can, by records of the DNS.
    Proved,
    /// It cannot.
    Refused,
}

/// What holds for all routers.
#[derive(Debug, Clone, Default)]
pub struct RouterRules {
    /// The syntax of rules of routers that say nothing of it.
    pub syntax: Syntax,
    /// Whether the static configuration names that syntax.
    pub names_syntax: bool,
    /// Providers, in lower case: of two routers of equal priority that of the earlier one goes
    /// first.
    pub precedence: Vec<String>,
    /// What becomes of the requests of disabled routers.
    pub disabled: DisabledRouters,
}

/// What becomes of the requests of a router that is disabled while its rule can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DisabledRouters {
    /// They go to the next router that matches, as in Traefik.
    #[default]
    FallThrough,
    /// They are answered with 503.
    Reject,
}

/// What routers need to know of an entrypoint.
#[derive(Debug, Clone)]
pub struct EntrypointFacts {
    /// Its name.
    pub name: Arc<str>,
    /// What it listens for.
    pub transport: config::Transport,
    /// Whether routers without `entryPoints` are on it.
    pub default: IsDefault,
    /// Middlewares in front of all its routers' own, by name with provider.
    pub middlewares: Vec<String>,
    /// TLS of its routers that say nothing of TLS.
    pub tls: Option<RouterTls>,
    /// Whether the static configuration says something of its routers, so that a router of several
    /// entrypoints is shown apart for this one (`Model` in Traefik's raw data).
    pub is_model: bool,
    /// What is recorded of requests where a router says nothing of it.
    pub observed: Observed,
    /// Pages in the place of plain answers.
    pub answers: config::Answers,
    /// Limits of waiting of its routers that say nothing of it.
    pub timeouts: Timeouts,
}

/// Whether routers without `entryPoints` are on an entrypoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsDefault {
    /// They are.
    Yes,
    /// They must name it.
    No,
}

/// A script with what it declares, or why it cannot be used.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its text.
    pub source: Arc<ScriptSource>,
    /// What it declares; the error otherwise.
    pub info: Result<Arc<ScriptInfo>, String>,
}

/// Scripts by the names that configuration uses.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    /// Built-in and user scripts by kind, in lower case.
    pub kinds: HashMap<String, Script>,
    /// Scripts named by path, as written in the configuration.
    pub files: HashMap<PathBuf, Script>,
    /// Scripts written inline, by their text.
    pub inline: HashMap<String, Script>,
    /// Older names of kinds, in lower case, with the kinds they stand for.
    pub renamed: HashMap<String, String>,
}

impl Scripts {
    /// A script by its kind, whatever its case.
    #[must_use]
    pub fn kind(&self, kind: &str) -> Option<&Script> {
        self.kinds.get(&kind.to_ascii_lowercase())
    }

    /// Puts the scripts that others are older names of in their places. Once all are known.
    pub fn resolve_aliases(&mut self) {
        let alias = |script: &Script| script.info.as_ref().ok()?.alias_of.clone();
        let aliases = self.kinds.iter().filter_map(|(kind, s)| Some((kind.clone(), alias(s)?)));
        for (old, new) in aliases.collect::<Vec<_>>() {
            if let Some(script) = self.kind(&new).cloned() {
                self.kinds.insert(old.clone(), script);
                self.renamed.insert(old, new);
            }
        }
    }

    /// The kind that a kind is an older name of.
    #[must_use]
    pub fn newer_name(&self, kind: &str) -> Option<&str> {
        self.renamed.get(&kind.to_ascii_lowercase()).map(String::as_str)
    }

    /// A script by its path as written.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Script> {
        self.files.get(Path::new(path))
    }
}

/// The kinds of middlewares there are now, for providers, which check what they read against them.
#[derive(Debug, Default)]
pub struct Kinds(ArcSwap<Known>);

/// Kinds of both protocols.
#[derive(Debug, Default)]
pub struct Known {
    /// Of HTTP routers.
    pub http: Scripts,
    /// Of TCP routers.
    pub tcp: Scripts,
}

impl Kinds {
    /// These, for now.
    #[must_use]
    pub fn new(http: Scripts, tcp: Scripts) -> Self {
        Self(ArcSwap::from_pointee(Known { http, tcp }))
    }

    /// Those there are now.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        self.0.load_full()
    }

    /// From now on these.
    pub fn replace(&self, http: Scripts, tcp: Scripts) {
        self.0.store(Arc::new(Known { http, tcp }));
    }
}

//! TCP routers: rules read, references resolved, tables built.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::services::Services;
use super::{Resolved, is_default, names_of, places};
use crate::compile::middlewares::Middlewares;
use crate::compile::{Catalog, provider_of, qualify};
use crate::config::Transport;
use crate::lua::{InstanceId, InstanceSpec};
use crate::model::{Dynamic, StreamVerdict, TcpRouter};
use crate::router::{TcpEntry, TcpTable};
use crate::rule::tcp::Matcher;
use crate::rule::{self, Syntax};
use crate::snapshot::{StreamRoute, TlsEnd};
use crate::tls::{self, OptionSets};

/// Rules kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<String, Read>);

type Read = (Arc<TcpRouter>, Result<Arc<Matcher>, String>);

/// Routers of this generation.
#[derive(Debug)]
pub(super) struct Routers {
    /// By entrypoint: those without TLS, and those with it.
    pub(super) tables: Vec<[TcpTable<Arc<StreamRoute>>; 2]>,
    pub(super) verdicts: BTreeMap<String, StreamVerdict>,
    /// Scripts that routes use, each once.
    pub(super) instances: Vec<Arc<InstanceSpec>>,
}

/// What routers are put together from.
pub(super) struct Work<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) services: &'a Services,
    pub(super) middlewares: &'a Middlewares,
    pub(super) tls: &'a OptionSets,
}

/// The greatest priority users may give, as for HTTP routers.
const PRIORITY_MAX: i64 = i64::MAX - 1000;
/// The priority of a router that takes what no other wants.
const CATCH_ALL: i64 = -1;

type Found = (Vec<usize>, TcpEntry<Arc<StreamRoute>>);

impl Work<'_> {
    pub(super) fn compile(&self, dynamic: &Dynamic, memory: &mut Memory) -> Routers {
        let catalog = self.catalog;
        let mut instances: HashMap<InstanceId, Arc<InstanceSpec>> = HashMap::new();
        let mut entries: Vec<[Vec<TcpEntry<Arc<StreamRoute>>>; 2]> = Vec::new();
        entries.resize_with(catalog.entrypoints.len(), Default::default);
        let mut before = std::mem::take(&mut memory.0);
        let mut verdicts = BTreeMap::new();
        for (name, config) in &dynamic.tcp.routers {
            let matcher = match before.remove(name) {
                Some((kept, matcher)) if kept == *config => matcher,
                _ => matcher(config, catalog),
            };
            memory.0.insert(name.clone(), (Arc::clone(config), matcher.clone()));
            let (verdict, found) = self.router(name, config, &matcher, &mut instances);
            if let (Some((places, entry)), Ok(_)) = (found, &matcher) {
                let side = usize::from(config.tls.is_some());
                for place in places {
                    if let Some(sides) = entries.get_mut(place) {
                        sides[side].push(entry.clone());
                    }
                }
            }
            verdicts.insert(name.clone(), verdict);
        }
        let tables = entries.into_iter().map(|sides| sides.map(TcpTable::build));
        Routers { tables: tables.collect(), verdicts, instances: instances.into_values().collect() }
    }

    /// What is told of a router, and where it leads when it is in force.
    fn router(
        &self,
        name: &str,
        config: &Arc<TcpRouter>,
        matcher: &Result<Arc<Matcher>, String>,
        instances: &mut HashMap<InstanceId, Arc<InstanceSpec>>,
    ) -> (StreamVerdict, Option<Found>) {
        let (catalog, services) = (self.catalog, self.services);
        let provider = provider_of(name);
        let mut resolved = Resolved::default();
        resolved.errors.extend(matcher.as_ref().err().cloned());
        let places =
            places(&config.entry_points, catalog, Transport::Tcp, is_default, &mut resolved);
        let service_name = qualify(&config.service, provider);
        let service = match config.service.as_str() {
            "" => Err("the service is missing on the router".to_owned()),
            _ => services.find(&service_name),
        };
        let service = service.map_err(|error| resolved.errors.push(error)).ok();
        let specs = self.scripts(config, provider, &mut resolved);
        let tls = self.tls_end(config, provider, &mut resolved);
        if let (Ok(matcher), None) = (matcher, &config.tls)
            && matcher.needs_tls()
        {
            let reason = "the rule has a HostSNI other than `*`, which needs tls on the router";
            resolved.errors.push(reason.to_owned());
        }
        let priority = priority(config, matcher.as_deref().ok(), &mut resolved);
        let verdict = StreamVerdict {
            using: names_of(&places, catalog),
            priority: Some(priority),
            service: Some(service_name),
            middlewares: config.middlewares.iter().map(|name| qualify(name, provider)).collect(),
            ..StreamVerdict::new(Arc::clone(config) as _, resolved.verdict())
        };
        if verdict.verdict.status == crate::model::ElementStatus::Disabled {
            return (verdict, None);
        }
        let (Some(service), Ok(matcher), Some(tls)) = (service, matcher, tls) else {
            return (verdict, None);
        };
        let name: Arc<str> = name.into();
        let steps = specs.iter().map(|spec| spec.id).collect();
        instances.extend(specs.into_iter().map(|spec| (spec.id, spec)));
        let target = Arc::new(StreamRoute { name: Arc::clone(&name), tls, steps, service });
        let entry = TcpEntry { priority, name, matcher: Arc::clone(matcher), target };
        (verdict, Some((places, entry)))
    }

    /// Where a router's TLS ends; none when its options cannot be used.
    fn tls_end(
        &self,
        config: &TcpRouter,
        provider: &str,
        resolved: &mut Resolved,
    ) -> Option<TlsEnd> {
        let Some(tls) = config.tls.as_ref().filter(|tls| !tls.passthrough) else {
            return Some(TlsEnd::Server);
        };
        let name = match tls.options.as_str() {
            "" | tls::DEFAULT => tls::DEFAULT.to_owned(),
            named => qualify(named, provider),
        };
        let options = self.tls.get(&name).map_err(|error| resolved.errors.push(error)).ok()?;
        Some(TlsEnd::Here(Arc::clone(options)))
    }

    /// The scripts of a router's middlewares, in order.
    fn scripts(
        &self,
        config: &TcpRouter,
        provider: &str,
        resolved: &mut Resolved,
    ) -> Vec<Arc<InstanceSpec>> {
        let mut scripts = Vec::new();
        for name in &config.middlewares {
            match self.middlewares.get(&qualify(name, provider)) {
                Ok(found) => scripts.extend(found.scripts.iter().cloned()),
                Err(error) => resolved.errors.push(error),
            }
        }
        scripts
    }
}

/// Reads the rule in the router's syntax, else in the default one.
fn matcher(config: &TcpRouter, catalog: &Catalog) -> Result<Arc<Matcher>, String> {
    if config.rule.is_empty() {
        return Err("the rule is empty".to_owned());
    }
    let tree = rule::parse(&config.rule).map_err(|error| error.to_string())?;
    let syntax = match config.rule_syntax.as_str() {
        "" => catalog.rules.syntax,
        given => Syntax::named(given).unwrap_or_default(),
    };
    rule::tcp::compile(&tree, syntax).map(Arc::new).map_err(|error| error.to_string())
}

fn priority(config: &TcpRouter, matcher: Option<&Matcher>, resolved: &mut Resolved) -> i64 {
    match config.priority {
        0 if matcher.is_some_and(Matcher::is_catch_all) => CATCH_ALL,
        0 => i64::try_from(config.rule.len()).unwrap_or(i64::MAX),
        given => {
            if given > PRIORITY_MAX {
                resolved.errors.push(format!(
                    "the router priority {given} exceeds the max user-defined priority \
                     {PRIORITY_MAX}"
                ));
            }
            given
        }
    }
}

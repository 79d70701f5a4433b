//! Routers: rules parsed, references resolved, tables built.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::middlewares::Middlewares;
use super::scripts::Named;
use super::services::Services;
use super::timeouts::timeouts;
use super::tls::{self, Assignment, Candidate};
use super::{Catalog, DisabledRouters, EntrypointFacts, IsDefault, provider_of, qualify};
use crate::lua::{InstanceId, InstanceSpec};
use crate::message::{Crossed, IngressRoute, Observed, Timeouts, Tracing};
use crate::model::{self, Diagnostic, Dynamic, Elements, RouterVerdict, Verdict};
use crate::router::{Entry, Table};
use crate::rule::{Matcher, scripts_of_rule};
use crate::snapshot::{Route, Tables, Target};
use crate::tls::OptionSets;

use family::Family;
use places::{Place, places};

mod apart;
mod family;
mod places;
mod rule;

/// Routers kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Routed,
    /// By entrypoint: for plain and for encrypted connections.
    tables: Vec<[Arc<Table<Arc<Route>>>; 2]>,
}

/// Routers by name.
type Routed = HashMap<Arc<str>, Arc<Kept>>;

/// A router with everything that was worth the work.
#[derive(Debug)]
struct Kept {
    config: Arc<model::Router>,
    matcher: Result<Arc<Matcher>, String>,
    /// The hosts its rule names, if anybody had to know.
    hosts: Option<Arc<[String]>>,
    priority: i64,
    /// One for each entrypoint, or one below its parents; none when it is disabled.
    routes: Vec<(Place, Arc<Route>)>,
    /// Its children that answer, as they were when its routes were made.
    children: Vec<Child>,
    /// By name: its own, but where its TLS options are in conflict.
    verdicts: Vec<(Arc<str>, Arc<RouterVerdict>)>,
}

/// A child that answers.
type Child = (Arc<RouterVerdict>, Arc<Route>);

/// What routers refer to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) services: &'a Services,
    pub(super) middlewares: &'a Middlewares,
    pub(super) tls: &'a OptionSets,
}

/// Routers of this generation.
#[derive(Debug)]
pub(super) struct Routers {
    pub(super) tables: Vec<Tables>,
    pub(super) verdicts: BTreeMap<Arc<str>, Arc<RouterVerdict>>,
    pub(super) instances: Vec<Arc<InstanceSpec>>,
    pub(super) remarks: Vec<Diagnostic>,
}

impl Routers {
    pub(super) fn compile(
        dynamic: &Dynamic,
        parts: &Parts<'_>,
        scripts: &mut Named,
        memory: &mut Memory,
    ) -> Self {
        let routers = &dynamic.http.routers;
        let before = std::mem::take(&mut memory.kept);
        let mut work = Work {
            catalog: parts.catalog,
            services: parts.services,
            middlewares: parts.middlewares,
            options: parts.tls,
            scripts,
            routers,
            assignment: assignment(routers, parts, &before),
            family: Family::of(routers),
            before,
            done: HashMap::with_capacity(routers.len()),
            instances: Vec::new(),
            seen: HashSet::new(),
        };
        for spec in &parts.services.instances {
            work.note(spec);
        }
        for child in work.family.order().to_vec() {
            if let Some(config) = routers.get(child) {
                work.take(child, config);
            }
        }
        for (name, config) in routers {
            if !work.done.contains_key(name.as_str()) {
                work.take(name, config);
            }
        }
        let entries = work.entries();
        let verdicts = work.in_order().flat_map(|(_, kept)| kept.verdicts.iter().cloned());
        let verdicts = verdicts.collect();
        memory.kept = work.done;
        let before = std::mem::take(&mut memory.tables);
        let tables = entries.into_iter().enumerate().map(|(place, sides)| {
            let mut before = before.get(place).into_iter().flatten();
            sides.map(|side| Arc::new(Table::build_after(side, before.next().map(Arc::as_ref))))
        });
        memory.tables = tables.collect();
        let tables = memory.tables.iter().zip(&work.assignment.hosts);
        let tables = tables.map(|([plain, encrypted], hosts)| Tables {
            plain: Arc::clone(plain),
            encrypted: Arc::clone(encrypted),
            tls: Arc::clone(hosts),
            answers: Arc::default(),
        });
        let remarks = rule::remarks(routers, parts.catalog);
        Self { tables: tables.collect(), verdicts, instances: work.instances, remarks }
    }
}

/// Settles which TLS options are in force for which routers.
fn assignment<'a>(
    routers: &'a Elements<model::Router>,
    parts: &Parts<'_>,
    before: &Routed,
) -> Assignment<'a> {
    let catalog = parts.catalog;
    if !tls::is_wanted(routers, &catalog.entrypoints) {
        return Assignment::none(&catalog.entrypoints, parts.tls);
    }
    let candidates = routers.iter().map(|(name, config)| {
        let kept = before.get(name.as_str()).filter(|kept| kept.config == *config);
        let hosts = kept.and_then(|kept| kept.hosts.clone());
        let hosts = hosts.unwrap_or_else(|| rule::hosts(config));
        let places = places(catalog, config, &mut Resolved::default());
        let places = places.into_iter().filter_map(Place::entrypoint).collect();
        Candidate { name, config, hosts, places }
    });
    Assignment::of(candidates.collect(), &catalog.entrypoints, parts.tls)
}

struct Work<'a> {
    catalog: &'a Catalog,
    services: &'a Services,
    middlewares: &'a Middlewares,
    options: &'a OptionSets,
    scripts: &'a mut Named,
    routers: &'a Elements<model::Router>,
    assignment: Assignment<'a>,
    family: Family<'a>,
    before: Routed,
    done: Routed,
    /// Scripts that routes use, each once.
    instances: Vec<Arc<InstanceSpec>>,
    seen: HashSet<InstanceId>,
}

/// What a router resolves to, while it is being put together.
#[derive(Default)]
struct Resolved {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Work<'_> {
    /// Compiles a router, whose children have been.
    fn take(&mut self, name: &str, config: &Arc<model::Router>) {
        let (name, before) = match self.before.remove_entry(name) {
            Some((name, before)) => (name, Some(before)),
            None => (name.into(), None),
        };
        let before =
            before.filter(|kept| Arc::ptr_eq(&kept.config, config) || kept.config == *config);
        let router = self.router(&name, config, before);
        self.done.insert(name, router);
    }

    fn router(
        &mut self,
        name: &Arc<str>,
        config: &Arc<model::Router>,
        before: Option<Arc<Kept>>,
    ) -> Arc<Kept> {
        let provider = provider_of(name);
        let matcher = match &before {
            Some(kept) => kept.matcher.clone(),
            None => rule::matcher(config, provider, self.catalog),
        };
        let mut resolved = Resolved::default();
        resolved.errors.extend(matcher.as_ref().err().cloned());
        self.scripts(config, &mut resolved);
        let faults = self.family.faults(name, config, self.routers);
        resolved.errors.extend(faults.errors);
        resolved.warnings.extend(faults.warnings);
        let (priority, error) = rule::priority(config, provider);
        resolved.errors.extend(error);
        let places = places(self.catalog, config, &mut resolved);
        let children = self.family.children(name).iter();
        let children: Vec<_> = children.filter_map(|child| self.child(child)).collect();
        let target = self.target(name, config, &children, before.as_deref(), &mut resolved);
        let mut routes = self.routes(name, config, &places, target, &mut resolved);
        let verdict = if resolved.errors.is_empty() {
            Verdict::live(resolved.warnings)
        } else {
            routes = match self.catalog.rules.disabled {
                DisabledRouters::Reject if matcher.is_ok() => refused(name, &places),
                _ => Vec::new(),
            };
            resolved.errors.append(&mut resolved.warnings);
            Verdict::disabled(resolved.errors)
        };
        let config = Arc::clone(config);
        let rule_syntax = rule::shown(&config, provider, self.catalog);
        let using = Arc::default();
        let verdict = RouterVerdict { config, using, priority, rule_syntax, verdict };
        let verdicts = self.verdicts(name, &verdict, &places);
        let hosts = self.assignment.hosts_of(name).cloned();
        if let Some(kept) = before
            && kept.verdicts == verdicts
            && kept.hosts == hosts
            && same_routes(&kept.routes, &routes)
        {
            return kept;
        }
        let config = verdict.config;
        Arc::new(Kept { config, matcher, hosts, priority, routes, children, verdicts })
    }

    /// What was compiled, by name: what is built of it is sorted already.
    fn in_order(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Kept>)> {
        self.routers.keys().filter_map(|name| self.done.get_key_value(name.as_str()))
    }

    /// The entries of all tables of entrypoints, for plain and for encrypted connections.
    fn entries(&self) -> Vec<[Vec<Entry<Arc<Route>>>; 2]> {
        let mut entries: Vec<[Vec<Entry<Arc<Route>>>; 2]> = Vec::new();
        entries.resize_with(self.catalog.entrypoints.len(), Default::default);
        for (_, router) in self.in_order() {
            for (place, route) in &router.routes {
                let Place::Entrypoint(place) = *place else { continue };
                let facts = self.catalog.entrypoints.get(place);
                let encrypted = facts.is_some_and(|facts| facts.tls.is_some());
                let side = usize::from(router.config.tls.is_some() || encrypted);
                if let Some(tables) = entries.get_mut(place) {
                    tables[side].extend(self.entry(router, route));
                }
            }
        }
        entries
    }

    /// A child by its name, if it answers.
    fn child(&self, name: &str) -> Option<Child> {
        let kept = self.done.get(name)?;
        let (_, route) = kept.routes.first()?;
        // Below its parents a router has no TLS options, and so one verdict.
        let (_, verdict) = kept.verdicts.first()?;
        Some((Arc::clone(verdict), Arc::clone(route)))
    }

    fn entry(&self, router: &Kept, route: &Arc<Route>) -> Option<Entry<Arc<Route>>> {
        let name = &route.name;
        let matcher = router.matcher.as_ref().ok()?;
        Some(Entry {
            priority: rule::within_bounds(router.priority, provider_of(name)),
            precedence: rule::precedence(name, self.catalog),
            name: Arc::clone(name),
            matcher: Arc::clone(matcher),
            target: Arc::clone(route),
        })
    }

    /// The router's route at each of its places.
    fn routes(
        &mut self,
        name: &Arc<str>,
        config: &model::Router,
        places: &[Place],
        target: Option<Target>,
        resolved: &mut Resolved,
    ) -> Vec<(Place, Arc<Route>)> {
        let Some(target) = target else { return Vec::new() };
        let mut own = Vec::new();
        for middleware in &config.middlewares {
            self.steps(&qualify(middleware, provider_of(name)), &mut own, resolved);
        }
        let mut routes = Vec::with_capacity(places.len());
        for &place in places {
            let entrypoint = place.entrypoint().and_then(|p| self.catalog.entrypoints.get(p));
            let mut steps = Vec::new();
            for middleware in entrypoint.iter().flat_map(|e| &e.middlewares) {
                self.steps(middleware, &mut steps, resolved);
            }
            steps.extend_from_slice(&own);
            let route = Route {
                name: self.name_at(name, config, place),
                tls: self.tls(name, config, place, resolved),
                steps: steps.into(),
                target: target.clone(),
                observed: self.observed(config, entrypoint),
                crossed: Self::crossed(config, self.name_at(name, config, place)),
                timeouts: Self::timeouts(config, entrypoint),
            };
            routes.push((place, Arc::new(route)));
        }
        routes
    }

    /// What is recorded of a router's requests on an entrypoint.
    fn observed(&self, config: &model::Router, entrypoint: Option<&EntrypointFacts>) -> Observed {
        let all = Observed { access_log: true, metrics: true, tracing: Tracing::Minimal };
        let mut observed = entrypoint.map_or(all, |facts| facts.observed);
        if let Some(own) = &config.observability {
            observed.access_log = own.access_logs.unwrap_or(observed.access_log);
            observed.metrics = own.metrics.unwrap_or(observed.metrics);
            let is_traced = own.tracing.unwrap_or(observed.tracing > Tracing::Off);
            observed.tracing = match (is_traced, own.trace_verbosity.as_deref()) {
                (false, _) => Tracing::Off,
                (true, Some("detailed")) => Tracing::Detailed,
                (true, Some(_)) => Tracing::Minimal,
                (true, None) => observed.tracing.max(Tracing::Minimal),
            };
        }
        match config.service.ends_with("@internal") {
            true => observed.and(self.catalog.observed_internals),
            false => observed,
        }
    }

    /// How metrics name a router and what stands behind it.
    fn crossed(config: &model::Router, router: Arc<str>) -> Arc<Crossed> {
        let service = match config.service.as_str() {
            "" => format!("{router}-muxer"),
            service => qualify(service, provider_of(&router)),
        };
        let metadata = config.observability.as_ref().and_then(|own| own.metadata.as_ref());
        let ingress = metadata.and_then(|metadata| metadata.ingress.as_ref());
        let ingress = ingress.map(|ingress| IngressRoute {
            namespace: ingress.namespace.clone(),
            name: ingress.ingress_name.clone(),
            service: ingress.service_name.clone(),
            port: ingress.service_port.clone(),
        });
        let (service, rule) = (service.into(), config.rule.as_str().into());
        Arc::new(Crossed { router, service, rule, ingress })
    }

    /// A router's limits of waiting on an entrypoint.
    fn timeouts(config: &model::Router, entrypoint: Option<&EntrypointFacts>) -> Timeouts {
        timeouts(config.timeouts).or(entrypoint.map(|facts| facts.timeouts).unwrap_or_default())
    }

    /// What stands behind a router's middlewares: its service, or its children.
    fn target(
        &self,
        name: &Arc<str>,
        config: &model::Router,
        children: &[Child],
        before: Option<&Kept>,
        resolved: &mut Resolved,
    ) -> Option<Target> {
        if !config.service.is_empty() {
            return self.service(config, provider_of(name), resolved).map(Target::Service);
        }
        let table = before.and_then(|kept| kept.routes.first()).and_then(|(_, route)| {
            if let Target::Children(table) = &route.target { Some(table) } else { None }
        });
        let same = |kept: &&Kept| {
            kept.children.len() == children.len()
                && kept.children.iter().zip(children).all(|((verdict, route), child)| {
                    Arc::ptr_eq(verdict, &child.0) && Arc::ptr_eq(route, &child.1)
                })
        };
        if let (Some(table), Some(_)) = (table, before.filter(same)) {
            return Some(Target::Children(Arc::clone(table)));
        }
        let names = self.family.children(name);
        let entries = names.iter().filter_map(|child| {
            let router = self.done.get(*child)?;
            self.entry(router, router.routes.first().map(|(_, route)| route)?)
        });
        let entries: Vec<_> = entries.collect();
        if entries.is_empty() {
            if !names.is_empty() {
                let skipped = names.len();
                resolved.errors.push(format!(
                    "building child routers muxer: no child routers could be added to muxer \
                     ({skipped} skipped)"
                ));
            }
            return None;
        }
        let table = Table::build_after(entries, table.map(Arc::as_ref));
        Some(Target::Children(Arc::new(table)))
    }

    fn service(
        &self,
        config: &model::Router,
        provider: &str,
        resolved: &mut Resolved,
    ) -> Option<Arc<crate::service::Service>> {
        let name = qualify(&config.service, provider);
        let found = self.services.live.get(&*name).cloned();
        if found.is_none() {
            resolved.errors.push(match self.services.verdicts.get(&name) {
                Some(verdict) => format!("the service {name:?}: {}", verdict.errors.join("; ")),
                None => format!("the service {name:?} does not exist"),
            });
        }
        found
    }

    /// Takes up the scripts that the router's rule names.
    fn scripts(&mut self, config: &model::Router, resolved: &mut Resolved) {
        for name in scripts_of_rule(&config.rule) {
            match self.scripts.take(&name, "match", self.catalog) {
                Ok(warning) => resolved.warnings.extend(warning),
                Err(error) => resolved.errors.push(format!("Lua(`{name}`): {error}")),
            }
        }
    }

    /// Notes a script that is used.
    fn note(&mut self, spec: &Arc<InstanceSpec>) {
        if self.seen.insert(spec.id) {
            self.instances.push(Arc::clone(spec));
        }
    }

    fn steps(&mut self, middleware: &str, steps: &mut Vec<InstanceId>, resolved: &mut Resolved) {
        match self.middlewares.get(middleware) {
            Err(error) => {
                if !resolved.errors.contains(&error) {
                    resolved.errors.push(error);
                }
            }
            Ok(resolved) => {
                for spec in &resolved.scripts {
                    steps.push(spec.id);
                    self.note(spec);
                }
            }
        }
    }
}

/// Routes of a disabled router that answer for its rule.
fn refused(name: &Arc<str>, places: &[Place]) -> Vec<(Place, Arc<Route>)> {
    let route = Arc::new(Route {
        name: Arc::clone(name),
        steps: Arc::default(),
        target: Target::Refused,
        observed: Observed { access_log: true, metrics: true, tracing: Tracing::Minimal },
        crossed: Arc::new(Crossed {
            router: Arc::clone(name),
            service: Arc::from(""),
            rule: Arc::from(""),
            ingress: None,
        }),
        timeouts: Timeouts::default(),
        tls: None,
    });
    places.iter().map(|place| (*place, Arc::clone(&route))).collect()
}

fn same_routes(before: &[(Place, Arc<Route>)], now: &[(Place, Arc<Route>)]) -> bool {
    before.len() == now.len()
        && before.iter().zip(now).all(|((p, a), (q, b))| {
            p == q
                && a.steps == b.steps
                && a.observed == b.observed
                && a.crossed == b.crossed
                && a.timeouts == b.timeouts
                && a.target.is(&b.target)
                && a.name == b.name
                && a.tls == b.tls
        })
}

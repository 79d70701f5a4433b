//! Routers: rules parsed, references resolved, tables built.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::middlewares::Middlewares;
use super::services::Services;
use super::tls::{self, Assignment, Candidate};
use super::{Catalog, IsDefault, provider_of, qualify};
use crate::lua::{InstanceId, InstanceSpec};
use crate::model::{self, Dynamic, RouterVerdict, Verdict};
use crate::router::{Entry, Table};
use crate::rule::{self, Matcher};
use crate::snapshot::{Route, Tables};
use crate::tls::{DEFAULT, OptionSets};

/// Routers kept from the last generation.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: HashMap<Arc<str>, Arc<Kept>>,
    /// By entrypoint: for plain and for encrypted connections.
    tables: Vec<[Arc<Table<Arc<Route>>>; 2]>,
}

/// A router with everything that was worth the work.
#[derive(Debug)]
struct Kept {
    config: Arc<model::Router>,
    rule: Arc<Rule>,
    priority: i64,
    /// One for each entrypoint whose own middlewares differ; none when it is disabled.
    routes: Vec<(usize, Arc<Route>)>,
    /// By name: its own, but where its TLS options are in conflict.
    verdicts: Vec<(Arc<str>, Arc<RouterVerdict>)>,
}

/// What is made of a rule's text alone.
#[derive(Debug)]
struct Rule {
    matcher: Result<Arc<Matcher>, String>,
    /// The hosts it names.
    hosts: Vec<String>,
}

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
}

/// The greatest priority users may give (`math.MaxInt64 - 1000` in Traefik); what is above is for
/// internal routers.
const PRIORITY_MAX: i64 = i64::MAX - 1000;

impl Routers {
    pub(super) fn compile(dynamic: &Dynamic, parts: &Parts<'_>, memory: &mut Memory) -> Self {
        let routers = &dynamic.http.routers;
        let rules: Vec<_> =
            routers.iter().map(|(name, config)| memory.rule(name, config)).collect();
        let assignment = assignment(routers, &rules, parts);
        let (instances, seen) = (Vec::new(), HashSet::new());
        let mut work = Work { parts, assignment: &assignment, instances, seen };
        for spec in &parts.services.instances {
            work.note(spec);
        }
        let mut kept = HashMap::with_capacity(routers.len());
        let mut verdicts = BTreeMap::new();
        let mut entries: Vec<[Vec<Entry<Arc<Route>>>; 2]> = Vec::new();
        entries.resize_with(parts.catalog.entrypoints.len(), Default::default);
        for ((name, config), rule) in routers.iter().zip(&rules) {
            let (name, before) = match memory.kept.remove_entry(name.as_str()) {
                Some((name, before)) => (name, Some(before)),
                None => (name.as_str().into(), None),
            };
            let router = work.router(&name, config, rule, before.as_ref());
            if let Ok(matcher) = &router.rule.matcher {
                for (place, route) in &router.routes {
                    if let Some(tables) = entries.get_mut(*place) {
                        tables[usize::from(route.tls.is_some())].push(Entry {
                            priority: router.priority,
                            name: Arc::clone(&route.name),
                            matcher: Arc::clone(matcher),
                            target: Arc::clone(route),
                        });
                    }
                }
            }
            verdicts.extend(router.verdicts.iter().cloned());
            kept.insert(name, router);
        }
        memory.kept = kept;
        let before = std::mem::take(&mut memory.tables);
        let tables = entries.into_iter().enumerate().map(|(place, sides)| {
            let mut before = before.get(place).into_iter().flatten();
            sides.map(|side| Arc::new(Table::build_after(side, before.next().map(Arc::as_ref))))
        });
        memory.tables = tables.collect();
        let tables = memory.tables.iter().zip(&assignment.hosts);
        let tables = tables.map(|([plain, encrypted], hosts)| Tables {
            plain: Arc::clone(plain),
            encrypted: Arc::clone(encrypted),
            tls: Arc::clone(hosts),
        });
        Self { tables: tables.collect(), verdicts, instances: work.instances }
    }
}

impl Memory {
    /// A router's rule, as it was made before if the router has not changed.
    fn rule(&self, name: &str, config: &Arc<model::Router>) -> Arc<Rule> {
        let same = |kept: &&Arc<Kept>| Arc::ptr_eq(&kept.config, config) || kept.config == *config;
        match self.kept.get(name).filter(same) {
            Some(kept) => Arc::clone(&kept.rule),
            None => Arc::new(rule(config)),
        }
    }
}

/// Settles which TLS options are in force for which routers.
fn assignment<'a>(
    routers: &'a model::Elements<model::Router>,
    rules: &'a [Arc<Rule>],
    parts: &Parts<'_>,
) -> Assignment<'a> {
    let entrypoints = &parts.catalog.entrypoints;
    let mut candidates = Vec::new();
    if tls::is_wanted(routers, entrypoints) {
        candidates.extend(routers.iter().zip(rules).map(|((name, config), rule)| Candidate {
            name,
            config,
            hosts: &rule.hosts,
            using: using(parts.catalog, config, &mut Resolved::default()),
        }));
    }
    Assignment::of(&candidates, entrypoints, parts.tls)
}

struct Work<'a> {
    parts: &'a Parts<'a>,
    assignment: &'a Assignment<'a>,
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
    fn router(
        &mut self,
        name: &Arc<str>,
        config: &Arc<model::Router>,
        rule: &Arc<Rule>,
        before: Option<&Arc<Kept>>,
    ) -> Arc<Kept> {
        let before = before.filter(|kept| Arc::ptr_eq(&kept.rule, rule));
        let mut resolved = Resolved::default();
        if let Err(error) = &rule.matcher {
            resolved.errors.push(error.clone());
        }
        unsupported(config, &mut resolved);
        let priority = priority(config, provider_of(name), &mut resolved);
        let using = using(self.parts.catalog, config, &mut resolved);
        let routes = self.routes(name, config, &using, &mut resolved);
        let routes = match before {
            Some(kept) if same_routes(&kept.routes, &routes) => kept.routes.clone(),
            _ => routes,
        };
        let is_live = resolved.errors.is_empty();
        let verdict = RouterVerdict {
            config: Arc::clone(config),
            using: Arc::default(),
            priority,
            verdict: Verdict::default(),
        };
        let verdicts = self.verdicts(name, &verdict, rule, &using, resolved);
        if let Some(kept) = before
            && kept.verdicts == verdicts
            && kept.routes.iter().zip(&routes).all(|((_, a), (_, b))| Arc::ptr_eq(a, b))
        {
            return Arc::clone(kept);
        }
        let routes = if is_live { routes } else { Vec::new() };
        let (config, rule) = (Arc::clone(config), Arc::clone(rule));
        Arc::new(Kept { config, rule, priority, routes, verdicts })
    }

    /// The decision about a router: one, and one for each entrypoint on which it has not the TLS
    /// options it asks for, under a name of its own.
    fn verdicts(
        &self,
        name: &Arc<str>,
        template: &RouterVerdict,
        rule: &Rule,
        using: &[usize],
        mut resolved: Resolved,
    ) -> Vec<(Arc<str>, Arc<RouterVerdict>)> {
        let is_live = resolved.errors.is_empty();
        resolved.errors.append(&mut resolved.warnings);
        let messages = resolved.errors;
        let decide = |messages| match is_live {
            true => Verdict::live(messages),
            false => Verdict::disabled(messages),
        };
        let (apart, own): (Vec<usize>, Vec<usize>) =
            using.iter().partition(|place| self.assignment.is_conflicted(name, **place));
        let on = |places: &[usize], messages| {
            let using: Arc<[_]> = places.iter().map(|place| self.entrypoint_name(*place)).collect();
            let mut config = Arc::clone(&template.config);
            if !apart.is_empty() {
                let entry_points = using.iter().map(ToString::to_string).collect();
                config = Arc::new(model::Router { entry_points, ..(*config).clone() });
            }
            let priority = template.priority;
            Arc::new(RouterVerdict { config, using, priority, verdict: decide(messages) })
        };
        let mut verdicts = Vec::with_capacity(1);
        if apart.is_empty() || !own.is_empty() {
            verdicts.push((Arc::clone(name), on(&own, messages.clone())));
        }
        for &place in &apart {
            let mut messages = messages.clone();
            let entrypoint = self.parts.catalog.entrypoints.get(place);
            let wanted = tls::wanted(name, &template.config, entrypoint);
            match wanted.filter(|wanted| wanted != DEFAULT) {
                None => {}
                Some(wanted) if rule.hosts.is_empty() => messages.push(format!(
                    "the rule names no host, so that the TLS options {wanted} cannot be applied"
                )),
                Some(wanted) => messages.push(format!(
                    "routers of the same host and entrypoint ask for other TLS options than \
                     {wanted}, so that the default ones are in force"
                )),
            }
            verdicts.push((self.name_on(name, place), on(&[place], messages)));
        }
        verdicts
    }

    /// A router's name on an entrypoint; in conflict it is Traefik's for that.
    fn name_on(&self, name: &Arc<str>, place: usize) -> Arc<str> {
        match self.assignment.is_conflicted(name, place) {
            true => format!("{}-conflicted-{name}", self.entrypoint_name(place)).into(),
            false => Arc::clone(name),
        }
    }

    /// The name of the TLS options that are in force for a router on an entrypoint.
    fn tls(
        &self,
        name: &Arc<str>,
        config: &model::Router,
        place: usize,
        resolved: &mut Resolved,
    ) -> Option<Arc<str>> {
        let wanted = tls::wanted(name, config, self.parts.catalog.entrypoints.get(place))?;
        let mut options = self.parts.tls.get(&wanted);
        if options.is_ok() && self.assignment.is_conflicted(name, place) {
            options = self.parts.tls.get(DEFAULT);
        }
        match options {
            Ok(options) => Some(Arc::clone(options.name())),
            Err(error) => {
                if !resolved.errors.contains(&error) {
                    resolved.errors.push(error);
                }
                None
            }
        }
    }

    fn entrypoint_name(&self, place: usize) -> Arc<str> {
        let found = self.parts.catalog.entrypoints.get(place);
        found.map_or_else(|| "".into(), |entrypoint| Arc::clone(&entrypoint.name))
    }

    /// The router's route on each of its entrypoints.
    fn routes(
        &mut self,
        name: &Arc<str>,
        config: &model::Router,
        using: &[usize],
        resolved: &mut Resolved,
    ) -> Vec<(usize, Arc<Route>)> {
        let provider = provider_of(name);
        let Some(service) = self.service(config, provider, resolved) else { return Vec::new() };
        let mut own = Vec::new();
        for middleware in &config.middlewares {
            self.steps(&qualify(middleware, provider), &mut own, resolved);
        }
        let mut routes = Vec::with_capacity(using.len());
        for &place in using {
            let mut steps = Vec::new();
            let entrypoint = self.parts.catalog.entrypoints.get(place);
            for middleware in entrypoint.iter().flat_map(|e| &e.middlewares) {
                self.steps(middleware, &mut steps, resolved);
            }
            steps.extend_from_slice(&own);
            let tls = self.tls(name, config, place, resolved);
            let (name, service) = (self.name_on(name, place), Arc::clone(&service));
            routes.push((place, Arc::new(Route { name, steps: steps.into(), service, tls })));
        }
        routes
    }

    fn service(
        &self,
        config: &model::Router,
        provider: &str,
        resolved: &mut Resolved,
    ) -> Option<Arc<crate::service::Service>> {
        if config.service.is_empty() {
            resolved.errors.push("the service is missing on the router".to_owned());
            return None;
        }
        let name = qualify(&config.service, provider);
        let found = self.parts.services.live.get(&*name).cloned();
        if found.is_none() {
            resolved.errors.push(match self.parts.services.verdicts.get(&name) {
                Some(verdict) => format!("the service {name:?}: {}", verdict.errors.join("; ")),
                None => format!("the service {name:?} does not exist"),
            });
        }
        found
    }

    /// Notes a script that is used.
    fn note(&mut self, spec: &Arc<InstanceSpec>) {
        if self.seen.insert(spec.id) {
            self.instances.push(Arc::clone(spec));
        }
    }

    fn steps(&mut self, middleware: &str, steps: &mut Vec<InstanceId>, resolved: &mut Resolved) {
        match self.parts.middlewares.get(middleware) {
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

fn same_routes(before: &[(usize, Arc<Route>)], now: &[(usize, Arc<Route>)]) -> bool {
    before.len() == now.len()
        && before.iter().zip(now).all(|((p, a), (q, b))| {
            p == q
                && a.steps == b.steps
                && Arc::ptr_eq(&a.service, &b.service)
                && a.name == b.name
                && a.tls == b.tls
        })
}

/// The places of the entrypoints a router is on.
fn using(catalog: &Catalog, config: &model::Router, resolved: &mut Resolved) -> Vec<usize> {
    let entrypoints = catalog.entrypoints.iter().enumerate();
    if config.entry_points.is_empty() {
        let default = entrypoints.filter(|(_, e)| e.default == IsDefault::Yes);
        return default.map(|(place, _)| place).collect();
    }
    let mut places = Vec::new();
    for wanted in &config.entry_points {
        let mut all = catalog.entrypoints.iter();
        match all.position(|entrypoint| *entrypoint.name == **wanted) {
            Some(place) if places.contains(&place) => {}
            Some(place) => places.push(place),
            None => resolved.warnings.push(format!("entryPoint {wanted:?} doesn't exist")),
        }
    }
    if places.is_empty() {
        resolved.errors.push("no valid entryPoint for this router".to_owned());
    }
    places
}

fn rule(config: &model::Router) -> Rule {
    if config.rule.is_empty() {
        return Rule { matcher: Err("the rule is empty".to_owned()), hosts: Vec::new() };
    }
    let tree = match rule::parse(&config.rule) {
        Ok(tree) => tree,
        Err(error) => return Rule { matcher: Err(error.to_string()), hosts: Vec::new() },
    };
    let matcher = rule::compile(&tree).map(Arc::new).map_err(|error| error.to_string());
    Rule { matcher, hosts: rule::hosts(&tree) }
}

fn priority(config: &model::Router, provider: &str, resolved: &mut Resolved) -> i64 {
    if config.priority > PRIORITY_MAX && provider != "internal" {
        let given = config.priority;
        resolved.errors.push(format!(
            "the router priority {given} exceeds the max user-defined priority {PRIORITY_MAX}"
        ));
    }
    match config.priority {
        0 => i64::try_from(config.rule.len()).unwrap_or(i64::MAX),
        given => given,
    }
}

/// Options that Traefik knows and that are not built yet, by name.
fn unsupported(config: &model::Router, resolved: &mut Resolved) {
    match config.rule_syntax.as_str() {
        "" | "v3" => {}
        "v2" => resolved.errors.push("ruleSyntax: v2 is not supported yet".to_owned()),
        other => resolved.errors.push(format!("ruleSyntax: {other:?} is neither v3 nor v2")),
    }
    if !config.parent_refs.is_empty() {
        resolved.errors.push("parentRefs: not supported yet".to_owned());
    }
    if config.tls.as_ref().is_some_and(|tls| !tls.cert_resolver.is_empty()) {
        let reason = "tls.certResolver: not supported yet; certificates come from files";
        resolved.warnings.push(reason.to_owned());
    }
    if config.observability.is_some() {
        resolved.warnings.push("observability: not supported yet".to_owned());
    }
}

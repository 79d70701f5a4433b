//! Routers: rules parsed, references resolved, tables built.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::middlewares::Middlewares;
use super::services::Services;
use super::{Catalog, IsDefault, provider_of, qualify};
use crate::lua::{InstanceId, InstanceSpec};
use crate::model::{self, Dynamic, ElementStatus, RouterVerdict, Verdict};
use crate::router::{Entry, Table};
use crate::rule::{self, Matcher};
use crate::snapshot::{Route, Tables};

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
    matcher: Result<Arc<Matcher>, String>,
    /// One for each entrypoint whose own middlewares differ; none when it is disabled.
    routes: Vec<(usize, Arc<Route>)>,
    verdict: Arc<RouterVerdict>,
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
    pub(super) fn compile(
        dynamic: &Dynamic,
        catalog: &Catalog,
        services: &Services,
        middlewares: &Middlewares,
        memory: &mut Memory,
    ) -> Self {
        let mut work =
            Work { catalog, services, middlewares, instances: Vec::new(), seen: HashSet::new() };
        for spec in &services.instances {
            work.note(spec);
        }
        let mut kept = HashMap::with_capacity(dynamic.http.routers.len());
        let mut verdicts = BTreeMap::new();
        let mut entries: Vec<[Vec<Entry<Arc<Route>>>; 2]> = Vec::new();
        entries.resize_with(catalog.entrypoints.len(), Default::default);
        for (name, config) in &dynamic.http.routers {
            let (name, router) = match memory.kept.remove_entry(name.as_str()) {
                Some((name, before)) => {
                    let router = work.router(&name, config, Some(&before));
                    (name, router)
                }
                None => {
                    let name: Arc<str> = name.as_str().into();
                    let router = work.router(&name, config, None);
                    (name, router)
                }
            };
            if let Ok(matcher) = &router.matcher {
                for (place, route) in &router.routes {
                    let default = catalog.entrypoints.get(*place).and_then(|e| e.tls.as_ref());
                    let side = usize::from(config.tls.is_some() || default.is_some());
                    if let Some(tables) = entries.get_mut(*place) {
                        tables[side].push(Entry {
                            priority: router.verdict.priority,
                            name: Arc::clone(&name),
                            matcher: Arc::clone(matcher),
                            target: Arc::clone(route),
                        });
                    }
                }
            }
            verdicts.insert(Arc::clone(&name), Arc::clone(&router.verdict));
            kept.insert(name, router);
        }
        memory.kept = kept;
        let before = std::mem::take(&mut memory.tables);
        let tables = entries.into_iter().enumerate().map(|(place, sides)| {
            let mut before = before.get(place).into_iter().flatten();
            sides.map(|side| Arc::new(Table::build_after(side, before.next().map(Arc::as_ref))))
        });
        memory.tables = tables.collect();
        let tables = memory.tables.iter().map(|[plain, encrypted]| Tables {
            plain: Arc::clone(plain),
            encrypted: Arc::clone(encrypted),
        });
        Self { tables: tables.collect(), verdicts, instances: work.instances }
    }
}

struct Work<'a> {
    catalog: &'a Catalog,
    services: &'a Services,
    middlewares: &'a Middlewares,
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
        before: Option<&Arc<Kept>>,
    ) -> Arc<Kept> {
        let before =
            before.filter(|kept| Arc::ptr_eq(&kept.config, config) || kept.config == *config);
        let matcher = match before {
            Some(kept) => kept.matcher.clone(),
            None => matcher(config),
        };
        let mut resolved = Resolved::default();
        if let Err(error) = &matcher {
            resolved.errors.push(error.clone());
        }
        let provider = provider_of(name);
        unsupported(config, &mut resolved);
        let priority = priority(config, provider, &mut resolved);
        let using = self.using(config, &mut resolved);
        let routes = self.routes(name, config, &using, &mut resolved);
        let routes = match before {
            Some(kept) if same_routes(&kept.routes, &routes) => kept.routes.clone(),
            _ => routes,
        };
        let using: Arc<[Arc<str>]> =
            using.into_iter().map(|place| self.entrypoint_name(place)).collect();
        let verdict = if resolved.errors.is_empty() {
            Verdict::live(resolved.warnings)
        } else {
            resolved.errors.append(&mut resolved.warnings);
            Verdict::disabled(resolved.errors)
        };
        let is_live = verdict.status != ElementStatus::Disabled;
        let verdict = RouterVerdict { config: Arc::clone(config), using, priority, verdict };
        if let Some(kept) = before
            && *kept.verdict == verdict
            && kept.routes.iter().zip(&routes).all(|((_, a), (_, b))| Arc::ptr_eq(a, b))
        {
            return Arc::clone(kept);
        }
        let routes = if is_live { routes } else { Vec::new() };
        Arc::new(Kept { config: Arc::clone(config), matcher, routes, verdict: Arc::new(verdict) })
    }

    fn entrypoint_name(&self, place: usize) -> Arc<str> {
        let found = self.catalog.entrypoints.get(place);
        found.map_or_else(|| "".into(), |entrypoint| Arc::clone(&entrypoint.name))
    }

    /// The places of the entrypoints a router is on.
    fn using(&self, config: &model::Router, resolved: &mut Resolved) -> Vec<usize> {
        let entrypoints = self.catalog.entrypoints.iter().enumerate();
        if config.entry_points.is_empty() {
            let default = entrypoints.filter(|(_, e)| e.default == IsDefault::Yes);
            return default.map(|(place, _)| place).collect();
        }
        let mut places = Vec::new();
        for wanted in &config.entry_points {
            let mut all = self.catalog.entrypoints.iter();
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
            let entrypoint = self.catalog.entrypoints.get(place);
            for middleware in entrypoint.iter().flat_map(|e| &e.middlewares) {
                self.steps(middleware, &mut steps, resolved);
            }
            steps.extend_from_slice(&own);
            let (name, service) = (Arc::clone(name), Arc::clone(&service));
            routes.push((place, Arc::new(Route { name, steps: steps.into(), service })));
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
        let found = self.services.live.get(&*name).cloned();
        if found.is_none() {
            resolved.errors.push(match self.services.verdicts.get(&name) {
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

fn same_routes(before: &[(usize, Arc<Route>)], now: &[(usize, Arc<Route>)]) -> bool {
    before.len() == now.len()
        && before.iter().zip(now).all(|((p, a), (q, b))| {
            p == q && a.steps == b.steps && Arc::ptr_eq(&a.service, &b.service)
        })
}

fn matcher(config: &model::Router) -> Result<Arc<Matcher>, String> {
    if config.rule.is_empty() {
        return Err("the rule is empty".to_owned());
    }
    let tree = rule::parse(&config.rule).map_err(|error| error.to_string())?;
    rule::compile(&tree).map(Arc::new).map_err(|error| error.to_string())
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
    if let Some(tls) = &config.tls {
        if !matches!(tls.options.as_str(), "" | "default") {
            resolved.errors.push("tls.options: not supported yet".to_owned());
        }
        if !tls.cert_resolver.is_empty() {
            let reason = "tls.certResolver: not supported yet; certificates come from files";
            resolved.warnings.push(reason.to_owned());
        }
    }
    if config.observability.is_some() {
        resolved.warnings.push("observability: not supported yet".to_owned());
    }
}

//! `IngressRoute`: routes become routers and their services.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::error::ObjectError;
use super::super::names::{Group, Id, element, rule_element};
use super::super::output::Origin;
use super::super::secrets;
use super::model::{ObjectRef, Route, RouteObject, RouteSpec, RouteTls};
use super::{Work, stays_inside, syntax};
use crate::model::{Router, RouterTls};
use crate::rule::{Syntax, scripts_of_rule};

const KIND: &str = "IngressRoute";
/// The TLS options of all routers that name none.
pub(super) const DEFAULT: &str = "default";

type Objects = BTreeMap<Id, Arc<RouteObject<Route>>>;

impl Work<'_> {
    pub(super) fn routes(&mut self, all: &Objects) {
        for (id, object) in all {
            for route in object.routes.iter().flatten() {
                let router = rule_element(&id.namespace, &id.name, &route.r#match);
                self.parents.entry(parent(id)).or_default().push(router);
            }
        }
        for (id, object) in all {
            let origin = Origin { kind: KIND, id };
            let spec = match &object.spec {
                Ok(spec) => spec,
                Err(error) => {
                    self.undecoded(origin, error);
                    continue;
                }
            };
            if self.is_ours(&object.class, &spec.ingress_class_name) {
                self.routes_of(id, spec, &object.routes);
            }
        }
    }

    fn routes_of(&mut self, id: &Id, spec: &RouteSpec, routes: &[super::model::Part<Route>]) {
        let origin = Origin { kind: KIND, id };
        let parents = match self.parents_of(id, &spec.parent_refs) {
            Ok(parents) => parents,
            Err(error) => return self.output.error(origin, "spec.parentRefs", &error),
        };
        if let Some(tls) = &spec.tls {
            self.certificate(origin, tls);
        }
        for (place, route) in routes.iter().enumerate() {
            let route = match route {
                Ok(route) => route,
                Err(error) => {
                    self.undecoded(origin, error);
                    continue;
                }
            };
            let path = format!("spec.routes[{place}]");
            if let Err(error) = self.route(id, spec, &parents, route) {
                self.output.error(origin, &path, &error);
            }
        }
    }

    /// The routers of the objects that an object names as its parents.
    fn parents_of(&self, id: &Id, parents: &[ObjectRef]) -> Result<Vec<String>, ObjectError> {
        let mut all = Vec::new();
        for to in parents {
            let rules = &self.view.rules;
            let namespace = rules.namespace(&id.namespace, &to.namespace, &to.name)?;
            let named = Id::new(namespace, &to.name);
            let routers = self.parents.get(&named);
            let missing = || ObjectError::Missing { kind: KIND, name: named.to_string() };
            all.extend(routers.ok_or_else(missing)?.iter().cloned());
        }
        Ok(all)
    }

    fn route(
        &mut self,
        id: &Id,
        spec: &RouteSpec,
        parents: &[String],
        route: &Route,
    ) -> Result<(), ObjectError> {
        if !matches!(route.kind.as_str(), "" | "Rule") {
            return Err(ObjectError::RouteKind(route.kind.clone()));
        }
        if route.r#match.is_empty() {
            return Err(ObjectError::NoMatch);
        }
        for script in scripts_of_rule(&route.r#match) {
            stays_inside("match", &script)?;
        }
        let middlewares = self.middleware_names(id, &route.middlewares)?;
        let tls = spec.tls.as_ref().map(|tls| self.router_tls(id, tls)).transpose()?;
        let name = rule_element(&id.namespace, &id.name, &route.r#match);
        let service = self.route_service(id, &name, &route.services)?;
        let router = Router {
            entry_points: spec.entry_points.clone(),
            middlewares,
            service,
            rule: route.r#match.clone(),
            rule_syntax: self.syntax(id, route),
            parent_refs: parents.to_vec(),
            priority: route.priority,
            tls,
            observability: route.observability.clone(),
            ..Router::default()
        };
        self.output.origin("http.routers", &name, Origin { kind: KIND, id });
        self.output.dynamic.http.routers.insert(name, Arc::new(router));
        Ok(())
    }

    /// The syntax that a route asks for; rules of the old group may be of the older one.
    fn syntax(&self, id: &Id, route: &Route) -> String {
        let may = id.group == Group::Old && self.settings.old_syntax && route.syntax.is_empty();
        if may && syntax::is_old(&route.r#match) {
            return Syntax::V2.name().to_owned();
        }
        route.syntax.clone()
    }

    fn router_tls(&self, id: &Id, tls: &RouteTls) -> Result<RouterTls, ObjectError> {
        Ok(RouterTls {
            options: self.options_name(id, tls.options.as_ref())?,
            cert_resolver: tls.cert_resolver.clone(),
            domains: tls.domains.clone(),
        })
    }

    /// The name of the TLS options that are referred to.
    pub(super) fn options_name(
        &self,
        id: &Id,
        options: Option<&ObjectRef>,
    ) -> Result<String, ObjectError> {
        let Some(options) = options.filter(|options| !options.name.is_empty()) else {
            return Ok(String::new());
        };
        if options.name.contains('@') {
            self.view.rules.qualified(&id.namespace, &options.name)?;
            return Ok(options.name.clone());
        }
        let rules = &self.view.rules;
        let namespace = rules.namespace(&id.namespace, &options.namespace, &options.name)?;
        // Options of this name are those of all who name none.
        if options.name == DEFAULT {
            return Ok(DEFAULT.to_owned());
        }
        Ok(element(namespace, &options.name))
    }

    /// Takes the certificate of a route's Secret. Without it the route stays, as in Traefik, and
    /// is served with another certificate.
    pub(super) fn certificate(&mut self, origin: Origin<'_>, tls: &RouteTls) {
        if tls.secret_name.is_empty() {
            return;
        }
        let secret = Id::new(&origin.id.namespace, &tls.secret_name);
        match secrets::certificate(self.view, &secret) {
            Ok(certificate) => self.output.certificate(secret, certificate),
            Err(error) => self.output.error(origin, "spec.tls.secretName", &error),
        }
    }
}

/// An object as others name it: both groups are one.
fn parent(id: &Id) -> Id {
    Id { group: Group::Present, ..id.clone() }
}

//! Ingress objects become a configuration.
//!
//! Pure, as is that of custom resources: a path that cannot be used is left out with its reason,
//! its neighbours stay.

mod annotations;
mod model;
mod rule;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ObjectError;
use super::names::{Id, hash, normalize};
use super::objects::{CLASS, IngressClass};
use super::output::{Origin, Output};
use super::secrets;
use super::store::Objects;
use super::view::View;
use crate::model::{IngressMetadata, Observability, Router, RouterMetadata};
use annotations::RouterOptions;
use model::Backend;
use rule::{PATH_MATCHERS, Prefixes, rule};

pub(super) use model::Ingress;

/// The name of the provider in element names.
pub(super) const NAME: &str = "kubernetes";

/// What the provider's options say of Ingress objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// The class that objects must have; empty means those of Traefik's controller.
    pub(super) class: String,
    /// Whether paths of the type `Prefix` match whole segments only.
    pub(super) strict_prefixes: bool,
}

/// What all parts of the work need.
struct Work<'a> {
    view: &'a View,
    settings: &'a Settings,
    output: Output,
}

/// Routers of one Ingress by name; several may come to one.
type Routers = BTreeMap<String, Vec<Router>>;

/// What the Ingress objects come to.
pub(super) fn build(
    ingresses: &Objects<Ingress>,
    classes: &Objects<IngressClass>,
    view: &View,
    settings: &Settings,
) -> Output {
    let mut work = Work { view, settings, output: Output::default() };
    for (id, ingress) in &**ingresses {
        if is_ours(ingress, classes, settings) {
            let origin = Origin { kind: "Ingress", id };
            work.ingress(origin, ingress);
        }
    }
    work.output.finish()
}

/// The controller whose classes are served.
const CONTROLLER: &str = "traefik.io/ingress-controller";

/// Whether an Ingress is of a class that is served.
pub(super) fn is_ours(
    ingress: &Ingress,
    classes: &Objects<IngressClass>,
    settings: &Settings,
) -> bool {
    let wanted = settings.class.as_str();
    if let Some(class) = &ingress.spec.ingress_class_name {
        let found = classes.get(&Id::new("", class));
        let is_controlled = found.is_some_and(|found| found.controller == CONTROLLER);
        return is_controlled && (wanted.is_empty() || wanted == class);
    }
    match ingress.annotations.get(CLASS).map_or("", String::as_str) {
        "" | "traefik" if wanted.is_empty() => true,
        class => class == wanted && !wanted.is_empty(),
    }
}

impl Work<'_> {
    fn ingress(&mut self, origin: Origin<'_>, ingress: &Ingress) {
        let options = match annotations::router(&ingress.annotations) {
            Ok(options) => options,
            Err(error) => return self.output.error(origin, error.path(), &error.clone().into()),
        };
        if let Err(error) = self.check(origin.id, &options) {
            return self.output.error(origin, "metadata.annotations", &error);
        }
        for (place, tls) in ingress.spec.tls.iter().enumerate() {
            self.certificate(origin, place, &tls.secret_name);
        }
        match &ingress.spec.default_backend {
            Some(backend) if ingress.spec.rules.is_empty() => {
                self.default_backend(origin, backend, &options);
            }
            _ => {
                let routers = self.routers(origin, ingress, &options);
                self.put(origin, routers);
            }
        }
    }

    /// Whether annotations ask for what cannot be had.
    fn check(&self, id: &Id, options: &RouterOptions) -> Result<(), ObjectError> {
        let matcher = options.path_matcher.as_str();
        if !matcher.is_empty() && !PATH_MATCHERS.contains(&matcher) {
            let known = PATH_MATCHERS.join(", ");
            let reason = format!("router.pathmatcher: {matcher:?} is none of {known}");
            return Err(ObjectError::Options(reason));
        }
        let tls = options.tls.iter().map(|tls| &tls.options);
        self.references(id, options.middlewares.iter().chain(tls))
    }

    /// Checks references that name another provider.
    fn references<'a>(
        &self,
        id: &Id,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), ObjectError> {
        let provider = |name: &str| name.rsplit_once('@').map(|(_, provider)| provider != NAME);
        let mut other = names.into_iter().filter(|name| provider(name) == Some(true));
        other.try_for_each(|name| self.view.rules.qualified(&id.namespace, name))
    }

    fn certificate(&mut self, origin: Origin<'_>, place: usize, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let secret = Id::new(&origin.id.namespace, secret);
        match secrets::certificate(self.view, &secret) {
            Ok(certificate) => self.output.certificate(secret, certificate),
            Err(error) => {
                self.output.error(origin, &format!("spec.tls[{place}].secretName"), &error);
            }
        }
    }

    /// The last resort of all entrypoints, of which there is one.
    fn default_backend(&mut self, origin: Origin<'_>, backend: &Backend, options: &RouterOptions) {
        let path = "spec.defaultBackend";
        if self.output.dynamic.http.routers.contains_key(DEFAULT_ROUTER) {
            let reason = "another Ingress has a default backend already".to_owned();
            return self.output.error(origin, path, &ObjectError::Options(reason));
        }
        let (_, service) = match self.service(origin.id, backend) {
            Ok(service) => service,
            Err(error) => return self.output.error(origin, path, &error),
        };
        self.output.origin("http.services", DEFAULT_SERVICE, origin);
        let services = &mut self.output.dynamic.http.services;
        services.insert(DEFAULT_SERVICE.to_owned(), Arc::new(service));
        let router = Router {
            rule: "PathPrefix(\"/\")".to_owned(),
            priority: i64::from(i32::MIN),
            observability: Some(observability(origin.id, backend, options)),
            ..router(options, DEFAULT_SERVICE)
        };
        self.put(origin, BTreeMap::from([(DEFAULT_ROUTER.to_owned(), vec![router])]));
    }

    fn routers(
        &mut self,
        origin: Origin<'_>,
        ingress: &Ingress,
        options: &RouterOptions,
    ) -> Routers {
        let prefixes = match self.settings.strict_prefixes {
            true => Prefixes::Strict,
            false => Prefixes::Loose,
        };
        let matcher = match options.path_matcher.as_str() {
            "" => "PathPrefix",
            matcher => matcher,
        };
        let mut routers = Routers::new();
        for (i, given) in ingress.spec.rules.iter().enumerate() {
            for (j, path) in given.http.paths.iter().enumerate() {
                let (name, service) = match self.service(origin.id, &path.backend) {
                    Ok(service) => service,
                    Err(error) => {
                        let at = format!("spec.rules[{i}].http.paths[{j}].backend");
                        self.output.error(origin, &at, &error);
                        continue;
                    }
                };
                self.output.origin("http.services", &name, origin);
                let services = &mut self.output.dynamic.http.services;
                services.insert(name.clone(), Arc::new(service));
                let rule = rule(&given.host, path, matcher, prefixes);
                let Id { namespace, name: own, .. } = origin.id;
                let key = normalize(&format!("{namespace}-{own}-{}{}", given.host, path.text));
                let observability = Some(observability(origin.id, &path.backend, options));
                let router = Router { rule, observability, ..router(options, &name) };
                routers.entry(key).or_default().push(router);
            }
        }
        routers
    }

    /// Puts routers in; those of one name are told from each other by their rules.
    fn put(&mut self, origin: Origin<'_>, routers: Routers) {
        for (key, several) in routers {
            let is_alone = several.len() == 1;
            for router in several {
                let name = match is_alone {
                    true => key.clone(),
                    false => format!("{key}-{}", hash(&router.rule, 10)),
                };
                self.output.origin("http.routers", &name, origin);
                self.output.dynamic.http.routers.insert(name, Arc::new(router));
            }
        }
    }
}

const DEFAULT_ROUTER: &str = "default-router";
const DEFAULT_SERVICE: &str = "default-backend";

/// A router as annotations say, without a rule.
fn router(options: &RouterOptions, service: &str) -> Router {
    Router {
        entry_points: options.entry_points.clone(),
        middlewares: options.middlewares.clone(),
        service: service.to_owned(),
        rule_syntax: options.rule_syntax.clone(),
        priority: options.priority,
        tls: options.tls.clone(),
        ..Router::default()
    }
}

/// The switches that annotations set, and for the access log where the router comes from.
fn observability(id: &Id, backend: &Backend, options: &RouterOptions) -> Observability {
    let ingress = backend.service.as_ref().map(|service| IngressMetadata {
        namespace: id.namespace.clone(),
        ingress_name: id.name.clone(),
        service_name: service.name.clone(),
        service_port: service.port.to_string(),
    });
    let metadata = Some(RouterMetadata { ingress });
    Observability { metadata, ..options.observability.clone().unwrap_or_default() }
}

//! What Moongate configures of itself: routers of the API, the dashboard and ping, and the
//! redirections of whole entrypoints.
//!
//! The elements are written in `internal.yaml`, as a user would write them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::records;
use crate::config::{EntryPointPlan, Redirection, Static};
use crate::model::{Diagnostic, Dynamic, Elements, Middleware, Router};
use crate::value::{DecodeError, DocumentError, Format, decode};

/// Why the built-in configuration cannot be used: a slip of ours, which a test catches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InternalError {
    /// It is no YAML.
    #[error("internal.yaml: {0}")]
    Document(#[from] DocumentError),
    /// It does not decode.
    #[error("internal.yaml: {0}")]
    Decode(#[from] DecodeError),
}

/// The entrypoint that API and ping are served on.
const INTERNAL: &str = "traefik";

/// The configuration of the provider `internal`, with what is wrong in what it was asked for.
pub(super) fn dynamic(plan: &Static) -> Result<(Dynamic, Vec<Diagnostic>), InternalError> {
    let all = based("")?;
    let mut wanted = Dynamic::default();
    let mut findings = Vec::new();
    if let Some(api) = plan.api.as_ref().filter(|api| api.insecure) {
        let all = based(api.prefix())?;
        serve(&mut wanted, &all, "api", INTERNAL);
        if api.dashboard {
            serve(&mut wanted, &all, "dashboard", INTERNAL);
            for name in ["dashboard_redirect", "dashboard_stripprefix"] {
                copy(&mut wanted.http.middlewares, &all.http.middlewares, name);
            }
        }
        if api.debug {
            serve(&mut wanted, &all, "debug", INTERNAL);
        }
    }
    if let Some(ping) = plan.ping.as_ref().filter(|ping| !ping.manual_routing) {
        serve(&mut wanted, &all, "ping", &ping.entry_point);
    }
    prove(&mut wanted, &all, plan);
    if let Some(prometheus) = records::prometheus(plan).filter(|p| !p.manual_routing) {
        serve(&mut wanted, &all, "prometheus", &prometheus.entry_point);
    }
    for entrypoint in &plan.entrypoints {
        if let Some(redirection) = &entrypoint.options.http.redirections.entry_point {
            match target(redirection, &plan.entrypoints) {
                Ok(port) => redirect(&mut wanted, &all, entrypoint, redirection, &port),
                Err(reason) => {
                    let path =
                        format!("entryPoints.{}.http.redirections.entryPoint.to", entrypoint.name);
                    findings.push(Diagnostic::error(path, reason));
                }
            }
        }
    }
    Ok((wanted, findings))
}

/// All elements, with paths of the API below a base path, which holds nothing that YAML or regular
/// expressions would read otherwise than as it stands, but for dots.
fn based(prefix: &str) -> Result<Dynamic, InternalError> {
    let text = include_str!("internal.yaml");
    let text = text.replace("{base_pattern}", &prefix.replace('.', "\\."));
    Ok(decode(&Format::Yaml.parse(&text.replace("{base}", prefix))?)?)
}

fn serve(wanted: &mut Dynamic, all: &Dynamic, name: &str, entrypoint: &str) {
    if let Some(router) = all.http.routers.get(name) {
        let entry_points = vec![entrypoint.to_owned()];
        let router = Router { entry_points, ..Router::clone(router) };
        wanted.http.routers.insert(name.to_owned(), Arc::new(router));
    }
}

/// Answers authorities on the entrypoints that resolvers name, in front of all routers, but where
/// an entrypoint lets its own routers see what they ask.
fn prove(wanted: &mut Dynamic, all: &Dynamic, plan: &Static) {
    let resolvers = plan.root.certificates_resolvers.values();
    let ways = resolvers.filter_map(|resolver| resolver.acme.as_ref()?.http_challenge.as_ref());
    let named: BTreeSet<&str> = ways.map(|way| way.entry_point.as_str()).collect();
    for (name, by_pass) in [("acme-http", false), ("acme-http-bypass", true)] {
        let here = plan.entrypoints.iter().filter(|entrypoint| {
            let options = &entrypoint.options;
            named.contains(&*entrypoint.name) && options.allow_acme_by_pass == by_pass
        });
        let entry_points: Vec<_> = here.map(|entrypoint| entrypoint.name.clone()).collect();
        if let (Some(router), false) = (all.http.routers.get(name), entry_points.is_empty()) {
            let router = Router { entry_points, ..Router::clone(router) };
            wanted.http.routers.insert(name.to_owned(), Arc::new(router));
        }
    }
}

fn copy<T>(wanted: &mut Elements<T>, all: &Elements<T>, name: &str) {
    if let Some(element) = all.get(name) {
        wanted.insert(name.to_owned(), Arc::clone(element));
    }
}

/// The port a redirection leads to; empty for the scheme's own.
fn target(redirection: &Redirection, entrypoints: &[EntryPointPlan]) -> Result<String, String> {
    let to = redirection.to.as_str();
    if let Some(port) = to.strip_prefix(':') {
        let port = port.parse::<u16>().map_err(|_| format!("{to:?} is no port"))?;
        return Ok(port.to_string());
    }
    let found = entrypoints.iter().find(|entrypoint| entrypoint.name == to);
    let found = found.ok_or_else(|| format!("there is no entrypoint {to:?}"))?;
    Ok(found.address.port.to_string())
}

/// A router in front of all others of an entrypoint that sends clients to another one.
fn redirect(
    wanted: &mut Dynamic,
    all: &Dynamic,
    entrypoint: &EntryPointPlan,
    redirection: &Redirection,
    port: &str,
) {
    let from = &entrypoint.name;
    let to = redirection.to.trim_start_matches(':');
    let middleware = format!("redirect-{from}-to-{to}");
    let (Some(router), Some(template)) =
        (all.http.routers.get("redirect"), all.http.middlewares.get("redirect"))
    else {
        return;
    };
    let router = Router {
        entry_points: vec![from.clone()],
        middlewares: vec![format!("{middleware}@internal")],
        priority: redirection.priority,
        ..Router::clone(router)
    };
    let mut scheme = Middleware::clone(template);
    for options in scheme.kinds.values_mut().filter_map(Value::as_object_mut) {
        options.insert("scheme".to_owned(), redirection.scheme.clone().into());
        options.insert("port".to_owned(), port.into());
        options.insert("permanent".to_owned(), redirection.permanent.into());
    }
    wanted.http.routers.insert(format!("{from}-to-{to}"), Arc::new(router));
    wanted.http.middlewares.insert(middleware, Arc::new(scheme));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Api, EntryPoint, Ping, Root};

    fn names(root: Root) -> (Vec<String>, Vec<String>, usize) {
        let plan = Static::resolve(root, 1).unwrap();
        let (dynamic, findings) = dynamic(&plan).unwrap();
        let routers = dynamic.http.routers.into_keys().collect();
        (routers, dynamic.http.middlewares.into_keys().collect(), findings.len())
    }

    #[test]
    fn only_what_is_asked_for() {
        assert_eq!(names(Root::default()), (vec![], vec![], 0));
        let api = Api { insecure: true, ..Api::default() };
        let root = Root { api: Some(api), ping: Some(Ping::default()), ..Root::default() };
        let (routers, middlewares, _) = names(root);
        assert_eq!(routers, ["api", "dashboard", "ping"]);
        assert_eq!(middlewares, ["dashboard_redirect", "dashboard_stripprefix"]);
        let api = Api { insecure: true, dashboard: false, ..Api::default() };
        assert_eq!(names(Root { api: Some(api), ..Root::default() }).0, ["api"]);
    }

    #[test]
    fn redirections_need_a_target() {
        let mut root = Root::default();
        let at = |address: &str| EntryPoint { address: address.into(), ..EntryPoint::default() };
        let mut web = at(":80");
        let redirection = Redirection { to: "websecure".into(), ..Redirection::default() };
        web.http.redirections.entry_point = Some(redirection);
        root.entry_points.insert("web".into(), web);
        let (routers, _, findings) = names(root.clone());
        assert_eq!((routers.len(), findings), (0, 1));
        root.entry_points.insert("websecure".into(), at(":443"));
        let (routers, middlewares, findings) = names(root);
        assert_eq!((&*routers[0], findings), ("web-to-websecure", 0));
        assert_eq!(middlewares, ["redirect-web-to-websecure"]);
    }
}

//! `IngressRouteTCP`: routes of connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::endpoints::{Ask, Reading, backends};
use super::super::error::ObjectError;
use super::super::names::{Id, normalize, rule_element};
use super::super::output::Origin;
use super::Work;
use super::model::{Part, Route, RouteTls, Routes, RoutesSpec, ServiceRef};
use crate::model::{
    TcpLoadBalancer, TcpRouter, TcpRouterTls, TcpServer, TcpService, TcpWeighted, WeightedChild,
};

const KIND: &str = "IngressRouteTCP";

impl Work<'_> {
    pub(super) fn tcp_routes(&mut self, all: &BTreeMap<Id, Arc<Routes<Route>>>) {
        for (id, object) in all {
            let origin = Origin { kind: KIND, id };
            match &object.spec {
                Err(error) => self.undecoded(origin, error),
                Ok(spec) if self.is_ours(&object.class, &spec.ingress_class_name) => {
                    self.tcp_routes_of(id, spec, &object.routes);
                }
                Ok(_) => {}
            }
        }
    }

    fn tcp_routes_of(&mut self, id: &Id, spec: &RoutesSpec, routes: &[Part<Route>]) {
        let origin = Origin { kind: KIND, id };
        if let Some(tls) = spec.tls.as_ref().filter(|tls| !tls.passthrough) {
            self.certificate(origin, tls);
        }
        for (place, route) in routes.iter().enumerate() {
            let path = format!("spec.routes[{place}]");
            let outcome = match route {
                Ok(route) => self.tcp_route(id, spec, &path, route),
                Err(error) => {
                    self.undecoded(origin, error);
                    continue;
                }
            };
            if let Err(error) = outcome {
                self.output.error(origin, &path, &error);
            }
        }
    }

    fn tcp_route(
        &mut self,
        id: &Id,
        spec: &RoutesSpec,
        path: &str,
        route: &Route,
    ) -> Result<(), ObjectError> {
        if route.r#match.is_empty() {
            return Err(ObjectError::NoMatch);
        }
        let middlewares = self.middleware_names(id, &route.middlewares)?;
        let tls = spec.tls.as_ref().map(|tls| self.tcp_tls(id, tls)).transpose()?;
        let name = rule_element(&id.namespace, &id.name, &route.r#match);
        self.tcp_service(id, &name, path, &route.services);
        let router = TcpRouter {
            entry_points: spec.entry_points.clone(),
            middlewares,
            service: name.clone(),
            rule: route.r#match.clone(),
            rule_syntax: route.syntax.clone(),
            priority: route.priority,
            tls,
        };
        self.output.origin("tcp.routers", &name, Origin { kind: KIND, id });
        self.output.dynamic.tcp.routers.insert(name, Arc::new(router));
        Ok(())
    }

    fn tcp_tls(&self, id: &Id, tls: &RouteTls) -> Result<TcpRouterTls, ObjectError> {
        Ok(TcpRouterTls {
            passthrough: tls.passthrough,
            options: self.options_name(id, tls.options.as_ref())?,
            cert_resolver: tls.cert_resolver.clone(),
            domains: tls.domains.clone(),
        })
    }

    /// Makes the service of a route. Of several those that cannot be used are passed over; where
    /// none is left there is no service, and the router is disabled.
    fn tcp_service(&mut self, id: &Id, name: &str, path: &str, services: &[ServiceRef]) {
        let origin = Origin { kind: KIND, id };
        let mut weighted = TcpWeighted::default();
        for (place, service) in services.iter().enumerate() {
            let balancer = match self.tcp_servers(id, service) {
                Ok(balancer) => balancer,
                Err(error) => {
                    self.output.error(origin, &format!("{path}.services[{place}]"), &error);
                    continue;
                }
            };
            let made = TcpService { load_balancer: Some(balancer), ..TcpService::default() };
            if services.len() == 1 {
                return self.put_tcp(name.to_owned(), made, origin);
            }
            let child = normalize(&format!("{name}-{}-{}", service.name, service.port));
            let weight = Some(service.weight.unwrap_or(1));
            weighted.services.push(WeightedChild { name: child.clone(), weight });
            self.put_tcp(child, made, origin);
        }
        if !weighted.services.is_empty() {
            let made = TcpService { weighted: Some(weighted), ..TcpService::default() };
            self.put_tcp(name.to_owned(), made, origin);
        }
    }

    fn put_tcp(&mut self, name: String, service: TcpService, origin: Origin<'_>) {
        self.output.origin("tcp.services", &name, origin);
        self.output.dynamic.tcp.services.insert(name, Arc::new(service));
    }

    fn tcp_servers(&self, id: &Id, service: &ServiceRef) -> Result<TcpLoadBalancer, ObjectError> {
        let rules = &self.view.rules;
        let namespace = rules.namespace(&id.namespace, &service.namespace, &service.name)?;
        let of = Id::new(namespace, &service.name);
        let found = backends(self.view, stream(&of, service))?;
        let server = |address: String| TcpServer { address, tls: service.tls };
        Ok(TcpLoadBalancer {
            servers: found.addresses.into_iter().map(|backend| server(backend.address)).collect(),
            servers_transport: self.transport_name(&of, &service.servers_transport)?,
            proxy_protocol: service.proxy_protocol.clone(),
            termination_delay: service.termination_delay,
            health_check: None,
        })
    }
}

/// What is asked of a Service behind connections or datagrams.
pub(super) fn stream<'a>(of: &'a Id, service: &'a ServiceRef) -> Ask<'a> {
    Ask {
        service: of,
        port: &service.port,
        native: service.native_lb,
        node_port: service.node_port_lb,
        reading: Reading::Ready,
    }
}

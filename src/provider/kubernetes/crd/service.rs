//! Services as routes and others name them become services of servers, or of services.

use std::sync::Arc;

use super::super::endpoints::{Ask, Reading, backends};
use super::super::error::ObjectError;
use super::super::names::{Id, element, normalize};
use super::super::objects::ServiceKind;
use super::super::output::Origin;
use super::super::scheme::scheme;
use super::model::ServiceRef;
use super::{Work, stays_inside};
use crate::model::{LoadBalancer, Server, Service, Weighted, WeightedChild};

/// What a reference to a service means.
pub(super) enum Named {
    /// A service of servers that is made for it.
    Made {
        /// What it is called where it is one of several.
        name: String,
        service: Box<Service>,
    },
    /// A service that is there, or should be.
    There(String),
}

impl Work<'_> {
    /// The service of a route: the only one it names, or one that shares its requests among
    /// several. Nothing for a route without services, which is the parent of others.
    pub(super) fn route_service(
        &mut self,
        id: &Id,
        name: &str,
        services: &[ServiceRef],
    ) -> Result<String, ObjectError> {
        let origin = Origin { kind: "IngressRoute", id };
        let service = match services {
            [] => return Ok(String::new()),
            [only] => match self.named(id, only)? {
                Named::There(name) => return Ok(name),
                Named::Made { service, .. } => *service,
            },
            several => {
                let services = self.children(origin, several)?;
                let weighted = Weighted { services, ..Weighted::default() };
                Service { weighted: Some(weighted), ..Service::default() }
            }
        };
        self.put(name, service, origin);
        Ok(name.to_owned())
    }

    /// Services that share requests by weight.
    pub(super) fn children(
        &mut self,
        origin: Origin<'_>,
        services: &[ServiceRef],
    ) -> Result<Vec<WeightedChild>, ObjectError> {
        let named = services.iter().map(|s| Ok((s, self.named(origin.id, s)?)));
        let named: Vec<_> = named.collect::<Result<_, ObjectError>>()?;
        let child = |(service, named): (&ServiceRef, Named)| WeightedChild {
            name: self.settle(origin, named),
            weight: Some(service.weight.unwrap_or(1)),
        };
        Ok(named.into_iter().map(child).collect())
    }

    /// The name of the one service a reference means, which is made if need be.
    pub(super) fn child(
        &mut self,
        origin: Origin<'_>,
        service: &ServiceRef,
    ) -> Result<String, ObjectError> {
        let named = self.named(origin.id, service)?;
        Ok(self.settle(origin, named))
    }

    fn settle(&mut self, origin: Origin<'_>, named: Named) -> String {
        match named {
            Named::There(name) => name,
            Named::Made { name, service } => {
                self.put(&name, *service, origin);
                name
            }
        }
    }

    pub(super) fn put(&mut self, name: &str, service: Service, origin: Origin<'_>) {
        self.output.origin("http.services", name, origin);
        self.output.dynamic.http.services.insert(name.to_owned(), Arc::new(service));
    }

    /// What a reference to a service means.
    pub(super) fn named(&self, id: &Id, service: &ServiceRef) -> Result<Named, ObjectError> {
        let rules = &self.view.rules;
        match service.kind.as_str() {
            "" | "Service" => {
                let namespace =
                    rules.namespace(&id.namespace, &service.namespace, &service.name)?;
                let of = Id::new(namespace, &service.name);
                let made = Box::new(self.servers(&of, service)?);
                let name = normalize(&format!("{namespace}-{}-{}", service.name, service.port));
                Ok(Named::Made { name, service: made })
            }
            "TraefikService" => {
                let (name, provider) = service.name.rsplit_once('@').unwrap_or((&service.name, ""));
                if !provider.is_empty() && provider != super::NAME {
                    rules.qualified(&id.namespace, &service.name)?;
                    return Ok(Named::There(service.name.clone()));
                }
                let namespace = rules.namespace(&id.namespace, &service.namespace, name)?;
                Ok(Named::There(element(namespace, name)))
            }
            kind => Err(ObjectError::Kind(kind.to_owned())),
        }
    }

    /// The servers behind a Service, and how they are spoken to.
    fn servers(&self, of: &Id, service: &ServiceRef) -> Result<Service, ObjectError> {
        let strategy = strategy(&service.strategy)?;
        let script = service.hash_by.as_ref().map_or("", |by| &by.lua);
        stays_inside("hashBy.lua", script)?;
        let ask = Ask {
            service: of,
            port: &service.port,
            native: service.native_lb,
            node_port: service.node_port_lb,
            reading: Reading::Serving,
        };
        let found = backends(self.view, ask)?;
        let is_pods = self.view.service(of)?.kind != ServiceKind::ExternalName;
        if service.health_check.is_some() && is_pods {
            return Err(ObjectError::HealthCheck { name: of.to_string() });
        }
        let scheme = scheme(&service.scheme, &found.port.name, found.port.number)?;
        let server = |backend: &super::super::endpoints::Backend| Server {
            url: format!("{scheme}://{}", backend.address),
            fenced: backend.is_fenced,
            ..Server::default()
        };
        let balancer = LoadBalancer {
            servers: found.addresses.iter().map(server).collect(),
            strategy,
            hash_by: service.hash_by.clone(),
            pass_host_header: service.pass_host_header.unwrap_or(true),
            servers_transport: self.transport_name(of, &service.servers_transport)?,
            response_forwarding: service.response_forwarding.clone(),
            sticky: service.sticky.clone(),
            health_check: service.health_check.clone(),
            passive_health_check: service.passive_health_check.clone(),
            ..LoadBalancer::default()
        };
        let middlewares = self.middleware_names(of, &service.middlewares)?;
        Ok(Service { load_balancer: Some(balancer), middlewares, ..Service::default() })
    }

    /// The name of the transport a service asks for.
    pub(super) fn transport_name(&self, of: &Id, name: &str) -> Result<String, ObjectError> {
        if name.is_empty() {
            return Ok(String::new());
        }
        if name.contains('@') {
            self.view.rules.qualified(&of.namespace, name)?;
            return Ok(name.to_owned());
        }
        Ok(element(&of.namespace, name))
    }
}

fn strategy(name: &str) -> Result<String, ObjectError> {
    match name {
        // As Traefik spelled it before.
        "" | "RoundRobin" => Ok("wrr".to_owned()),
        "wrr" | "p2c" | "hrw" | "leasttime" => Ok(name.to_owned()),
        other => Err(ObjectError::Strategy(other.to_owned())),
    }
}

//! `IngressRouteUDP`: routes of datagrams.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::endpoints::backends;
use super::super::error::ObjectError;
use super::super::names::{Id, normalize};
use super::super::output::Origin;
use super::Work;
use super::model::{Routes, RoutesSpec, ServiceRef, UdpRoute};
use super::tcp::stream;
use crate::model::{UdpLoadBalancer, UdpRouter, UdpServer, UdpService, UdpWeighted, WeightedChild};

const KIND: &str = "IngressRouteUDP";

impl Work<'_> {
    pub(super) fn udp_routes(&mut self, all: &BTreeMap<Id, Arc<Routes<UdpRoute>>>) {
        for (id, object) in all {
            let origin = Origin { kind: KIND, id };
            let spec = match &object.spec {
                Ok(spec) => spec,
                Err(error) => {
                    self.undecoded(origin, error);
                    continue;
                }
            };
            if !self.is_ours(&object.class, &spec.ingress_class_name) {
                continue;
            }
            for (place, route) in object.routes.iter().enumerate() {
                match route {
                    Ok(route) => self.udp_route(id, spec, place, route),
                    Err(error) => self.undecoded(origin, error),
                }
            }
        }
    }

    fn udp_route(&mut self, id: &Id, spec: &RoutesSpec, place: usize, route: &UdpRoute) {
        let origin = Origin { kind: KIND, id };
        let name = normalize(&format!("{}-{}-{place}", id.namespace, id.name));
        self.udp_service(origin, &name, &format!("spec.routes[{place}]"), &route.services);
        let (entry_points, service) = (spec.entry_points.clone(), name.clone());
        let router = UdpRouter { entry_points, service };
        self.output.origin("udp.routers", &name, origin);
        self.output.dynamic.udp.routers.insert(name, Arc::new(router));
    }

    /// Makes the service of a route, as for TCP.
    fn udp_service(&mut self, origin: Origin<'_>, name: &str, path: &str, services: &[ServiceRef]) {
        let mut weighted = UdpWeighted::default();
        for (place, service) in services.iter().enumerate() {
            let servers = match self.udp_servers(origin.id, service) {
                Ok(servers) => servers,
                Err(error) => {
                    self.output.error(origin, &format!("{path}.services[{place}]"), &error);
                    continue;
                }
            };
            let balancer = Some(UdpLoadBalancer { servers });
            let made = UdpService { load_balancer: balancer, ..UdpService::default() };
            if services.len() == 1 {
                return self.put_udp(name.to_owned(), made, origin);
            }
            let child = normalize(&format!("{name}-{}-{}", service.name, service.port));
            let weight = Some(service.weight.unwrap_or(1));
            weighted.services.push(WeightedChild { name: child.clone(), weight });
            self.put_udp(child, made, origin);
        }
        if !weighted.services.is_empty() {
            let made = UdpService { weighted: Some(weighted), ..UdpService::default() };
            self.put_udp(name.to_owned(), made, origin);
        }
    }

    fn put_udp(&mut self, name: String, service: UdpService, origin: Origin<'_>) {
        self.output.origin("udp.services", &name, origin);
        self.output.dynamic.udp.services.insert(name, Arc::new(service));
    }

    fn udp_servers(&self, id: &Id, service: &ServiceRef) -> Result<Vec<UdpServer>, ObjectError> {
        let rules = &self.view.rules;
        let namespace = rules.namespace(&id.namespace, &service.namespace, &service.name)?;
        let found = backends(self.view, stream(&Id::new(namespace, &service.name), service))?;
        let addresses = found.addresses.into_iter();
        Ok(addresses.map(|backend| UdpServer { address: backend.address }).collect())
    }
}

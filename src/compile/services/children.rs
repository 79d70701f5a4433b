//! `weighted` and `highestRandomWeight`: services that are made of services.

use std::sync::Arc;

use super::{Work, new, propagation};
use crate::compile::{provider_of, qualify};
use crate::model;
use crate::service::{Child, Children, Kind, Order, Rendezvous, Service, Turn};

impl Work<'_> {
    pub(super) fn weighted(
        &mut self,
        name: &str,
        config: &model::Service,
        weighted: &model::Weighted,
    ) -> Result<Arc<Service>, String> {
        let services = self.children(name, &weighted.services, weighted.health_check)?;
        let before = self.before(name, config);
        if let Some(service) = unchanged(before.as_ref(), &services) {
            return Ok(service);
        }
        let health = propagation(weighted.health_check);
        if let Some(before) = before.as_deref().and_then(children_of) {
            let (order, sticky) = (before.order.clone(), before.sticky.clone());
            return Ok(new(name, Kind::Children(Children { services, order, sticky, health })));
        }
        let weights: Vec<u32> = services.iter().map(|child| child.weight).collect();
        let order = Order::Turns(Arc::new(Turn::new(&weights)));
        let sticky = self.sticky(name, weighted.sticky.as_ref(), &named(&weighted.services))?;
        Ok(new(name, Kind::Children(Children { services, order, sticky, health })))
    }

    pub(super) fn highest_random_weight(
        &mut self,
        name: &str,
        config: &model::Service,
        hrw: &model::HighestRandomWeight,
    ) -> Result<Arc<Service>, String> {
        let services = self.children(name, &hrw.services, hrw.health_check)?;
        let before = self.before(name, config);
        if let Some(service) = unchanged(before.as_ref(), &services) {
            return Ok(service);
        }
        let order = Order::Rendezvous(Arc::new(Rendezvous::new(named(&hrw.services))));
        let health = propagation(hrw.health_check);
        Ok(new(name, Kind::Children(Children { services, order, sticky: None, health })))
    }

    fn children(
        &mut self,
        name: &str,
        children: &[model::WeightedChild],
        health_check: Option<model::HealthCheck>,
    ) -> Result<Vec<Child>, String> {
        let mut services = Vec::with_capacity(children.len());
        for child in children {
            let service = self.child(&qualify(&child.name, provider_of(name)))?;
            if health_check.is_some() {
                Self::must_tell(&service)?;
            }
            services.push(Child { service, weight: child.weight.unwrap_or(1) });
        }
        Ok(services)
    }
}

/// Children by the names they are referred to with, which cookies and hashes are made of.
fn named(children: &[model::WeightedChild]) -> Vec<(&str, u32)> {
    children.iter().map(|child| (child.name.as_str(), child.weight.unwrap_or(1))).collect()
}

fn children_of(service: &Service) -> Option<&Children> {
    match &service.kind {
        Kind::Children(children) => Some(children),
        _ => None,
    }
}

/// The service as it was, when its children are, too.
fn unchanged(before: Option<&Arc<Service>>, services: &[Child]) -> Option<Arc<Service>> {
    let service = before?;
    let children = &children_of(service)?.services;
    let is_same = children.len() == services.len()
        && children.iter().zip(services).all(|(a, b)| Arc::ptr_eq(&a.service, &b.service));
    is_same.then(|| Arc::clone(service))
}

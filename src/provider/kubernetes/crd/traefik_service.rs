//! `TraefikService`: services made of services.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::error::ObjectError;
use super::super::names::{Id, element};
use super::super::output::Origin;
use super::Work;
use super::model;
use crate::model::{Failover, HighestRandomWeight, Mirror, Mirroring, Service, Weighted};

impl Work<'_> {
    pub(super) fn traefik_services(&mut self, all: &BTreeMap<Id, Arc<model::TraefikService>>) {
        for (id, object) in all {
            let origin = Origin { kind: "TraefikService", id };
            let spec = match &object.spec {
                Ok(spec) => spec,
                Err(error) => {
                    self.undecoded(origin, error);
                    continue;
                }
            };
            match self.traefik_service(origin, spec) {
                Ok(service) => self.put(&element(&id.namespace, &id.name), service, origin),
                Err((path, error)) => self.output.error(origin, path, &error),
            }
        }
    }

    fn traefik_service(
        &mut self,
        origin: Origin<'_>,
        spec: &model::TraefikServiceSpec,
    ) -> Result<Service, (&'static str, ObjectError)> {
        let mut service = Service::default();
        let model::TraefikServiceSpec { weighted, mirroring, highest_random_weight, failover } =
            spec;
        match (weighted, mirroring, highest_random_weight, failover) {
            (Some(spec), None, None, None) => {
                let services =
                    self.children(origin, &spec.services).map_err(|e| ("spec.weighted", e))?;
                let sticky = spec.sticky.clone();
                service.weighted = Some(Weighted { services, sticky, health_check: None });
            }
            (None, Some(spec), None, None) => {
                let mirroring = self.mirroring(origin, spec).map_err(|e| ("spec.mirroring", e))?;
                service.mirroring = Some(mirroring);
            }
            (None, None, Some(spec), None) => {
                let services = self.children(origin, &spec.services);
                let services = services.map_err(|e| ("spec.highestRandomWeight", e))?;
                service.highest_random_weight =
                    Some(HighestRandomWeight { services, health_check: None });
            }
            (None, None, None, Some(spec)) => {
                let failover = self.failover(origin, spec).map_err(|e| ("spec.failover", e))?;
                service.failover = Some(failover);
            }
            _ => return Err(("spec", ObjectError::OneOf(KINDS))),
        }
        Ok(service)
    }

    fn mirroring(
        &mut self,
        origin: Origin<'_>,
        spec: &model::Mirroring,
    ) -> Result<Mirroring, ObjectError> {
        let mirrors = spec.own.mirrors.iter();
        let mirrors = mirrors
            .map(|mirror| Ok(Mirror { name: self.child(origin, mirror)?, percent: mirror.percent }))
            .collect::<Result<Vec<_>, ObjectError>>()?;
        let all = Mirroring::default();
        Ok(Mirroring {
            service: self.child(origin, &spec.main)?,
            mirror_body: spec.own.mirror_body.unwrap_or(all.mirror_body),
            max_body_size: spec.own.max_body_size.unwrap_or(all.max_body_size),
            mirrors,
            health_check: None,
        })
    }

    fn failover(
        &mut self,
        origin: Origin<'_>,
        spec: &model::Failover,
    ) -> Result<Failover, ObjectError> {
        Ok(Failover {
            service: self.child(origin, &spec.service)?,
            fallback: self.child(origin, &spec.fallback)?,
            health_check: None,
            errors: spec.errors.clone(),
        })
    }
}

const KINDS: &str = "weighted, mirroring, highestRandomWeight and failover";

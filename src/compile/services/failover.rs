//! `failover`: a service and its replacement.

use std::sync::Arc;

use super::{Work, new, propagation};
use crate::compile::{provider_of, qualify};
use crate::model;
use crate::service::{Failover, Kind, Service, Statuses};

impl Work<'_> {
    pub(super) fn failover(
        &mut self,
        name: &str,
        config: &model::Service,
        options: &model::Failover,
    ) -> Result<Arc<Service>, String> {
        let provider = provider_of(name);
        let service = self.child(&qualify(&options.service, provider))?;
        let errors = options.errors.as_ref().filter(|errors| !errors.status.is_empty());
        let errors = errors.map(|e| Statuses::parse(&e.status, e.max_request_body_bytes));
        let errors = errors.transpose().map_err(|error| error.to_string())?;
        if errors.is_none() {
            // Without health and errors the fallback would never be used.
            Self::must_tell(&service)?;
        }
        let fallback = self.child(&qualify(&options.fallback, provider))?;
        if options.health_check.is_some() {
            Self::must_tell(&fallback)?;
        }
        if let Some(before) = self.before(name, config)
            && let Kind::Failover(failover) = &before.kind
            && Arc::ptr_eq(&failover.service, &service)
            && Arc::ptr_eq(&failover.fallback, &fallback)
        {
            return Ok(before);
        }
        let health = propagation(options.health_check);
        Ok(new(name, Kind::Failover(Failover { service, fallback, errors, health })))
    }
}

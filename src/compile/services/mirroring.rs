//! `mirroring`: a service, and services that get copies of its requests.

use std::sync::Arc;

use super::{Work, new, propagation};
use crate::compile::{provider_of, qualify};
use crate::model;
use crate::service::{Kind, Mirroring, Service, Shares};

impl Work<'_> {
    pub(super) fn mirroring(
        &mut self,
        name: &str,
        config: &model::Service,
        options: &model::Mirroring,
    ) -> Result<Arc<Service>, String> {
        let provider = provider_of(name);
        let service = self.child(&qualify(&options.service, provider))?;
        let (mut mirrors, mut percents) = (Vec::new(), Vec::new());
        for mirror in &options.mirrors {
            mirrors.push(self.child(&qualify(&mirror.name, provider))?);
            let percent = u32::try_from(mirror.percent).ok().filter(|percent| *percent <= 100);
            percents.push(percent.ok_or("mirrors.percent: expected 0 to 100")?);
        }
        let before = self.before(name, config);
        let mirroring = before.as_deref().and_then(|before| match &before.kind {
            Kind::Mirroring(mirroring) => Some(mirroring),
            _ => None,
        });
        if let (Some(before), Some(mirroring)) = (&before, mirroring)
            && Arc::ptr_eq(&mirroring.service, &service)
            && mirroring.mirrors.iter().zip(&mirrors).all(|(a, b)| Arc::ptr_eq(a, b))
        {
            return Ok(Arc::clone(before));
        }
        let shares = match mirroring {
            Some(mirroring) => Arc::clone(&mirroring.shares),
            None => Arc::new(Shares::new(percents)),
        };
        let body_limit = options.mirror_body.then_some(options.max_body_size);
        let health = propagation(options.health_check);
        Ok(new(name, Kind::Mirroring(Mirroring { service, mirrors, shares, body_limit, health })))
    }
}

//! `middlewares` of a service: scripts in front of it, on whatever way a request comes to it.

use std::sync::Arc;

use super::{Work, new};
use crate::compile::{provider_of, qualify};
use crate::service::{Behind, Kind, Service};

impl Work<'_> {
    /// The service behind its middlewares.
    pub(super) fn behind(
        &mut self,
        name: &str,
        middlewares: &[String],
        service: &Arc<Service>,
    ) -> Result<Arc<Service>, String> {
        if middlewares.is_empty() {
            return Ok(Arc::clone(service));
        }
        let mut steps = Vec::new();
        let all = self.middlewares;
        for middleware in middlewares {
            let resolved = all.get(&qualify(middleware, provider_of(name)))?;
            for referred in &resolved.services {
                // A script's service is one that this one stands on, like any child.
                self.child(referred)?;
            }
            steps.extend(resolved.scripts.iter().map(|spec| spec.id));
            self.instances.extend(resolved.scripts.iter().cloned());
        }
        if let Some(kept) = self.memory.services.get(name)
            && let Kind::Behind(before) = &kept.outer.kind
            && *before.steps == *steps
            && Arc::ptr_eq(&before.service, service)
        {
            return Ok(Arc::clone(&kept.outer));
        }
        let behind = Behind { steps: steps.into(), service: Arc::clone(service) };
        Ok(new(name, Kind::Behind(behind)))
    }
}

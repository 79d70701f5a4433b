//! Routers with their TLS options: where these are in conflict, a router is shown apart, as in
//! Traefik.

use std::sync::Arc;

use super::super::tls;
use super::{Place, Resolved, Work};
use crate::model::{self, ElementStatus, RouterVerdict};
use crate::tls::DEFAULT;

impl Work<'_> {
    /// The decision about a router: one, and one for each entrypoint on which it has not the TLS
    /// options it asks for, under a name of its own.
    pub(super) fn verdicts(
        &self,
        name: &Arc<str>,
        template: &RouterVerdict,
        places: &[Place],
    ) -> Vec<(Arc<str>, Arc<RouterVerdict>)> {
        let (apart, own): (Vec<Place>, Vec<Place>) =
            places.iter().partition(|place| self.is_apart(name, **place));
        let on = |places: &[Place], verdict| {
            let names = places.iter().filter_map(|place| self.entrypoint_name(*place));
            let using: Arc<[Arc<str>]> = names.collect();
            let mut config = Arc::clone(&template.config);
            if !apart.is_empty() {
                let entry_points = using.iter().map(ToString::to_string).collect();
                config = Arc::new(model::Router { entry_points, ..(*config).clone() });
            }
            Arc::new(RouterVerdict { config, using, verdict, ..template.clone() })
        };
        let verdict = &template.verdict;
        let mut verdicts = Vec::with_capacity(1);
        if apart.is_empty() || !own.is_empty() {
            verdicts.push((Arc::clone(name), on(&own, verdict.clone())));
        }
        for &place in &apart {
            let mut verdict = verdict.clone();
            if let Some(reason) = self.conflict(name, &template.config, place) {
                verdict.errors.push(reason);
                if verdict.status == ElementStatus::Enabled {
                    verdict.status = ElementStatus::Warning;
                }
            }
            verdicts.push((self.name_at(name, place), on(&[place], verdict)));
        }
        verdicts
    }

    /// Why a router has not the TLS options it asks for; none where it asks for the default ones.
    fn conflict(&self, name: &str, config: &model::Router, place: Place) -> Option<String> {
        let entrypoint = self.catalog.entrypoints.get(place.entrypoint()?)?;
        let wanted = tls::wanted(name, config, entrypoint).filter(|wanted| wanted != DEFAULT)?;
        Some(if self.assignment.hosts_of(name).is_none_or(|hosts| hosts.is_empty()) {
            format!("the rule names no host, so that the TLS options {wanted} cannot be applied")
        } else {
            format!(
                "routers of the same host and entrypoint ask for other TLS options than {wanted}, \
                 so that the default ones are in force"
            )
        })
    }

    /// A router's name at a place; in conflict it is Traefik's for that.
    pub(super) fn name_at(&self, name: &Arc<str>, place: Place) -> Arc<str> {
        match self.entrypoint_name(place).filter(|_| self.is_apart(name, place)) {
            Some(entrypoint) => format!("{entrypoint}-conflicted-{name}").into(),
            None => Arc::clone(name),
        }
    }

    /// The name of the TLS options that are in force for a router at a place.
    pub(super) fn tls(
        &self,
        name: &Arc<str>,
        config: &model::Router,
        place: Place,
        resolved: &mut Resolved,
    ) -> Option<Arc<str>> {
        let entrypoint = self.catalog.entrypoints.get(place.entrypoint()?)?;
        let wanted = tls::wanted(name, config, entrypoint)?;
        let mut options = self.options.get(&wanted);
        if options.is_ok() && self.is_apart(name, place) {
            options = self.options.get(DEFAULT);
        }
        match options {
            Ok(options) => Some(Arc::clone(options.name())),
            Err(error) => {
                if !resolved.errors.contains(&error) {
                    resolved.errors.push(error);
                }
                None
            }
        }
    }

    fn is_apart(&self, name: &str, place: Place) -> bool {
        place.entrypoint().is_some_and(|place| self.assignment.is_conflicted(name, place))
    }

    fn entrypoint_name(&self, place: Place) -> Option<Arc<str>> {
        let entrypoint = self.catalog.entrypoints.get(place.entrypoint()?)?;
        Some(Arc::clone(&entrypoint.name))
    }
}

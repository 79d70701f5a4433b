//! Routers as they are shown: apart for an entrypoint that adds something to them, or on which
//! their TLS options are in conflict, under Traefik's names.

use std::sync::Arc;

use super::super::{EntrypointFacts, IsDefault, provider_of, tls};
use super::{Place, Resolved, Work};
use crate::model::{self, ElementStatus, RouterVerdict};
use crate::tls::DEFAULT;

impl Work<'_> {
    /// The decision about a router: one, and one for each entrypoint for which it has a name of its
    /// own.
    pub(super) fn verdicts(
        &self,
        name: &Arc<str>,
        template: &RouterVerdict,
        places: &[Place],
    ) -> Vec<(Arc<str>, Arc<RouterVerdict>)> {
        let (own, apart): (Vec<Place>, Vec<Place>) =
            places.iter().partition(|place| self.name_at(name, &template.config, **place) == *name);
        let mut verdicts = Vec::with_capacity(1);
        if apart.is_empty() || !own.is_empty() {
            let mut verdict = template.clone();
            if !apart.is_empty() {
                self.narrow(&mut verdict, &own);
            }
            if let [place] = *own {
                self.complete(name, &mut verdict, place);
            }
            verdict.using = self.names(&own);
            verdicts.push((Arc::clone(name), Arc::new(verdict)));
        }
        for &place in &apart {
            let mut verdict = template.clone();
            if self.is_conflicted(name, place)
                && let Some(reason) = self.conflict(name, &template.config, place)
            {
                verdict.verdict.errors.push(reason);
                if verdict.verdict.status == ElementStatus::Enabled {
                    verdict.verdict.status = ElementStatus::Warning;
                }
            }
            self.narrow(&mut verdict, &[place]);
            self.complete(name, &mut verdict, place);
            verdict.using = self.names(&[place]);
            let name = self.name_at(name, &template.config, place);
            verdicts.push((name, Arc::new(verdict)));
        }
        verdicts
    }

    /// Shows a router for some of its entrypoints.
    fn narrow(&self, verdict: &mut RouterVerdict, places: &[Place]) {
        let entry_points = self.names(places).iter().map(ToString::to_string).collect();
        verdict.config = Arc::new(model::Router { entry_points, ..(*verdict.config).clone() });
    }

    /// Shows what the entrypoint adds.
    fn complete(&self, name: &str, verdict: &mut RouterVerdict, place: Place) {
        let Some(entrypoint) = self.model(name, place) else { return };
        let given = &verdict.config;
        if (entrypoint.tls.is_none() || given.tls.is_some()) && entrypoint.middlewares.is_empty() {
            return;
        }
        let mut config = (**given).clone();
        config.tls = config.tls.or_else(|| entrypoint.tls.clone());
        config.middlewares.splice(0..0, entrypoint.middlewares.iter().cloned());
        verdict.config = Arc::new(config);
    }

    fn names(&self, places: &[Place]) -> Arc<[Arc<str>]> {
        let facts = places.iter().filter_map(|place| self.facts(*place));
        facts.map(|facts| Arc::clone(&facts.name)).collect()
    }

    /// Why a router has not the TLS options it asks for; none where it asks for the default ones.
    fn conflict(&self, name: &str, config: &model::Router, place: Place) -> Option<String> {
        let entrypoint = self.facts(place)?;
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

    /// A router's name at a place.
    pub(super) fn name_at(
        &self,
        name: &Arc<str>,
        config: &model::Router,
        place: Place,
    ) -> Arc<str> {
        let Some(entrypoint) = self.facts(place).map(|facts| &facts.name) else {
            return Arc::clone(name);
        };
        let asked = match config.entry_points.len() {
            0 => self.catalog.entrypoints.iter().filter(|e| e.default == IsDefault::Yes).count(),
            asked => asked,
        };
        let is_split = asked > 1 && self.model(name, place).is_some();
        match (self.is_conflicted(name, place), is_split) {
            (false, false) => Arc::clone(name),
            (false, true) => format!("{entrypoint}-{name}").into(),
            (true, false) => format!("{entrypoint}-conflicted-{name}").into(),
            (true, true) => format!("{entrypoint}-conflicted-{entrypoint}-{name}").into(),
        }
    }

    /// The entrypoint of a place, if it adds something to routers.
    fn model(&self, name: &str, place: Place) -> Option<&EntrypointFacts> {
        let facts = self.facts(place).filter(|facts| facts.is_model)?;
        (provider_of(name) != "internal").then_some(facts)
    }

    /// The name of the TLS options that are in force for a router at a place.
    pub(super) fn tls(
        &self,
        name: &Arc<str>,
        config: &model::Router,
        place: Place,
        resolved: &mut Resolved,
    ) -> Option<Arc<str>> {
        let entrypoint = self.facts(place)?;
        let wanted = tls::wanted(name, config, entrypoint)?;
        let mut options = self.options.get(&wanted);
        if options.is_ok() && self.is_conflicted(name, place) {
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

    fn is_conflicted(&self, name: &str, place: Place) -> bool {
        place.entrypoint().is_some_and(|place| self.assignment.is_conflicted(name, place))
    }

    fn facts(&self, place: Place) -> Option<&EntrypointFacts> {
        self.catalog.entrypoints.get(place.entrypoint()?)
    }
}

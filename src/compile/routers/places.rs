//! Where the routes of a router are found: on entrypoints, or below its parents.

use super::{Catalog, IsDefault, Resolved};
use crate::model;

/// Where a route is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the entrypoint of that place.
    Entrypoint(usize),
    /// Below the router's parents.
    Parents,
}

impl Place {
    pub(super) fn entrypoint(self) -> Option<usize> {
        if let Self::Entrypoint(place) = self { Some(place) } else { None }
    }
}

/// The places a router is found at.
pub(super) fn places(
    catalog: &Catalog,
    config: &model::Router,
    resolved: &mut Resolved,
) -> Vec<Place> {
    if !config.parent_refs.is_empty() {
        return vec![Place::Parents];
    }
    let entrypoints = catalog.entrypoints.iter().enumerate();
    if config.entry_points.is_empty() {
        let default = entrypoints.filter(|(_, e)| e.default == IsDefault::Yes);
        return default.map(|(place, _)| Place::Entrypoint(place)).collect();
    }
    let mut places = Vec::new();
    for wanted in &config.entry_points {
        let mut all = catalog.entrypoints.iter();
        let found = all.position(|entrypoint| *entrypoint.name == **wanted);
        match found.map(Place::Entrypoint) {
            Some(place) if places.contains(&place) => {}
            Some(place) => places.push(place),
            None => resolved.warnings.push(format!("entryPoint {wanted:?} doesn't exist")),
        }
    }
    if places.is_empty() {
        resolved.errors.push("no valid entryPoint for this router".to_owned());
    }
    places
}

//! The cluster as it is at one time, and what a provider may use of it.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use super::cluster::Stores;
use super::error::ObjectError;
use super::names::Id;
use super::objects::{ConfigMap, EndpointSlice, Node, Secret, Service};
use super::store::Objects;

/// What is behind routes at one time.
#[derive(Debug)]
pub(super) struct View {
    services: Objects<Service>,
    slices: HashMap<Id, Vec<Arc<EndpointSlice>>>,
    secrets: Objects<Secret>,
    config_maps: Objects<ConfigMap>,
    pub(super) nodes: Objects<Node>,
    pub(super) rules: Rules,
}

/// What a provider's options allow objects to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    /// The provider's name.
    pub(super) provider: &'static str,
    pub(super) cross_namespace: bool,
    pub(super) external_names: bool,
    pub(super) empty_services: bool,
    pub(super) native_lb: bool,
    pub(super) nodes: bool,
    /// The namespaces that may refer to other providers; none means all.
    pub(super) cross_provider: Option<Vec<String>>,
}

impl View {
    /// Takes the stores as they are.
    pub(super) fn of(stores: &Stores, rules: Rules) -> Self {
        let mut slices: HashMap<Id, Vec<Arc<EndpointSlice>>> = HashMap::new();
        for (id, slice) in &*stores.slices.all() {
            let service = Id::new(&id.namespace, &slice.service);
            slices.entry(service).or_default().push(Arc::clone(slice));
        }
        Self {
            services: stores.services.all(),
            slices,
            secrets: stores.secrets.all(),
            config_maps: stores.config_maps.all(),
            nodes: stores.nodes.all(),
            rules,
        }
    }

    pub(super) fn service(&self, id: &Id) -> Result<&Service, ObjectError> {
        find(&self.services, "Service", id)
    }

    pub(super) fn secret(&self, id: &Id) -> Result<&Secret, ObjectError> {
        find(&self.secrets, "Secret", id)
    }

    pub(super) fn config_map(&self, id: &Id) -> Result<&ConfigMap, ObjectError> {
        find(&self.config_maps, "ConfigMap", id)
    }

    /// The slices of a Service.
    pub(super) fn slices(&self, service: &Id) -> &[Arc<EndpointSlice>] {
        self.slices.get(service).map_or(&[], Vec::as_slice)
    }
}

fn find<'a, T>(
    all: &'a BTreeMap<Id, Arc<T>>,
    kind: &'static str,
    id: &Id,
) -> Result<&'a T, ObjectError> {
    let found = all.get(id).map(|object| &**object);
    found.ok_or_else(|| ObjectError::Missing { kind, name: id.to_string() })
}

impl Rules {
    /// The namespace of what an object refers to: the one given, else its own.
    pub(super) fn namespace<'a>(
        &self,
        own: &'a str,
        given: &'a str,
        name: &str,
    ) -> Result<&'a str, ObjectError> {
        if given.is_empty() || given == own {
            return Ok(own);
        }
        if !self.cross_namespace {
            let name = format!("{given}/{name}");
            return Err(ObjectError::CrossNamespace { name });
        }
        Ok(given)
    }

    /// Checks a reference that names its provider, as `name@provider`.
    pub(super) fn qualified(&self, own: &str, name: &str) -> Result<(), ObjectError> {
        let provider = name.rsplit_once('@').map_or("", |(_, provider)| provider);
        if provider == self.provider {
            // It may be of any namespace: the name does not tell.
            return match self.cross_namespace {
                true => Ok(()),
                false => Err(ObjectError::CrossNamespace { name: name.to_owned() }),
            };
        }
        match &self.cross_provider {
            Some(allowed) if !allowed.iter().any(|namespace| namespace == own) => {
                let (name, namespace) = (name.to_owned(), own.to_owned());
                Err(ObjectError::CrossProvider { name, namespace })
            }
            _ => Ok(()),
        }
    }
}

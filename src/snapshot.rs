//! One immutable generation of everything a request needs.
//!
//! Workers hold the generation they serve; the control plane holds the live one and drops old
//! ones, since dropping tens of thousands of routes takes milliseconds.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::lua::{InstanceId, InstanceSpec};
use crate::model::Outcome;
use crate::router::Table;
use crate::service::Service;
use crate::tls::CertStore;

/// One generation.
#[derive(Debug)]
pub struct Snapshot {
    /// Counts up; never used twice.
    pub number: u64,
    /// Tables by the entrypoints' order.
    pub entrypoints: Vec<Tables>,
    /// Services by name with provider.
    pub services: HashMap<Arc<str>, Arc<Service>>,
    /// Scripts that routes use, each once.
    pub instances: Vec<Arc<InstanceSpec>>,
    /// Certificates.
    pub certificates: Arc<CertStore>,
    /// What became of each element.
    pub outcome: Arc<Outcome>,
}

/// The routers of one entrypoint.
#[derive(Debug)]
pub struct Tables {
    /// For plain connections.
    pub plain: Arc<Table<Arc<Route>>>,
    /// For encrypted connections.
    pub encrypted: Arc<Table<Arc<Route>>>,
}

/// What a router does with a request.
#[derive(Debug)]
pub struct Route {
    /// The router, `name@provider`.
    pub name: Arc<str>,
    /// Its scripts, in the order of the request.
    pub steps: Arc<[InstanceId]>,
    /// Its service.
    pub service: Arc<Service>,
}

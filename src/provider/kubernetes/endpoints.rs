//! Which addresses stand behind a port of a Service.

use std::collections::HashSet;

use super::error::ObjectError;
use super::names::Id;
use super::objects::{Conditions, Service, ServiceKind, ServicePort, host_port};
use super::port::Port;
use super::view::View;

/// What is asked of a Service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) service: &'a Id,
    pub(super) port: &'a Port,
    /// Whether Kubernetes balances; nothing leaves it to the provider's option.
    pub(super) native: Option<bool>,
    /// Whether the port of the nodes is used.
    pub(super) node_port: bool,
    pub(super) reading: Reading,
}

/// How conditions of endpoints are read, which differs with the protocol as in Traefik.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// HTTP: those that serve. Those that end as well keep the clients they have.
    Serving,
    /// TCP and UDP: those that say that they are ready.
    Ready,
}

/// The addresses behind a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backends {
    pub(super) port: ServicePortFacts,
    pub(super) addresses: Vec<Backend>,
}

/// What a Service says of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServicePortFacts {
    pub(super) name: String,
    pub(super) number: u16,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    /// Host and port.
    pub(super) address: String,
    /// Whether it ends, and gets the requests of its own clients only.
    pub(super) is_fenced: bool,
}

/// Finds the addresses that stand behind a port of a Service.
///
/// # Errors
/// When the Service or the port is not there, when an option forbids it, or when there is no
/// address and that is not allowed.
pub(super) fn backends(view: &View, ask: Ask<'_>) -> Result<Backends, ObjectError> {
    let name = || ask.service.to_string();
    let service = view.service(ask.service)?;
    if *ask.port == Port::None {
        return Err(ObjectError::NoPort { name: name() });
    }
    let port = ask.port.find(service).ok_or_else(|| ObjectError::Port {
        name: name(),
        port: ask.port.to_string(),
        known: known(service),
    })?;
    let addresses = if service.kind == ServiceKind::ExternalName {
        if !view.rules.external_names {
            return Err(ObjectError::ExternalName { name: name() });
        }
        vec![backend(&service.external_name, port.port)]
    } else if ask.native.unwrap_or(view.rules.native_lb) {
        vec![native(service, &port).ok_or_else(|| ObjectError::NoClusterAddress { name: name() })?]
    } else if ask.node_port && service.kind == ServiceKind::NodePort {
        on_nodes(view, &port, ask.service)?
    } else {
        on_pods(view, &port, ask)
    };
    if addresses.is_empty() && !view.rules.empty_services {
        return Err(ObjectError::NoEndpoint { name: name() });
    }
    let port = ServicePortFacts { name: port.name, number: port.port };
    Ok(Backends { port, addresses })
}

fn known(service: &Service) -> String {
    let ports = service.ports.iter().map(|port| match port.name.as_str() {
        "" => port.port.to_string(),
        name => format!("{} ({name})", port.port),
    });
    let ports: Vec<String> = ports.collect();
    if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
}

fn backend(host: &str, port: u16) -> Backend {
    Backend { address: host_port(host, port), is_fenced: false }
}

fn native(service: &Service, port: &ServicePort) -> Option<Backend> {
    let has_address = !matches!(service.cluster_ip.as_str(), "" | "None");
    has_address.then(|| backend(&service.cluster_ip, port.port))
}

fn on_nodes(view: &View, port: &ServicePort, service: &Id) -> Result<Vec<Backend>, ObjectError> {
    let name = service.to_string();
    if !view.rules.nodes {
        return Err(ObjectError::NoNodes { name });
    }
    let nodes = view.nodes.values().flat_map(|node| &node.addresses);
    let all: Vec<Backend> = nodes.map(|address| backend(address, port.node_port)).collect();
    if port.node_port == 0 || all.is_empty() {
        return Err(ObjectError::NoNodePort { name });
    }
    Ok(all)
}

/// The endpoints of all slices are one set: an address counts once.
fn on_pods(view: &View, port: &ServicePort, ask: Ask<'_>) -> Vec<Backend> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for slice in view.slices(ask.service) {
        let number = slice.ports.iter().find(|(name, _)| *name == port.name);
        let Some((_, number)) = number else { continue };
        for endpoint in &slice.endpoints {
            if !ask.reading.takes(endpoint.conditions) {
                continue;
            }
            let is_fenced = endpoint.conditions.terminating == Some(true);
            for address in &endpoint.addresses {
                let address = host_port(address, *number);
                if seen.insert(address.clone()) {
                    all.push(Backend { address, is_fenced });
                }
            }
        }
    }
    all
}

impl Reading {
    fn takes(self, conditions: Conditions) -> bool {
        match self {
            // What says nothing serves, whatever it says of being ready, as in Traefik.
            Self::Serving => conditions.serving.unwrap_or(true),
            Self::Ready => conditions.ready == Some(true),
        }
    }
}

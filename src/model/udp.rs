//! UDP elements: routers and services.

use serde::{Deserialize, Serialize};

use super::{Elements, WeightedChild};

/// The `udp` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Udp {
    /// Routers by name.
    pub routers: Elements<UdpRouter>,
    /// Services by name.
    pub services: Elements<UdpService>,
}

/// A service for all datagrams of some entrypoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UdpRouter {
    /// Entrypoints by name; none means all of UDP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    /// The service's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
}

/// A service: exactly one kind may be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UdpService {
    /// Servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<UdpLoadBalancer>,
    /// Services by weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted: Option<UdpWeighted>,
}

/// Servers, which take turns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UdpLoadBalancer {
    /// The servers.
    pub servers: Vec<UdpServer>,
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UdpServer {
    /// Host and port.
    pub address: String,
}

/// Services by weight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UdpWeighted {
    /// The children.
    pub services: Vec<WeightedChild>,
}

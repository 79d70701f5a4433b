//! Why the cluster cannot be followed, or an object of it not be used.

use std::io;
use std::path::PathBuf;

/// Why there is no connection to the cluster's API.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither options nor surroundings say where it is.
    #[error(
        "the cluster's API is not known: give `endpoint`, set KUBECONFIG, or run in the cluster"
    )]
    NoEndpoint,
    /// The endpoint is no URL.
    #[error("endpoint: {0:?} is no URL")]
    Endpoint(String),
    /// A file that an option names cannot be read.
    #[error("{option}: {}: {cause}", path.display())]
    File {
        /// The option.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// The file `KUBECONFIG` names cannot be used.
    #[error("KUBECONFIG: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The account of the pod cannot be used.
    #[error("the account of the pod: {0}")]
    InCluster(#[from] kube::config::InClusterError),
    /// The client cannot be built.
    #[error("the client of the cluster's API: {0}")]
    Client(#[from] kube::Error),
}

/// Why a part of an object is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ObjectError {
    /// An object it refers to is not there.
    #[error("{kind} {name} does not exist")]
    Missing {
        /// The kind of the object.
        kind: &'static str,
        /// Its namespace and name.
        name: String,
    },
    /// It refers to another namespace, which is not allowed.
    #[error("{name} is in another namespace, which needs allowCrossNamespace")]
    CrossNamespace {
        /// What it refers to.
        name: String,
    },
    /// It refers to another provider, which its namespace must not.
    #[error("{name} is of another provider, and crossProviderNamespaces leaves {namespace} out")]
    CrossProvider {
        /// What it refers to.
        name: String,
        /// The namespace of the object.
        namespace: String,
    },
    /// The Service has no such port.
    #[error("Service {name} has no port {port}; it has {known}")]
    Port {
        /// The Service.
        name: String,
        /// The port that is asked for.
        port: String,
        /// The ports there are.
        known: String,
    },
    /// No port is asked for.
    #[error("the port of Service {name} is not given")]
    NoPort {
        /// The Service.
        name: String,
    },
    /// Services of other names are not allowed.
    #[error("Service {name} is an ExternalName, which needs allowExternalNameServices")]
    ExternalName {
        /// The Service.
        name: String,
    },
    /// Kubernetes has no address to balance with.
    #[error("Service {name} has no cluster address for nativeLB")]
    NoClusterAddress {
        /// The Service.
        name: String,
    },
    /// There is no node port, or no node with an internal address.
    #[error("Service {name} has no node port, or no node has an internal address")]
    NoNodePort {
        /// The Service.
        name: String,
    },
    /// Nodes are not looked at.
    #[error("nodePortLB of Service {name}: disableClusterScopeResources keeps nodes out")]
    NoNodes {
        /// The Service.
        name: String,
    },
    /// No pod is ready.
    #[error("Service {name} has no endpoint that is ready")]
    NoEndpoint {
        /// The Service.
        name: String,
    },
    /// Servers cannot be spoken to like that.
    #[error("scheme {0:?} is none of http, https, h2c")]
    Scheme(String),
    /// Servers cannot be chosen like that.
    #[error("strategy {0:?} is none of wrr, p2c, hrw, leasttime")]
    Strategy(String),
    /// Pods are probed by Kubernetes.
    #[error("healthCheck is for ExternalName Services only, and {name} is none")]
    HealthCheck {
        /// The Service.
        name: String,
    },
    /// The kind of a reference is unknown.
    #[error("kind {0:?} is neither Service nor TraefikService")]
    Kind(String),
    /// The kind of a route is unknown.
    #[error("kind {0:?} of a route is not Rule")]
    RouteKind(String),
    /// A route has no rule.
    #[error("the route has no match")]
    NoMatch,
    /// It is not of the shape it must be of.
    #[error("{0}")]
    Decode(#[from] crate::value::DecodeError),
    /// The Secret does not hold what is asked for.
    #[error("Secret {name} has no {keys}")]
    Key {
        /// The Secret.
        name: String,
        /// The keys that would do.
        keys: String,
    },
    /// The Secret's value is no text.
    #[error("{key} of Secret {name} is not UTF-8")]
    Encoding {
        /// The Secret.
        name: String,
        /// The key.
        key: String,
    },
    /// The `ConfigMap` does not hold what is asked for.
    #[error("ConfigMap {name} has no {key}")]
    ConfigMapKey {
        /// The `ConfigMap`.
        name: String,
        /// The key.
        key: String,
    },
    /// One of two ways must be chosen.
    #[error("give exactly one of {0}")]
    OneOf(&'static str),
    /// An option of a middleware is wrong.
    #[error("{0}")]
    Options(String),
}

impl ObjectError {
    /// Whether nothing is wrong with the object itself: what it needs is not there, or not yet.
    pub(super) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. }
                | Self::NoEndpoint { .. }
                | Self::NoClusterAddress { .. }
                | Self::NoNodePort { .. }
        )
    }
}

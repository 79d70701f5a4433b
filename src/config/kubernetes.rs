//! The options of the providers that follow a Kubernetes cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::GoDuration;

/// The provider of Traefik's custom resources.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesCrd {
    /// The URL of the cluster's API; empty means that of the surroundings.
    pub endpoint: String,
    /// A bearer token, or the path of a file that holds one and is read again as it changes.
    pub token: Token,
    /// The path of the authorities that the API's certificate must come from.
    pub cert_auth_file_path: String,
    /// The namespaces that are looked at; none means all.
    pub namespaces: Vec<String>,
    /// The labels that custom resources must have.
    pub label_selector: String,
    /// The class that routes must have; empty means none, or `traefik`.
    pub ingress_class: String,
    /// The least time between two looks at what has changed.
    pub throttle_duration: GoDuration,
    /// Whether objects may refer to objects of other namespaces.
    pub allow_cross_namespace: bool,
    /// Whether Services of type `ExternalName` may be used.
    pub allow_external_name_services: bool,
    /// Whether Services without endpoints answer 503 instead of taking their routes out.
    pub allow_empty_services: bool,
    /// Whether Kubernetes balances where a route does not say it.
    #[serde(rename = "nativeLBByDefault")]
    pub native_lb_by_default: bool,
    /// Whether nothing is asked for that belongs to no namespace.
    pub disable_cluster_scope_resources: bool,
    /// The namespaces whose objects may refer to elements of other providers; absent means all.
    pub cross_provider_namespaces: Option<Vec<String>>,
}

/// The provider of Ingress objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesIngress {
    /// The URL of the cluster's API; empty means that of the surroundings.
    pub endpoint: String,
    /// A bearer token, or the path of a file that holds one and is read again as it changes.
    pub token: Token,
    /// The path of the authorities that the API's certificate must come from.
    pub cert_auth_file_path: String,
    /// The namespaces that are looked at; none means all.
    pub namespaces: Vec<String>,
    /// The labels that Ingress objects must have.
    pub label_selector: String,
    /// The class that Ingress objects must have; empty means those of Traefik's controller.
    pub ingress_class: String,
    /// The least time between two looks at what has changed.
    pub throttle_duration: GoDuration,
    /// What is written into the status of Ingress objects.
    pub ingress_endpoint: IngressEndpoint,
    /// Whether Services of type `ExternalName` may be used.
    pub allow_external_name_services: bool,
    /// Whether Services without endpoints answer 503 instead of taking their paths out.
    pub allow_empty_services: bool,
    /// Whether Kubernetes balances where a Service does not say it.
    #[serde(rename = "nativeLBByDefault")]
    pub native_lb_by_default: bool,
    /// Whether nothing is asked for that belongs to no namespace.
    pub disable_cluster_scope_resources: bool,
    /// Whether the objects of classes are not looked at; Traefik's older option.
    pub disable_ingress_class_lookup: bool,
    /// Whether paths of the type `Prefix` match whole segments only.
    pub strict_prefix_matching: bool,
    /// The namespaces whose objects may refer to elements of other providers; absent means all.
    pub cross_provider_namespaces: Option<Vec<String>>,
}

/// What is written into the status of Ingress objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressEndpoint {
    /// A host name.
    pub hostname: String,
    /// An address.
    pub ip: String,
    /// The Service whose status is copied, as `namespace/name`.
    pub published_service: String,
}

/// A bearer token, or the path of a file that holds one.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

/// Shows stars only.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "***" })
    }
}

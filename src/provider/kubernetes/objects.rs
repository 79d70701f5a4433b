//! Kubernetes' own objects: of each only the fields that routing needs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::api::DynamicObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object as the providers keep it.
pub(super) trait Watched: PartialEq + Send + Sync + Sized + 'static {
    /// Takes what is needed of an object.
    ///
    /// # Errors
    /// One sentence, when the object is not of the shape of its kind.
    fn read(object: DynamicObject) -> Result<Self, String>;
}

/// A named port of a Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServicePort {
    pub(super) name: String,
    pub(super) port: u16,
    /// A number, or the name of a port of the pods.
    pub(super) target_port: Option<Value>,
    pub(super) node_port: u16,
}

/// A Service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Service {
    /// Those that speak to Traefik.
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) kind: ServiceKind,
    pub(super) cluster_ip: String,
    pub(super) external_name: String,
    pub(super) ports: Vec<ServicePort>,
    /// Addresses of the load balancer in front of it.
    pub(super) addresses: Vec<Value>,
}

/// The type of a Service, as far as it matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ServiceKind {
    /// Reached through its pods.
    #[default]
    Pods,
    /// Reached through its pods, or through a port of every node.
    NodePort,
    /// Another name.
    ExternalName,
}

/// A part of the endpoints of a Service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EndpointSlice {
    /// The Service it is of.
    pub(super) service: String,
    /// Numbers by name, in the order given.
    pub(super) ports: Vec<(String, u16)>,
    pub(super) endpoints: Vec<Endpoint>,
}

/// One endpoint of a slice.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    pub(super) addresses: Vec<String>,
    pub(super) conditions: Conditions,
}

/// What is known of an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Conditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
    pub(super) terminating: Option<bool>,
}

/// A Secret.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Secret {
    pub(super) kind: String,
    pub(super) data: BTreeMap<String, Vec<u8>>,
}

/// A `ConfigMap`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ConfigMap {
    pub(super) data: BTreeMap<String, String>,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Node {
    /// Its addresses within the cluster.
    pub(super) addresses: Vec<String>,
}

/// An `IngressClass`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct IngressClass {
    /// The controller that serves it.
    pub(super) controller: String,
}

/// Annotations that begin like this are kept.
const ANNOTATIONS: &str = "traefik.";

/// The annotations of an object that speak to Traefik, and its class.
pub(super) fn annotations(object: &DynamicObject) -> BTreeMap<String, String> {
    let all = object.metadata.annotations.iter().flatten();
    let ours = all.filter(|(key, _)| key.starts_with(ANNOTATIONS) || *key == CLASS);
    ours.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The annotation that names a class.
pub(super) const CLASS: &str = "kubernetes.io/ingress.class";

/// A part of an object.
fn part<T: DeserializeOwned + Default>(
    object: &mut DynamicObject,
    name: &str,
) -> Result<T, String> {
    match object.data.get_mut(name).map(Value::take) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => serde_json::from_value(value).map_err(|error| format!("{name}: {error}")),
    }
}

impl Watched for Service {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Spec {
            r#type: String,
            #[serde(rename = "clusterIP")]
            cluster_ip: String,
            external_name: String,
            ports: Vec<ServicePort>,
        }
        let annotations = annotations(&object);
        let spec: Spec = part(&mut object, "spec")?;
        let addresses = object.data.pointer_mut("/status/loadBalancer/ingress").map(Value::take);
        Ok(Self {
            annotations,
            kind: match spec.r#type.as_str() {
                "ExternalName" => ServiceKind::ExternalName,
                "NodePort" | "LoadBalancer" => ServiceKind::NodePort,
                _ => ServiceKind::Pods,
            },
            cluster_ip: spec.cluster_ip,
            external_name: spec.external_name,
            ports: spec.ports,
            addresses: match addresses {
                Some(Value::Array(addresses)) => addresses,
                _ => Vec::new(),
            },
        })
    }
}

impl Watched for EndpointSlice {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Port {
            name: Option<String>,
            port: Option<u16>,
        }
        let labels = object.metadata.labels.as_mut();
        let service = labels.and_then(|labels| labels.remove(SERVICE_LABEL)).unwrap_or_default();
        let ports: Vec<Port> = part(&mut object, "ports")?;
        let ports = ports.into_iter().filter_map(|p| Some((p.name.unwrap_or_default(), p.port?)));
        let mut endpoints: Vec<Endpoint> = part(&mut object, "endpoints")?;
        for endpoint in &mut endpoints {
            endpoint.addresses.shrink_to_fit();
        }
        Ok(Self { service, ports: ports.collect(), endpoints })
    }
}

/// The label that names the Service of a slice.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

impl Watched for Secret {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        let kind: String = part(&mut object, "type")?;
        let data: BTreeMap<String, String> = part(&mut object, "data")?;
        let decode = |(key, text): (String, String)| match BASE64_STANDARD.decode(text) {
            Ok(bytes) => Ok((key, bytes)),
            Err(error) => Err(format!("data.{key}: {error}")),
        };
        Ok(Self { kind, data: data.into_iter().map(decode).collect::<Result<_, _>>()? })
    }
}

impl Watched for ConfigMap {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        Ok(Self { data: part(&mut object, "data")? })
    }
}

impl Watched for Node {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Status {
            addresses: Vec<Address>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Address {
            r#type: String,
            address: String,
        }
        let status: Status = part(&mut object, "status")?;
        let inner = status.addresses.into_iter().filter(|address| address.r#type == "InternalIP");
        Ok(Self { addresses: inner.map(|address| address.address).collect() })
    }
}

impl Watched for IngressClass {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            controller: String,
        }
        let spec: Spec = part(&mut object, "spec")?;
        Ok(Self { controller: spec.controller })
    }
}

/// An address and a port as they are connected to.
pub(super) fn host_port(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

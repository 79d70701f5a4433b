//! Traefik's custom resources as they are written.
//!
//! Routes and services are decoded one by one, so that a wrong one leaves its neighbours alone.
//! Must not know what they come to.

use kube::api::DynamicObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::objects::{CLASS, Watched};
use super::super::port::Port;
use crate::model::{
    FailoverErrors, HashBy, Observability, PassiveHealthCheck, ProxyProtocol, ServerHealthCheck,
    Sticky, TlsDomain,
};
use crate::value::{DecodeError, decode_at};

/// A part of an object, or what is wrong with it.
pub(in crate::provider::kubernetes) type Part<T> = Result<T, DecodeError>;

/// `{name, namespace}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct ObjectRef {
    pub(super) name: String,
    pub(super) namespace: String,
}

/// An `IngressRoute`, `IngressRouteTCP` or `IngressRouteUDP`.
#[derive(Debug, PartialEq)]
pub(in crate::provider::kubernetes) struct Routes<R> {
    /// The annotation that names a class.
    pub(super) class: String,
    pub(super) spec: Part<RoutesSpec>,
    pub(super) routes: Vec<Part<R>>,
}

/// What all routes of an object have in common.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct RoutesSpec {
    pub(super) ingress_class_name: String,
    pub(super) entry_points: Vec<String>,
    pub(super) parent_refs: Vec<ObjectRef>,
    pub(super) tls: Option<RouteTls>,
}

/// TLS of routes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct RouteTls {
    pub(super) secret_name: String,
    pub(super) options: Option<ObjectRef>,
    pub(super) store: Option<ObjectRef>,
    pub(super) cert_resolver: String,
    pub(super) domains: Vec<TlsDomain>,
    /// Of TCP only.
    pub(super) passthrough: bool,
}

/// A route of HTTP or TCP.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct Route {
    pub(super) r#match: String,
    pub(super) kind: String,
    pub(super) priority: i64,
    pub(super) syntax: String,
    pub(super) services: Vec<ServiceRef>,
    pub(super) middlewares: Vec<ObjectRef>,
    pub(super) observability: Option<Observability>,
}

/// A route of UDP.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct UdpRoute {
    pub(super) services: Vec<ServiceRef>,
}

/// A Service as routes name it, with all that any kind of route may say of it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct ServiceRef {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) port: Port,
    pub(super) scheme: String,
    pub(super) strategy: String,
    pub(super) hash_by: Option<HashBy>,
    pub(super) weight: Option<u32>,
    pub(super) percent: i64,
    pub(super) pass_host_header: Option<bool>,
    pub(super) response_forwarding: Option<crate::model::ResponseForwarding>,
    pub(super) servers_transport: String,
    pub(super) sticky: Option<Sticky>,
    #[serde(rename = "nativeLB")]
    pub(super) native_lb: Option<bool>,
    #[serde(rename = "nodePortLB")]
    pub(super) node_port_lb: bool,
    pub(super) health_check: Option<ServerHealthCheck>,
    pub(super) passive_health_check: Option<PassiveHealthCheck>,
    pub(super) middlewares: Vec<ObjectRef>,
    /// Of TCP only.
    pub(super) tls: bool,
    /// Of TCP only, deprecated.
    pub(super) termination_delay: Option<i64>,
    /// Of TCP only, deprecated.
    pub(super) proxy_protocol: Option<ProxyProtocol>,
}

/// A `TraefikService`: exactly one kind is right.
#[derive(Debug, PartialEq)]
pub(in crate::provider::kubernetes) struct TraefikService {
    pub(super) spec: Part<TraefikServiceSpec>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::provider::kubernetes) struct TraefikServiceSpec {
    pub(super) weighted: Option<Weighted>,
    pub(super) mirroring: Option<Mirroring>,
    pub(super) highest_random_weight: Option<Weighted>,
    pub(super) failover: Option<Failover>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct Weighted {
    pub(super) services: Vec<ServiceRef>,
    pub(super) sticky: Option<Sticky>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::provider::kubernetes) struct Mirroring {
    pub(super) main: ServiceRef,
    pub(super) own: MirroringOwn,
}

/// What a mirroring says beside its main Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct MirroringOwn {
    pub(super) mirror_body: Option<bool>,
    pub(super) max_body_size: Option<i64>,
    pub(super) mirrors: Vec<ServiceRef>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct Failover {
    pub(super) service: ServiceRef,
    pub(super) fallback: ServiceRef,
    pub(super) errors: Option<FailoverErrors>,
}

/// A Middleware or a `MiddlewareTCP`: its options as they are written.
#[derive(Debug, PartialEq)]
pub(in crate::provider::kubernetes) struct Middleware {
    pub(super) spec: Value,
}

/// A `TLSOption`.
#[derive(Debug, PartialEq)]
pub(in crate::provider::kubernetes) struct TlsOption {
    /// As in files, but for the client authorities.
    pub(super) spec: Value,
}

/// A `TLSStore`.
#[derive(Debug, PartialEq)]
pub(in crate::provider::kubernetes) struct TlsStore {
    pub(super) spec: Part<TlsStoreSpec>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct TlsStoreSpec {
    pub(super) default_certificate: Option<SecretName>,
    pub(super) default_generated_cert: Option<Value>,
    pub(super) certificates: Vec<SecretName>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct SecretName {
    pub(super) secret_name: String,
}

/// A `ServersTransport` or a `ServersTransportTCP`: as in files, but for what Secrets hold.
#[derive(Debug, PartialEq)]
pub(in crate::provider::kubernetes) struct Transport {
    pub(super) spec: Value,
}

/// What a transport takes from Secrets and `ConfigMap`s.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct TransportSecrets {
    #[serde(rename = "rootCAs")]
    pub(super) root_cas: Vec<RootCa>,
    #[serde(rename = "rootCAsSecrets")]
    pub(super) root_cas_secrets: Vec<String>,
    pub(super) certificates_secrets: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::provider::kubernetes) struct RootCa {
    pub(super) secret: String,
    pub(super) config_map: String,
}

/// The `spec` of an object.
fn spec(object: &mut DynamicObject) -> Map<String, Value> {
    match object.data.get_mut("spec").map(Value::take) {
        Some(Value::Object(spec)) => spec,
        _ => Map::new(),
    }
}

fn class(object: &DynamicObject) -> String {
    let annotations = object.metadata.annotations.as_ref();
    annotations.and_then(|all| all.get(CLASS)).cloned().unwrap_or_default()
}

/// Takes fields out of a section.
pub(super) fn take(section: &mut Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names.iter().filter_map(|name| section.remove_entry(*name)).collect()
}

impl<R: DeserializeOwned + PartialEq + Send + Sync + 'static> Watched for Routes<R> {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        let class = class(&object);
        let mut rest = spec(&mut object);
        let routes = match rest.remove("routes") {
            Some(Value::Array(routes)) => routes,
            _ => Vec::new(),
        };
        let routes = routes.iter().enumerate();
        let routes = routes.map(|(i, route)| decode_at(route, &format!("spec.routes[{i}]")));
        let routes = routes.collect();
        Ok(Self { class, spec: decode_at(&rest.into(), "spec"), routes })
    }
}

impl Watched for TraefikService {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        Ok(Self { spec: TraefikServiceSpec::read(spec(&mut object)) })
    }
}

impl TraefikServiceSpec {
    fn read(mut spec: Map<String, Value>) -> Part<Self> {
        let mirroring = match spec.remove("mirroring") {
            Some(Value::Object(mut fields)) => {
                let own = take(&mut fields, &["mirrorBody", "maxBodySize", "mirrors"]);
                let at = "spec.mirroring";
                let own = decode_at(&own.into(), at)?;
                Some(Mirroring { main: decode_at(&fields.into(), at)?, own })
            }
            _ => None,
        };
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Rest {
            weighted: Option<Weighted>,
            highest_random_weight: Option<Weighted>,
            failover: Option<Failover>,
        }
        let rest: Rest = decode_at(&spec.into(), "spec")?;
        let Rest { weighted, highest_random_weight, failover } = rest;
        Ok(Self { weighted, mirroring, highest_random_weight, failover })
    }
}

impl Watched for Middleware {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        Ok(Self { spec: spec(&mut object).into() })
    }
}

impl Watched for TlsOption {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        Ok(Self { spec: spec(&mut object).into() })
    }
}

impl Watched for TlsStore {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        Ok(Self { spec: decode_at(&spec(&mut object).into(), "spec") })
    }
}

impl Watched for Transport {
    fn read(mut object: DynamicObject) -> Result<Self, String> {
        Ok(Self { spec: spec(&mut object).into() })
    }
}

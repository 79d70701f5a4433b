//! The kinds that are watched, by what is needed of them.

use kube::api::ApiResource;

use super::names::Group;

/// A kind of Kubernetes' own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
}

impl Kind {
    const fn core(kind: &'static str, plural: &'static str) -> Self {
        Self { group: "", version: "v1", kind, plural }
    }

    const fn of(group: &'static str, kind: &'static str, plural: &'static str) -> Self {
        Self { group, version: "v1", kind, plural }
    }

    const fn custom(kind: &'static str, plural: &'static str) -> Self {
        Self { group: GROUP, version: "v1alpha1", kind, plural }
    }

    /// Whether it is Traefik's.
    pub(super) fn is_custom(&self) -> bool {
        self.group == GROUP
    }

    /// As the client names it; of custom resources that of one of their groups.
    pub(super) fn resource(&self, group: Group) -> ApiResource {
        let name = match group {
            Group::Present => self.group,
            Group::Old => OLD_GROUP,
        };
        ApiResource {
            group: name.to_owned(),
            version: self.version.to_owned(),
            api_version: match name {
                "" => self.version.to_owned(),
                name => format!("{name}/{}", self.version),
            },
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}

/// The group of custom resources.
const GROUP: &str = "traefik.io";
/// The group of custom resources up to Traefik 2.
pub(super) const OLD_GROUP: &str = "traefik.containo.us";

pub(super) const SERVICE: Kind = Kind::core("Service", "services");
pub(super) const SECRET: Kind = Kind::core("Secret", "secrets");
pub(super) const CONFIG_MAP: Kind = Kind::core("ConfigMap", "configmaps");
pub(super) const NODE: Kind = Kind::core("Node", "nodes");
pub(super) const ENDPOINT_SLICE: Kind =
    Kind::of("discovery.k8s.io", "EndpointSlice", "endpointslices");
pub(super) const INGRESS: Kind = Kind::of("networking.k8s.io", "Ingress", "ingresses");
pub(super) const INGRESS_CLASS: Kind =
    Kind::of("networking.k8s.io", "IngressClass", "ingressclasses");

pub(super) const INGRESS_ROUTE: Kind = Kind::custom("IngressRoute", "ingressroutes");
pub(super) const INGRESS_ROUTE_TCP: Kind = Kind::custom("IngressRouteTCP", "ingressroutetcps");
pub(super) const INGRESS_ROUTE_UDP: Kind = Kind::custom("IngressRouteUDP", "ingressrouteudps");
pub(super) const MIDDLEWARE: Kind = Kind::custom("Middleware", "middlewares");
pub(super) const MIDDLEWARE_TCP: Kind = Kind::custom("MiddlewareTCP", "middlewaretcps");
pub(super) const TRAEFIK_SERVICE: Kind = Kind::custom("TraefikService", "traefikservices");
pub(super) const TLS_OPTION: Kind = Kind::custom("TLSOption", "tlsoptions");
pub(super) const TLS_STORE: Kind = Kind::custom("TLSStore", "tlsstores");
pub(super) const SERVERS_TRANSPORT: Kind = Kind::custom("ServersTransport", "serverstransports");
pub(super) const SERVERS_TRANSPORT_TCP: Kind =
    Kind::custom("ServersTransportTCP", "serverstransporttcps");

/// The kinds whose objects findings may be about.
pub(super) const WITH_FINDINGS: &[Kind] = &[
    INGRESS,
    INGRESS_ROUTE,
    INGRESS_ROUTE_TCP,
    INGRESS_ROUTE_UDP,
    MIDDLEWARE,
    MIDDLEWARE_TCP,
    TRAEFIK_SERVICE,
    TLS_OPTION,
    TLS_STORE,
    SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP,
];

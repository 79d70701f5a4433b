//! HTTP elements: routers, middlewares, transports to servers; services are beside.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Elements, Service};
use crate::value::GoDuration;

/// The `http` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Http {
    /// Routers by name.
    pub routers: Elements<Router>,
    /// Services by name.
    pub services: Elements<Service>,
    /// Middlewares by name.
    pub middlewares: Elements<Middleware>,
    /// Transports by name.
    pub servers_transports: Elements<ServersTransport>,
}

/// A rule and what is done with the requests it matches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Router {
    /// Entrypoints by name; none means the default ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    /// Middlewares by name, in the order of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<String>,
    /// The service's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// The rule's text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// `v2` or `v3`; empty means the default of the static configuration.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rule_syntax: String,
    /// Parents of multi-layer routing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parent_refs: Vec<String>,
    /// Greater goes first; 0 means the length of the rule.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i64,
    /// Present: only encrypted connections; absent: only plain ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<RouterTls>,
    /// Switches of logs, metrics and traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observability: Option<Observability>,
    /// Limits of waiting. Moongate's own option.
    #[serde(skip_serializing_if = "Timeouts::is_empty")]
    pub timeouts: Timeouts,
}

/// Limits of waiting; none means those of the entrypoint, zero none at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Timeouts {
    /// From the head of the request to the head of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<GoDuration>,
    /// From the sending of the request to the head of the server's answer, for each try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<GoDuration>,
    /// Silence of a body or of a tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<GoDuration>,
}

impl Timeouts {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// TLS of a router.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouterTls {
    /// The TLS options' name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub options: String,
    /// The certificate resolver's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_resolver: String,
    /// Names to ask certificates for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<TlsDomain>,
}

/// Names of one certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsDomain {
    /// The main name.
    pub main: String,
    /// Further names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sans: Vec<String>,
}

/// Switches of a router's logs, metrics and traces.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Observability {
    /// Whether its requests are in the access log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_logs: Option<bool>,
    /// Whether its requests are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<bool>,
    /// Whether its requests are traced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<bool>,
    /// `minimal` or `detailed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_verbosity: Option<String>,
    /// What a provider knows of where the router comes from. Users cannot give it.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<RouterMetadata>,
}

/// Where a router comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouterMetadata {
    /// The Ingress that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressMetadata>,
}

/// The Ingress that a router is of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressMetadata {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub ingress_name: String,
    /// The Service behind the router.
    pub service_name: String,
    /// The Service's port: its name, or its number where it has none.
    pub service_port: String,
}

/// A middleware: its kinds (exactly one is right) with their raw options, which the script's
/// schema decodes, and what stands beside the kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Middleware {
    /// Options by kind, such as `addPrefix`, `lua` or `plugin`, spelled as they came.
    #[serde(flatten)]
    pub kinds: Map<String, Value>,
    /// `fail`, `skip` or `{status, body}`.
    #[serde(rename = "onError", skip_serializing_if = "Option::is_none")]
    pub on_error: Option<Value>,
    /// `{cpu, wait, memory, body, fetches}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Value>,
}

impl<'de> Deserialize<'de> for Middleware {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut kinds = Map::<String, Value>::deserialize(deserializer)?;
        let mut take = |name: &str| {
            let key = kinds.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
            kinds.remove(&key)
        };
        let (on_error, limits) = (take("onError"), take("limits"));
        Ok(Self { kinds, on_error, limits })
    }
}

/// How servers are connected to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServersTransport {
    /// The name asked for in TLS, instead of the URL's host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub server_name: String,
    /// Whether any certificate is trusted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
    /// Roots to trust: paths or PEM text.
    #[serde(rename = "rootCAs", skip_serializing_if = "Vec::is_empty")]
    pub root_cas: Vec<String>,
    /// Client certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<super::Certificate>,
    /// Idle connections kept to one server, over all workers.
    pub max_idle_conns_per_host: i64,
    /// Limits of waiting.
    pub forwarding_timeouts: ForwardingTimeouts,
    /// Never HTTP/2.
    #[serde(rename = "disableHTTP2", skip_serializing_if = "std::ops::Not::not")]
    pub disable_http2: bool,
    /// A URI that the server's certificate must hold.
    #[serde(rename = "peerCertURI", skip_serializing_if = "String::is_empty")]
    pub peer_cert_uri: String,
    /// SPIFFE; kept as it came until it is supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe: Option<Value>,
    /// Cipher suites by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<String>,
    /// `VersionTLS12` or `VersionTLS13`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub min_version: String,
    /// `VersionTLS12` or `VersionTLS13`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub max_version: String,
}

impl Default for ServersTransport {
    fn default() -> Self {
        Self {
            server_name: String::new(),
            insecure_skip_verify: false,
            root_cas: Vec::new(),
            certificates: Vec::new(),
            max_idle_conns_per_host: 200,
            forwarding_timeouts: ForwardingTimeouts::default(),
            disable_http2: false,
            peer_cert_uri: String::new(),
            spiffe: None,
            cipher_suites: Vec::new(),
            min_version: String::new(),
            max_version: String::new(),
        }
    }
}

/// Limits of waiting for a server; zero means none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ForwardingTimeouts {
    /// For a connection.
    pub dial_timeout: GoDuration,
    /// For the head of the answer, from the end of the request.
    pub response_header_timeout: GoDuration,
    /// For the next use of an idle connection.
    pub idle_conn_timeout: GoDuration,
    /// HTTP/2: silence after which a ping is sent.
    pub read_idle_timeout: GoDuration,
    /// HTTP/2: for the answer to a ping.
    pub ping_timeout: GoDuration,
}

impl Default for ForwardingTimeouts {
    fn default() -> Self {
        Self {
            dial_timeout: GoDuration::from_secs(30),
            response_header_timeout: GoDuration::ZERO,
            idle_conn_timeout: GoDuration::from_secs(90),
            read_idle_timeout: GoDuration::ZERO,
            ping_timeout: GoDuration::from_secs(15),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

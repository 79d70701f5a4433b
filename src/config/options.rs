//! The options as they are written: names and defaults are Traefik's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::acme::CertificateResolver;
use super::answers::Answers;
use super::api::Api;
use super::heads::{EncodedCharacters, UnderscoreHeaders};
use super::kubernetes::{KubernetesCrd, KubernetesIngress};
use super::records::{AccessLog, EntryPointObservability, Log, Metrics, Tracing};
use super::redirections::Redirections;
use super::streams::{Http3, Ocsp, ProxyProtocol, TcpServersTransport, Udp};
use crate::model::{self, ForwardingTimeouts, RouterTls, Timeouts};
use crate::value::{GoDuration, section};

/// The whole static configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Root {
    /// Switches of the process.
    pub global: Global,
    /// How servers are connected to where a service names no transport.
    pub servers_transport: ServersTransport,
    /// How TCP servers are connected to where a service names no transport.
    pub tcp_servers_transport: TcpServersTransport,
    /// Where certificates come from, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub certificates_resolvers: BTreeMap<String, CertificateResolver>,
    /// Entrypoints by name.
    pub entry_points: BTreeMap<String, EntryPoint>,
    /// Sources of dynamic configuration.
    pub providers: Providers,
    /// The API.
    #[serde(deserialize_with = "section")]
    pub api: Option<Api>,
    /// The health endpoint.
    #[serde(deserialize_with = "section")]
    pub ping: Option<Ping>,
    /// The leveled log.
    pub log: Log,
    /// The log of requests.
    #[serde(deserialize_with = "section")]
    pub access_log: Option<AccessLog>,
    /// Numbers of what happens.
    #[serde(deserialize_with = "section")]
    pub metrics: Option<Metrics>,
    /// Traces.
    #[serde(deserialize_with = "section")]
    pub tracing: Option<Tracing>,
    /// Word of authorities on certificates, which clients are shown in handshakes.
    #[serde(deserialize_with = "section")]
    pub ocsp: Option<Ocsp>,
    /// What Traefik tries out.
    pub experimental: Experimental,
    /// Rules.
    pub core: Core,
    /// Moongate's own: scripts.
    pub scripts: Scripts,
    /// Moongate's own: how one process replaces another.
    pub restart: Restart,
    /// Moongate's own: worker threads; 0 means one per core.
    pub workers: usize,
}

/// Switches of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Global {
    /// Accepted, and without effect: Moongate never asks for new versions.
    pub check_new_version: bool,
    /// Accepted, and without effect: Moongate sends nothing.
    pub send_anonymous_usage: bool,
    /// Leaves `X-Forwarded-For` of trusted clients as it came, on all entrypoints.
    pub not_append_x_forwarded_for: bool,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            check_new_version: true,
            send_anonymous_usage: false,
            not_append_x_forwarded_for: false,
        }
    }
}

/// How servers are connected to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServersTransport {
    /// Whether any certificate is trusted.
    pub insecure_skip_verify: bool,
    /// Roots to trust: paths or PEM text; none means the system's.
    #[serde(rename = "rootCAs")]
    pub root_cas: Vec<String>,
    /// Idle connections kept to one server, over all workers: 0 means two, less than 0 none.
    pub max_idle_conns_per_host: i64,
    /// Limits of waiting.
    pub forwarding_timeouts: ForwardingTimeouts,
}

impl Default for ServersTransport {
    fn default() -> Self {
        Self {
            insecure_skip_verify: false,
            root_cas: Vec::new(),
            max_idle_conns_per_host: 200,
            forwarding_timeouts: ForwardingTimeouts::default(),
        }
    }
}

impl ServersTransport {
    /// The same as a transport of the dynamic configuration, which has more options.
    #[must_use]
    pub fn as_dynamic(&self) -> model::ServersTransport {
        model::ServersTransport {
            insecure_skip_verify: self.insecure_skip_verify,
            root_cas: self.root_cas.clone(),
            max_idle_conns_per_host: self.max_idle_conns_per_host,
            forwarding_timeouts: self.forwarding_timeouts.clone(),
            ..model::ServersTransport::default()
        }
    }
}

/// One entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EntryPoint {
    /// `[host]:port[/tcp]` or `[host]:port/udp`.
    pub address: String,
    /// Whether routers that name no entrypoint are on it.
    pub as_default: bool,
    /// Whether routers see what an authority asks to prove a name, before it is answered.
    #[serde(rename = "allowACMEByPass")]
    pub allow_acme_by_pass: bool,
    /// Whether other processes may listen on the same port.
    pub reuse_port: bool,
    /// Time limits and the graceful stop.
    pub transport: Transport,
    /// Whose `X-Forwarded-*` headers are kept.
    pub forwarded_headers: ForwardedHeaders,
    /// Whose PROXY headers are believed; without it nobody's is looked for.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// UDP of this entrypoint.
    pub udp: Udp,
    /// HTTP of this entrypoint.
    pub http: Http,
    /// HTTP/2 of this entrypoint.
    pub http2: Http2,
    /// HTTP/3 of this entrypoint; without it there is none.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub http3: Option<Http3>,
    /// Switches of logs, metrics and traces of routers that say nothing of them.
    pub observability: EntryPointObservability,
}

/// Time limits of an entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Transport {
    /// The graceful stop.
    pub life_cycle: LifeCycle,
    /// Limits of waiting for clients.
    pub responding_timeouts: RespondingTimeouts,
    /// Requests that one connection may bring; 0 means any number.
    pub keep_alive_max_requests: u64,
    /// How long one connection may bring requests; 0 means forever.
    pub keep_alive_max_time: GoDuration,
}

/// The graceful stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LifeCycle {
    /// How long new requests are still accepted after the word to stop.
    pub request_accept_grace_timeout: GoDuration,
    /// How long open requests may take after that.
    pub grace_time_out: GoDuration,
}

impl Default for LifeCycle {
    fn default() -> Self {
        Self {
            request_accept_grace_timeout: GoDuration::ZERO,
            grace_time_out: GoDuration::from_secs(10),
        }
    }
}

/// Limits of waiting for clients; zero means none.
#[allow(clippy::struct_field_names, reason = "the names are the options' names")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RespondingTimeouts {
    /// For a request's head.
    pub read_timeout: GoDuration,
    /// For a request from the end of its head to the end of its answer.
    pub write_timeout: GoDuration,
    /// For the next request on a connection.
    pub idle_timeout: GoDuration,
}

impl Default for RespondingTimeouts {
    fn default() -> Self {
        Self {
            read_timeout: GoDuration::from_secs(60),
            write_timeout: GoDuration::ZERO,
            idle_timeout: GoDuration::from_secs(180),
        }
    }
}

/// Whose `X-Forwarded-*` headers are kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ForwardedHeaders {
    /// Everybody's.
    pub insecure: bool,
    /// Those of these addresses and networks.
    #[serde(rename = "trustedIPs")]
    pub trusted_ips: Vec<String>,
    /// Headers that middlewares get although the client's `Connection` names them.
    pub connection: Vec<String>,
    /// Leaves `X-Forwarded-For` of trusted clients as it came.
    pub not_append_x_forwarded_for: bool,
}

/// HTTP of an entrypoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Http {
    /// Sends all requests to another entrypoint.
    pub redirections: Redirections,
    /// Middlewares in front of all routers' own, by name with provider.
    pub middlewares: Vec<String>,
    /// TLS of all routers on it.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub tls: Option<RouterTls>,
    /// Whether dot segments and empty segments are removed from paths.
    pub sanitize_path: bool,
    /// Bytes of a request's head.
    pub max_header_bytes: usize,
    /// Which encoded characters paths may hold.
    pub encoded_characters: EncodedCharacters,
    /// Whether `;` in queries goes on as `%3B`; else it becomes `&`.
    pub encode_query_semicolons: bool,
    /// What is done with headers whose names hold an underscore.
    pub underscore_headers_strategy: UnderscoreHeaders,
    /// Moongate's own: limits of waiting of routers that say nothing of it.
    #[serde(skip_serializing_if = "Timeouts::is_empty")]
    pub timeouts: Timeouts,
    /// Moongate's own: pages in the place of plain answers.
    #[serde(skip_serializing_if = "Answers::is_empty")]
    pub answers: Answers,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            redirections: Redirections::default(),
            middlewares: Vec::new(),
            tls: None,
            sanitize_path: true,
            max_header_bytes: 1 << 20,
            encoded_characters: EncodedCharacters::default(),
            encode_query_semicolons: false,
            underscore_headers_strategy: UnderscoreHeaders::default(),
            timeouts: Timeouts::default(),
            answers: Answers::default(),
        }
    }
}

/// The size of tables that neither side has spoken of (RFC 9113, section 6.5.2).
pub(super) const HEADER_TABLE_SIZE: u32 = 4096;

/// HTTP/2 of an entrypoint.
#[allow(clippy::struct_field_names, reason = "they are Traefik's")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Http2 {
    /// Streams of one connection at once.
    pub max_concurrent_streams: u32,
    /// Bytes of names and values that clients may let us remember (RFC 7541, section 4.2).
    pub max_decoder_header_table_size: u32,
    /// The same in the other direction. Only 4096, what clients allow unasked.
    pub max_encoder_header_table_size: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 250,
            max_decoder_header_table_size: HEADER_TABLE_SIZE,
            max_encoder_header_table_size: HEADER_TABLE_SIZE,
        }
    }
}

/// Sources of dynamic configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Providers {
    /// The least time between two applied changes.
    pub providers_throttle_duration: GoDuration,
    /// Providers by name: of two routers of equal priority that of the earlier one goes first.
    pub precedence: Vec<String>,
    /// Files.
    #[serde(deserialize_with = "section")]
    pub file: Option<FileProvider>,
    /// A script that returns the configuration.
    #[serde(deserialize_with = "section")]
    pub script: Option<ScriptProvider>,
    /// Traefik's custom resources in a Kubernetes cluster.
    #[serde(rename = "kubernetesCRD", deserialize_with = "section")]
    pub kubernetes_crd: Option<KubernetesCrd>,
    /// Ingress objects in a Kubernetes cluster.
    #[serde(deserialize_with = "section")]
    pub kubernetes_ingress: Option<KubernetesIngress>,
}

impl Default for Providers {
    fn default() -> Self {
        Self {
            providers_throttle_duration: GoDuration::from_secs(2),
            precedence: PROVIDERS.iter().map(|name| (*name).to_owned()).collect(),
            file: None,
            script: None,
            kubernetes_crd: None,
            kubernetes_ingress: None,
        }
    }
}

/// All providers by the names in routers' names, in their order of precedence.
pub(super) const PROVIDERS: &[&str] = &[
    "kubernetesgateway",
    "kubernetescrd",
    "kubernetes",
    "kubernetesingressnginx",
    "swarm",
    "docker",
    "file",
    "script",
    "redis",
    "knative",
    "consul",
    "consulcatalog",
    "nomad",
    "etcd",
    "ecs",
    "http",
    "zookeeper",
    "rest",
];

/// The file provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileProvider {
    /// A folder, read with all below it.
    pub directory: String,
    /// One file.
    pub filename: String,
    /// Whether changes are followed.
    pub watch: bool,
    /// Whether what templates make is written to the log, on the level `DEBUG`.
    pub debug_log_generated_template: bool,
}

impl Default for FileProvider {
    fn default() -> Self {
        let (directory, filename) = (String::new(), String::new());
        Self { directory, filename, watch: true, debug_log_generated_template: false }
    }
}

/// The provider of a script that returns the configuration. Not in Traefik.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScriptProvider {
    /// The script.
    pub filename: String,
    /// Whether changes are followed.
    pub watch: bool,
}

impl Default for ScriptProvider {
    fn default() -> Self {
        Self { filename: String::new(), watch: true }
    }
}

/// The health endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ping {
    /// The entrypoint it is served on.
    pub entry_point: String,
    /// Served only by routers of the user's.
    pub manual_routing: bool,
    /// The status while the process stops.
    pub terminating_status_code: u16,
}

impl Default for Ping {
    fn default() -> Self {
        Self {
            entry_point: "traefik".to_owned(),
            manual_routing: false,
            terminating_status_code: 503,
        }
    }
}

/// What Traefik tries out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Experimental {
    /// Accepted, and without effect: logs are sent to collectors wherever they are told to.
    #[serde(rename = "otlpLogs", alias = "otlplogs")]
    pub otlp_logs: bool,
}

/// Rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Core {
    /// `v3` or `v2`; empty means `v3`, and leaves objects of the old group of custom resources to
    /// what their rules tell.
    pub default_rule_syntax: String,
    /// Moongate's own: what becomes of the requests of a disabled router whose rule can be read:
    /// `fallThrough` to the next router as in Traefik, or `reject` with 503.
    pub disabled_routers: String,
}

impl Default for Core {
    fn default() -> Self {
        Self { default_rule_syntax: String::new(), disabled_routers: "fallThrough".to_owned() }
    }
}

/// How one process replaces another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Restart {
    /// A path: a process that is started while another listens there takes over that one's
    /// listening sockets.
    pub socket: String,
}

/// Scripts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scripts {
    /// A folder of user scripts; one named like a built-in replaces it.
    pub directory: String,
}

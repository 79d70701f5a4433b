//! Options of what is recorded of requests: the logs, metrics, traces, and where they are sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::schema::STARS;
use crate::value::{GoDuration, section};

/// The leveled log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Log {
    /// `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR`, `FATAL` or `PANIC`.
    pub level: String,
    /// `common` or `json`.
    pub format: String,
    /// Where it is written; empty means standard output.
    pub file_path: String,
    /// No colours on a terminal.
    pub no_color: bool,
    /// Megabytes of the file before it is put aside; 0 means 100, and without any of this option
    /// and its neighbours the file is left alone.
    pub max_size: u64,
    /// Days that files put aside are kept; 0 means for ever.
    pub max_age: u64,
    /// Files put aside that are kept; 0 means all.
    pub max_backups: usize,
    /// Whether files put aside are compressed.
    pub compress: bool,
    /// Sends it to a collector as well.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpLog>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "ERROR".to_owned(),
            format: "common".to_owned(),
            file_path: String::new(),
            no_color: false,
            max_size: 0,
            max_age: 0,
            max_backups: 0,
            compress: false,
            otlp: None,
        }
    }
}

/// The log of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLog {
    /// Where it is written; empty means standard output.
    pub file_path: String,
    /// How a line looks.
    pub format: AccessLogFormat,
    /// Whether requests of internal services, such as `ping@internal`, are in it.
    pub add_internals: bool,
    /// Lines that are gathered before they are written; 0 means those of some 50 ms.
    pub buffering_size: usize,
    /// Which requests are in it.
    pub filters: AccessLogFilters,
    /// What a line holds.
    pub fields: AccessLogFields,
    /// Whether lines are written beside being sent to a collector.
    pub dual_output: bool,
    /// Sends it to a collector.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpLog>,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            file_path: String::new(),
            format: AccessLogFormat::Common,
            add_internals: false,
            buffering_size: 0,
            filters: AccessLogFilters::default(),
            fields: AccessLogFields::default(),
            dual_output: false,
            otlp: None,
        }
    }
}

/// How a line of the log of requests looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessLogFormat {
    /// The common log format with Traefik's further fields.
    #[serde(rename = "common")]
    Common,
    /// The same without them.
    #[serde(rename = "genericCLF")]
    GenericClf,
    /// An object with all fields.
    #[serde(rename = "json")]
    Json,
}

/// Which requests are in the log: those of which any of this is true, or all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLogFilters {
    /// The status is one of these, such as `404` or `500-599`.
    pub status_codes: Vec<String>,
    /// It was tried again.
    pub retry_attempts: bool,
    /// It took longer than this.
    pub min_duration: GoDuration,
}

/// What a line holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLogFields {
    /// Of fields that `names` does not name.
    pub default_mode: FieldMode,
    /// By field, whatever its case.
    pub names: BTreeMap<String, FieldMode>,
    /// Of headers.
    pub headers: AccessLogHeaders,
    /// Of queries.
    pub query_parameters: AccessLogQuery,
}

impl Default for AccessLogFields {
    fn default() -> Self {
        Self {
            default_mode: FieldMode::Keep,
            names: BTreeMap::new(),
            headers: AccessLogHeaders::default(),
            query_parameters: AccessLogQuery::default(),
        }
    }
}

/// Whether something is in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldMode {
    /// It is.
    Keep,
    /// It is not.
    Drop,
}

/// Headers in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLogHeaders {
    /// Of headers that `names` does not name.
    pub default_mode: HeaderMode,
    /// By header, whatever its case.
    pub names: BTreeMap<String, HeaderMode>,
}

impl Default for AccessLogHeaders {
    fn default() -> Self {
        Self { default_mode: HeaderMode::Drop, names: BTreeMap::new() }
    }
}

/// Whether a header is in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeaderMode {
    /// It is.
    Keep,
    /// It is not.
    Drop,
    /// Its name is.
    Redact,
}

/// The query in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessLogQuery {
    /// Whether it is there at all.
    pub default_mode: FieldMode,
}

impl Default for AccessLogQuery {
    fn default() -> Self {
        Self { default_mode: FieldMode::Keep }
    }
}

/// Numbers of what happens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// Whether requests of internal services, such as `ping@internal`, are counted.
    pub add_internals: bool,
    /// For Prometheus, which asks for them.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
    /// For a collector, to which they are sent.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpMetrics>,
}

/// Metrics for Prometheus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Prometheus {
    /// Bounds of the histograms of time, in seconds.
    pub buckets: Vec<f64>,
    /// Whether there are metrics of entrypoints.
    pub add_entry_points_labels: bool,
    /// Whether there are metrics of routers.
    pub add_routers_labels: bool,
    /// Whether there are metrics of services.
    pub add_services_labels: bool,
    /// The entrypoint they are served on.
    pub entry_point: String,
    /// Served only by routers of the user's.
    pub manual_routing: bool,
    /// Further labels of the counters of requests, with the headers that hold their values.
    pub header_labels: BTreeMap<String, String>,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            buckets: vec![0.1, 0.3, 1.2, 5.0],
            add_entry_points_labels: true,
            add_routers_labels: false,
            add_services_labels: true,
            entry_point: "traefik".to_owned(),
            manual_routing: false,
            header_labels: BTreeMap::new(),
        }
    }
}

/// Metrics for a collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtlpMetrics {
    /// Whether there are metrics of entrypoints.
    pub add_entry_points_labels: bool,
    /// Whether there are metrics of routers.
    pub add_routers_labels: bool,
    /// Whether there are metrics of services.
    pub add_services_labels: bool,
    /// Bounds of the histograms of time, in seconds.
    pub explicit_boundaries: Vec<f64>,
    /// The time between two reports.
    pub push_interval: GoDuration,
    /// The name that this process is known by.
    pub service_name: String,
    /// What else is told of this process.
    pub resource_attributes: BTreeMap<String, String>,
    /// Over gRPC.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<OtlpGrpc>,
    /// Over HTTP; unless told otherwise, and not over gRPC.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub http: Option<OtlpHttp>,
}

impl Default for OtlpMetrics {
    fn default() -> Self {
        let boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5];
        Self {
            add_entry_points_labels: true,
            add_routers_labels: false,
            add_services_labels: true,
            explicit_boundaries: boundaries.into_iter().chain([5.0, 7.5, 10.0]).collect(),
            push_interval: GoDuration::from_secs(10),
            service_name: service_name(),
            resource_attributes: BTreeMap::new(),
            grpc: None,
            http: None,
        }
    }
}

/// Traces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tracing {
    /// Whether requests of internal services, such as `ping@internal`, are traced.
    pub add_internals: bool,
    /// The name that this process is known by.
    pub service_name: String,
    /// What else is told of this process.
    pub resource_attributes: BTreeMap<String, String>,
    /// The older name of `resourceAttributes`.
    pub global_attributes: BTreeMap<String, String>,
    /// Headers of requests that traces hold.
    pub captured_request_headers: Vec<String>,
    /// Headers of answers that traces hold.
    pub captured_response_headers: Vec<String>,
    /// Parameters of queries whose values traces hold.
    pub safe_query_params: Vec<String>,
    /// The share of requests that are traced where the client has not decided it, 0 to 1.
    pub sample_rate: f64,
    /// Where they are sent.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpTraces>,
}

impl Default for Tracing {
    fn default() -> Self {
        Self {
            add_internals: false,
            service_name: service_name(),
            resource_attributes: BTreeMap::new(),
            global_attributes: BTreeMap::new(),
            captured_request_headers: Vec::new(),
            captured_response_headers: Vec::new(),
            safe_query_params: Vec::new(),
            sample_rate: 1.0,
            otlp: None,
        }
    }
}

/// Where traces are sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtlpTraces {
    /// Over gRPC.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<OtlpGrpc>,
    /// Over HTTP; unless told otherwise, and not over gRPC.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub http: Option<OtlpHttp>,
}

/// Where a log is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtlpLog {
    /// The name that this process is known by.
    pub service_name: String,
    /// What else is told of this process.
    pub resource_attributes: BTreeMap<String, String>,
    /// Over gRPC.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub grpc: Option<OtlpGrpc>,
    /// Over HTTP; unless told otherwise, and not over gRPC.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub http: Option<OtlpHttp>,
}

impl Default for OtlpLog {
    fn default() -> Self {
        let resource_attributes = BTreeMap::new();
        Self { service_name: service_name(), resource_attributes, grpc: None, http: None }
    }
}

fn service_name() -> String {
    "traefik".to_owned()
}

/// A collector that speaks gRPC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtlpGrpc {
    /// `host:port`.
    pub endpoint: String,
    /// Without TLS.
    pub insecure: bool,
    /// Headers sent along, which may hold secrets.
    #[serde(serialize_with = "concealed")]
    pub headers: BTreeMap<String, String>,
    /// TLS to it.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
}

impl Default for OtlpGrpc {
    fn default() -> Self {
        let (headers, endpoint) = (BTreeMap::new(), "localhost:4317".to_owned());
        Self { endpoint, insecure: false, headers, tls: None }
    }
}

/// A collector that speaks HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtlpHttp {
    /// `scheme://host:port`, with a path unless it is the usual one.
    pub endpoint: String,
    /// Headers sent along, which may hold secrets.
    #[serde(serialize_with = "concealed")]
    pub headers: BTreeMap<String, String>,
    /// TLS to it.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
}

impl Default for OtlpHttp {
    fn default() -> Self {
        let (headers, endpoint) = (BTreeMap::new(), "https://localhost:4318".to_owned());
        Self { endpoint, headers, tls: None }
    }
}

/// Headers without their values.
fn concealed<S: Serializer>(
    headers: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| (name, STARS)))
}

/// How a TLS client proves itself and checks the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientTls {
    /// Authorities the server's certificate must come from: a path or PEM text; empty means the
    /// system's.
    pub ca: String,
    /// The client's certificate: a path or PEM text.
    pub cert: String,
    /// Its key: a path or PEM text.
    pub key: String,
    /// Whether any certificate is trusted.
    pub insecure_skip_verify: bool,
}

/// Switches of an entrypoint's logs, metrics and traces, of routers that say nothing of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EntryPointObservability {
    /// Whether requests are in the access log.
    pub access_logs: bool,
    /// Whether requests are counted.
    pub metrics: bool,
    /// Whether requests are traced.
    pub tracing: bool,
    /// How much traces tell.
    pub trace_verbosity: Verbosity,
}

impl Default for EntryPointObservability {
    fn default() -> Self {
        Self {
            access_logs: true,
            metrics: true,
            tracing: true,
            trace_verbosity: Verbosity::Minimal,
        }
    }
}

/// How much traces tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verbosity {
    /// Of the request as it came and as it was sent on.
    Minimal,
    /// Of every step between.
    Detailed,
}

//! A collector: how it is reached, and how a report is sent to it, over HTTP or gRPC.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE};
use http::{Method, StatusCode, Version};

use crate::config::{ClientTls, OtlpGrpc, OtlpHttp};
use crate::message::{Body, Client, Exchange, Parts, Request, Target};
use crate::model::{Certificate, ForwardingTimeouts, ServersTransport};
use crate::upstream::{
    Endpoint, EndpointError, Forwarding, Hop, HostHeader, PathPrefix, Pools, Transport,
    TransportError, send,
};

/// What is reported, as paths and services name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

/// Why a collector cannot be used. Options are named as below its section.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// Its address is none.
    #[error("{option}: {error}")]
    Endpoint {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        error: EndpointError,
    },
    /// TLS to it cannot be spoken.
    #[error("tls: {0}")]
    Tls(#[from] TransportError),
    /// A header that is none.
    #[error("headers.{name}: {reason}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The path of its address cannot be sent.
    #[error("http.endpoint: {path:?} is no path")]
    Path {
        /// The path.
        path: String,
    },
}

/// Why a report was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReportError {
    /// It was not reached, or answered with a status of HTTP.
    #[error("it answered with the status {0}")]
    Status(StatusCode),
    /// It answered with a status of gRPC.
    #[error("it answered with the status {code} of gRPC{}", told(message))]
    Grpc {
        /// The status.
        code: u32,
        /// Its words.
        message: String,
    },
    /// It did not answer in time.
    #[error("it did not answer within {} s", LIMIT.as_secs())]
    Late,
}

fn told(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl ReportError {
    /// Whether the same report may be taken later (OTLP, retryable responses).
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Grpc { code, .. } => matches!(code, 1 | 4 | 8 | 10 | 11 | 14 | 15),
            Self::Late => true,
        }
    }
}

/// For an answer; as in OpenTelemetry's exporters.
const LIMIT: Duration = Duration::from_secs(10);
/// Answers are looked at no further than this.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A collector of one signal.
#[derive(Debug)]
pub(super) struct Collector {
    endpoint: Arc<Endpoint>,
    protocol: Protocol,
    headers: HeaderMap,
    path: String,
    /// Its address, for the log.
    pub(super) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Grpc,
}

impl Collector {
    /// The collector of a section; gRPC goes first where both are given, as in Traefik. Waits for
    /// the disk.
    ///
    /// # Errors
    /// When an option cannot be used.
    pub(super) fn new(
        signal: Signal,
        grpc: Option<&OtlpGrpc>,
        http: Option<&OtlpHttp>,
    ) -> Result<Self, CollectorError> {
        match (grpc, http) {
            (Some(grpc), _) => Self::grpc(signal, grpc),
            (None, Some(http)) => Self::http(signal, http),
            (None, None) => Self::http(signal, &OtlpHttp::default()),
        }
    }

    fn grpc(signal: Signal, options: &OtlpGrpc) -> Result<Self, CollectorError> {
        let scheme = if options.insecure { "h2c" } else { "https" };
        let name = format!("{scheme}://{}", options.endpoint);
        let endpoint = endpoint("grpc.endpoint", &name, options.tls.as_ref())?;
        let mut headers = headers(&options.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        let path = signal.method().to_owned();
        Ok(Self { endpoint, protocol: Protocol::Grpc, headers, path, name })
    }

    fn http(signal: Signal, options: &OtlpHttp) -> Result<Self, CollectorError> {
        let url = &options.endpoint;
        let after_scheme = url.find("://").map_or(0, |place| place + 3);
        let start = url[after_scheme..].find('/').map_or(url.len(), |place| after_scheme + place);
        let (origin, path) = url.split_at(start);
        let endpoint = endpoint("http.endpoint", origin, options.tls.as_ref())?;
        let mut headers = headers(&options.headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        let path = if path.is_empty() { signal.path() } else { path }.to_owned();
        if Target::parse(Bytes::from(path.clone())).is_err() {
            return Err(CollectorError::Path { path });
        }
        let name = origin.to_owned();
        Ok(Self { endpoint, protocol: Protocol::Http, headers, path, name })
    }

    /// Sends a report.
    pub(super) async fn report(&self, pools: &Rc<Pools>, report: &[u8]) -> Result<(), ReportError> {
        let sent = tokio::time::timeout(LIMIT, self.send(pools, report));
        sent.await.unwrap_or(Err(ReportError::Late))
    }

    async fn send(&self, pools: &Rc<Pools>, report: &[u8]) -> Result<(), ReportError> {
        let broken = |_| ReportError::Status(StatusCode::INTERNAL_SERVER_ERROR);
        let packed = packed(report).map_err(broken)?;
        let body = match self.protocol {
            Protocol::Http => packed,
            Protocol::Grpc => framed(&packed),
        };
        let target = Target::parse(Bytes::from(self.path.clone()));
        let Ok(target) = target else { return Err(ReportError::Status(StatusCode::BAD_REQUEST)) };
        let request = Request::from(Parts {
            method: Method::POST,
            target,
            version: Version::HTTP_11,
            host: Bytes::new(),
            headers: self.headers.clone().into(),
            body: Body::from(body),
            upgrade: None,
            exchange: Rc::new(Exchange::new(Rc::new(nobody()))),
        });
        let forwarding =
            Forwarding { host: HostHeader::Server, path: PathPrefix::Ignored, hop: Hop::Untold };
        let mut response = send(pools, &self.endpoint, forwarding, request).await;
        if self.protocol == Protocol::Http {
            // Read to its end, so that the connection can be used again.
            let _ = std::mem::take(&mut response.body).collect(ANSWER_BYTES_MAX).await;
            return match response.status.is_success() {
                true => Ok(()),
                false => Err(ReportError::Status(response.status)),
            };
        }
        if response.status != StatusCode::OK {
            return Err(ReportError::Status(response.status));
        }
        let mut trailers: HeaderMap = response.headers.clone().into();
        while let Some(frame) = response.body.frame().await {
            let Ok(frame) = frame else { break };
            if let Ok(last) = frame.into_trailers() {
                trailers.extend(last);
            }
        }
        grpc_status(&trailers)
    }
}

fn grpc_status(trailers: &HeaderMap) -> Result<(), ReportError> {
    let text = |name: &str| trailers.get(name).and_then(|value| value.to_str().ok());
    // Without a status there was no answer: UNKNOWN.
    let code = text("grpc-status").and_then(|text| text.parse().ok()).unwrap_or(2);
    let message = text("grpc-message").unwrap_or_default().to_owned();
    if code == 0 { Ok(()) } else { Err(ReportError::Grpc { code, message }) }
}

fn packed(report: &[u8]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(report.len() / 4), Compression::fast());
    encoder.write_all(report)?;
    encoder.finish().map(Bytes::from)
}

/// A message of gRPC: that it is packed, its length, itself.
fn framed(packed: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(packed.len() + 5);
    frame.put_u8(1);
    frame.put_u32(u32::try_from(packed.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(packed);
    frame.freeze()
}

fn endpoint(
    option: &'static str,
    url: &str,
    tls: Option<&ClientTls>,
) -> Result<Arc<Endpoint>, CollectorError> {
    let mut options = ServersTransport {
        max_idle_conns_per_host: 4,
        forwarding_timeouts: ForwardingTimeouts::default(),
        ..ServersTransport::default()
    };
    if let Some(tls) = tls {
        options.insecure_skip_verify = tls.insecure_skip_verify;
        options.root_cas.extend(Some(tls.ca.clone()).filter(|ca| !ca.is_empty()));
        if !tls.cert.is_empty() || !tls.key.is_empty() {
            let (cert_file, key_file) = (tls.cert.clone(), tls.key.clone());
            let pair = Certificate { cert_file, key_file, ..Certificate::default() };
            options.certificates.push(pair);
        }
    }
    let transport = Arc::new(Transport::build(&options)?);
    let parsed = Endpoint::parse(url, transport);
    parsed.map(Arc::new).map_err(|error| CollectorError::Endpoint { option, error })
}

fn headers(given: &BTreeMap<String, String>) -> Result<HeaderMap, CollectorError> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let wrong = |reason: String| CollectorError::Header { name: name.clone(), reason };
        let key = HeaderName::try_from(name).map_err(|error| wrong(error.to_string()))?;
        let value = HeaderValue::try_from(value).map_err(|error| wrong(error.to_string()))?;
        headers.insert(key, value);
    }
    Ok(headers)
}

/// Reports have no client; this stands for one.
fn nobody() -> Client {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    Client {
        peer: nowhere,
        local: nowhere,
        ip: HeaderValue::from_static("0.0.0.0"),
        entrypoint: "".into(),
        adds_address: false,
        tls: None,
        guard: Rc::new(()),
    }
}

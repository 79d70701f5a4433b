//! The dynamic configuration: what providers deliver, as plain data.
//!
//! Pure serde: nothing is resolved, compiled or looked up here. Field names are Traefik's in camel
//! case; the decoder (`value::decode`) matches them whatever their case. Must not know the
//! runtime.

mod diagnostic;
mod flush;
mod http;
mod merge;
mod outcome;
mod report;
mod service;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use diagnostic::{Diagnostic, Severity};
pub use flush::FlushInterval;
pub use http::{
    ForwardingTimeouts, Http, Middleware, Observability, Router, RouterTls, ServersTransport,
    TlsDomain,
};
pub use merge::merge;
pub use outcome::{Outcome, RouterVerdict, ServerHealth, Verdict};
pub use report::{ElementStatus, MiddlewareReport, Report, RouterReport, ServiceReport};
pub use service::{
    Cookie, Failover, FailoverErrors, HashBy, HealthCheck, HighestRandomWeight, LoadBalancer,
    Mirror, Mirroring, PassiveHealthCheck, ResponseForwarding, Server, ServerHealthCheck, Service,
    Sticky, Weighted, WeightedChild,
};
pub use tls::{Certificate, Tls};

/// Elements by name. Elements are shared, so that an unchanged one is the same allocation in two
/// generations.
pub type Elements<T> = BTreeMap<String, Arc<T>>;

/// One provider's whole configuration, or all of them merged (names then end in `@provider`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dynamic {
    /// HTTP routers, services, middlewares and transports.
    pub http: Http,
    /// TCP elements, kept as they came until TCP routing exists; each is reported as unsupported.
    pub tcp: BTreeMap<String, Elements<serde_json::Value>>,
    /// UDP elements, likewise.
    pub udp: BTreeMap<String, Elements<serde_json::Value>>,
    /// Certificates, options and stores.
    pub tls: Tls,
}

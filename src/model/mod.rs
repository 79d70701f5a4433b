//! The dynamic configuration: what providers deliver, as plain data.
//!
//! Pure serde: nothing is resolved, compiled or looked up here. Field names are Traefik's in camel
//! case; the decoder (`value::decode`) matches them whatever their case. Must not know the
//! runtime.

mod diagnostic;
mod http;
mod merge;
mod outcome;
mod report;
mod service;
mod signed;
mod streams;
mod tcp;
mod tls;
mod udp;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use diagnostic::{Diagnostic, Severity};
pub use http::{
    ForwardingTimeouts, Http, IngressMetadata, Middleware, Observability, Router, RouterMetadata,
    RouterTls, ServersTransport, Timeouts, TlsDomain,
};
pub use merge::merge;
pub use outcome::{Outcome, RouterVerdict, ServerHealth, Uses, Verdict};
pub use report::{ElementStatus, MiddlewareReport, Report, RouterReport, ServiceReport};
pub use service::{
    Cookie, Failover, FailoverErrors, HashBy, HealthCheck, HighestRandomWeight, LoadBalancer,
    Mirror, Mirroring, PassiveHealthCheck, ResponseForwarding, Server, ServerHealthCheck, Service,
    ServiceTimeouts, Sticky, Weighted, WeightedChild,
};
pub use signed::SignedDuration;
pub use streams::{Shown, StreamOutcome, StreamVerdict};
pub use tcp::{
    ProxyProtocol, Tcp, TcpHealthCheck, TcpLoadBalancer, TcpRouter, TcpRouterTls, TcpServer,
    TcpServersTransport, TcpService, TcpTransportTls, TcpWeighted,
};
pub use tls::{Certificate, ClientAuth, GeneratedDefault, Tls, TlsOptions};
pub use udp::{Udp, UdpLoadBalancer, UdpRouter, UdpServer, UdpService, UdpWeighted};

/// Elements by name. Elements are shared, so that an unchanged one is the same allocation in two
/// generations.
pub type Elements<T> = BTreeMap<String, Arc<T>>;

/// One provider's whole configuration, or all of them merged (names then end in `@provider`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dynamic {
    /// HTTP routers, services, middlewares and transports.
    pub http: Http,
    /// TCP routers, services, middlewares and transports.
    pub tcp: Tcp,
    /// UDP routers and services.
    pub udp: Udp,
    /// Certificates, options and stores.
    pub tls: Tls,
}

impl Dynamic {
    /// How many routers, services and middlewares there are, of all protocols.
    #[must_use]
    pub fn len(&self) -> usize {
        let http = &self.http;
        let http = http.routers.len() + http.services.len() + http.middlewares.len();
        let tcp = &self.tcp;
        let tcp = tcp.routers.len() + tcp.services.len() + tcp.middlewares.len();
        http + tcp + self.udp.routers.len() + self.udp.services.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

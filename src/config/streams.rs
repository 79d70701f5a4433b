//! Options of TCP and UDP: transports to servers, the PROXY protocol, sessions.

use serde::{Deserialize, Serialize};

use crate::model::{self, SignedDuration};
use crate::value::{GoDuration, section};

/// HTTP/3 of an entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Http3 {
    /// The port that clients are told of; 0 means that of the address.
    #[serde(skip_serializing_if = "is_zero")]
    pub advertised_port: u16,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(port: &u16) -> bool {
    *port == 0
}

/// How TCP servers are connected to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpServersTransport {
    /// Silence after which the system asks a server for a sign of life.
    pub dial_keep_alive: SignedDuration,
    /// For a connection.
    pub dial_timeout: GoDuration,
    /// From the end of one direction to that of the other; less than 0 means any time.
    pub termination_delay: SignedDuration,
    /// TLS to servers.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub tls: Option<TcpServersTls>,
}

/// TLS to TCP servers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpServersTls {
    /// Whether any certificate is trusted.
    pub insecure_skip_verify: bool,
    /// Roots to trust: paths or PEM text; none means the system's.
    #[serde(rename = "rootCAs")]
    pub root_cas: Vec<String>,
}

impl Default for TcpServersTransport {
    fn default() -> Self {
        let model::TcpServersTransport { dial_keep_alive, dial_timeout, termination_delay, .. } =
            model::TcpServersTransport::default();
        Self { dial_keep_alive, dial_timeout, termination_delay, tls: None }
    }
}

impl TcpServersTransport {
    /// The same as a transport of the dynamic configuration, which has more options.
    #[must_use]
    pub fn as_dynamic(&self) -> model::TcpServersTransport {
        let tls = self.tls.as_ref().map(|tls| model::TcpTransportTls {
            insecure_skip_verify: tls.insecure_skip_verify,
            root_cas: tls.root_cas.clone(),
            ..model::TcpTransportTls::default()
        });
        model::TcpServersTransport {
            dial_keep_alive: self.dial_keep_alive,
            dial_timeout: self.dial_timeout,
            termination_delay: self.termination_delay,
            proxy_protocol: None,
            tls,
        }
    }
}

/// Whose PROXY headers are believed. Those of others are read and passed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyProtocol {
    /// Everybody's.
    pub insecure: bool,
    /// Those of these addresses and networks.
    #[serde(rename = "trustedIPs")]
    pub trusted_ips: Vec<String>,
}

/// UDP of an entrypoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Udp {
    /// Silence after which a client's session ends.
    pub timeout: GoDuration,
}

impl Default for Udp {
    fn default() -> Self {
        Self { timeout: GoDuration::from_secs(3) }
    }
}

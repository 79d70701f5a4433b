//! TCP elements: routers, services, transports to servers; middlewares are as HTTP's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Elements, HealthCheck, Middleware, SignedDuration, TlsDomain, WeightedChild};
use crate::value::{GoDuration, section};

/// The `tcp` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Tcp {
    /// Routers by name.
    pub routers: Elements<TcpRouter>,
    /// Services by name.
    pub services: Elements<TcpService>,
    /// Middlewares by name.
    pub middlewares: Elements<Middleware>,
    /// Transports by name.
    pub servers_transports: Elements<TcpServersTransport>,
}

/// A rule and what is done with the connections it matches.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpRouter {
    /// Entrypoints by name; none means the default ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entry_points: Vec<String>,
    /// Middlewares by name, in the order of the connection.
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
    /// Greater goes first; 0 means the length of the rule, and -1 for ``HostSNI(`*`)``.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i64,
    /// Present: only TLS connections; absent: only others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TcpRouterTls>,
}

/// TLS of a router.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpRouterTls {
    /// Whether the server ends TLS, not Moongate.
    pub passthrough: bool,
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

/// A service: exactly one kind may be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpService {
    /// Servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<TcpLoadBalancer>,
    /// Services by weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted: Option<TcpWeighted>,
}

/// Servers, which take turns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpLoadBalancer {
    /// The servers.
    pub servers: Vec<TcpServer>,
    /// The transport's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub servers_transport: String,
    /// The PROXY header for servers, where no transport is named. Traefik calls it deprecated.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Milliseconds from the end of one direction to that of the other, where no transport is
    /// named; less than 0 means any time. Traefik calls it deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_delay: Option<i64>,
    /// Asks servers whether they are well.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub health_check: Option<TcpHealthCheck>,
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpServer {
    /// Host and port.
    pub address: String,
    /// Whether it is spoken to in TLS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
}

/// The PROXY header that tells a server who the client is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyProtocol {
    /// 1 or 2.
    pub version: i64,
}

impl Default for ProxyProtocol {
    fn default() -> Self {
        Self { version: 2 }
    }
}

/// How servers are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpHealthCheck {
    /// A port in place of the address's.
    #[serde(skip_serializing_if = "is_no_port")]
    pub port: u16,
    /// What is sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub send: String,
    /// What must come back; empty means that a connection is enough.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub expect: String,
    /// From one question to the next.
    pub interval: GoDuration,
    /// The same while the server is down; none means `interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_interval: Option<GoDuration>,
    /// For an answer.
    pub timeout: GoDuration,
}

impl Default for TcpHealthCheck {
    fn default() -> Self {
        Self {
            port: 0,
            send: String::new(),
            expect: String::new(),
            interval: GoDuration::from_secs(30),
            unhealthy_interval: None,
            timeout: GoDuration::from_secs(5),
        }
    }
}

/// Services by weight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpWeighted {
    /// The children.
    pub services: Vec<WeightedChild>,
    /// Whether children that are down are passed over.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub health_check: Option<HealthCheck>,
}

/// How servers are connected to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpServersTransport {
    /// Silence after which the system asks the server for a sign of life; less than 0 means never.
    pub dial_keep_alive: SignedDuration,
    /// For a connection; zero means none.
    pub dial_timeout: GoDuration,
    /// The PROXY header for servers.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub proxy_protocol: Option<ProxyProtocol>,
    /// From the end of one direction to that of the other; less than 0 means any time.
    pub termination_delay: SignedDuration,
    /// TLS to servers.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub tls: Option<TcpTransportTls>,
}

impl Default for TcpServersTransport {
    fn default() -> Self {
        Self {
            dial_keep_alive: SignedDuration::from_millis(15_000),
            dial_timeout: GoDuration::from_secs(30),
            proxy_protocol: None,
            termination_delay: SignedDuration::default(),
            tls: None,
        }
    }
}

/// TLS to servers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpTransportTls {
    /// The name asked for, instead of the address's host.
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
    /// A URI that the server's certificate must hold.
    #[serde(rename = "peerCertURI", skip_serializing_if = "String::is_empty")]
    pub peer_cert_uri: String,
    /// SPIFFE; kept as it came until it is supported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe: Option<Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_no_port(port: &u16) -> bool {
    *port == 0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::value::decode;

    fn check(given: &Value, expect: &Value) {
        let tcp: Tcp = decode(given).unwrap();
        let shown = serde_json::to_value(&tcp).unwrap();
        let kind = expect.as_object().unwrap().keys().next().unwrap().clone();
        assert_eq!(shown[&kind], expect[&kind], "{given}");
        assert_eq!(decode::<Tcp>(expect).unwrap(), tcp, "{expect}");
    }

    #[test]
    fn shows_defaults_as_traefik_does() {
        check(
            &json!({"routers": {"r": {"rule": "HostSNI(`*`)", "service": "s", "tls": {}}}}),
            &json!({"routers": {"r": {"rule": "HostSNI(`*`)", "service": "s",
                "tls": {"passthrough": false}}}}),
        );
        check(
            &json!({"services": {"s": {"loadBalancer": {"proxyProtocol": true,
                "healthCheck": {"send": "PING"}, "servers": [{"address": "a:1", "tls": true}]}}}}),
            &json!({"services": {"s": {"loadBalancer": {"proxyProtocol": {"version": 2},
                "healthCheck": {"send": "PING", "interval": "30s", "timeout": "5s"},
                "servers": [{"address": "a:1", "tls": true}]}}}}),
        );
        check(
            &json!({"serversTransports": {"t": {"tls": {"serverName": "a"}}}}),
            &json!({"serversTransports": {"t": {"dialKeepAlive": "15s", "dialTimeout": "30s",
                "terminationDelay": "100ms", "tls": {"serverName": "a"}}}}),
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (given, path) in [
            (json!({"routers": {"r": {"tls": {"pass": 1}}}}), "routers.r.tls.pass"),
            (json!({"services": {"s": {"mirroring": {}}}}), "services.s.mirroring"),
            (json!({"serversTransports": {"t": {"x": 1}}}), "serversTransports.t.x"),
        ] {
            assert_eq!(decode::<Tcp>(&given).unwrap_err().path(), path);
        }
    }
}

//! HTTP services: servers and how one is chosen, and services made of services.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SignedDuration;
use crate::value::{GoDuration, section};

/// A service: exactly one kind may be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancer>,
    /// Services by weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted: Option<Weighted>,
    /// A service, and services that get copies of its requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirroring: Option<Mirroring>,
    /// A service and its replacement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
    /// Services by rendezvous hashing of the client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highest_random_weight: Option<HighestRandomWeight>,
    /// Middlewares in front of the service, in the order of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<String>,
}

/// Servers and how they are chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// The servers.
    pub servers: Vec<Server>,
    /// `wrr`, `p2c`, `hrw` or `leasttime`; empty means `wrr`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub strategy: String,
    /// What `hrw` hashes in place of the client's address. Moongate's own option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_by: Option<HashBy>,
    /// Whether the client's `Host` goes to the server.
    pub pass_host_header: bool,
    /// The transport's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub servers_transport: String,
    /// Limits of waiting for the servers, before those of routers. Moongate's own option.
    #[serde(skip_serializing_if = "ServiceTimeouts::is_empty")]
    pub timeouts: ServiceTimeouts,
    /// How answers are handed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_forwarding: Option<ResponseForwarding>,
    /// Sticky sessions.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub sticky: Option<Sticky>,
    /// Asks servers whether they are well.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub health_check: Option<ServerHealthCheck>,
    /// Judges servers by their answers.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub passive_health_check: Option<PassiveHealthCheck>,
}

impl Default for LoadBalancer {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            strategy: String::new(),
            hash_by: None,
            pass_host_header: true,
            servers_transport: String::new(),
            timeouts: ServiceTimeouts::default(),
            response_forwarding: None,
            sticky: None,
            health_check: None,
            passive_health_check: None,
        }
    }
}

/// Limits of waiting for servers; none means those of the router, zero none at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceTimeouts {
    /// From the sending of the request to the head of the server's answer, for each try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<GoDuration>,
    /// Silence of a body or of a tunnel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<GoDuration>,
}

impl ServiceTimeouts {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One value of a request: exactly one field is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HashBy {
    /// A header's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub header: String,
    /// A cookie's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cookie: String,
    /// A query parameter's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// A script with the hook `balance`, by its name or path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lua: String,
}

/// How answers are handed on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResponseForwarding {
    /// How often Traefik flushes answers; a negative interval means after every write. Moongate
    /// hands every byte on at once, which satisfies any value, so it is only checked and shown.
    pub flush_interval: SignedDuration,
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Server {
    /// Scheme, host and port.
    pub url: String,
    /// Its share; none means 1, 0 takes it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Whether the URL's path goes in front of the request's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preserve_path: bool,
    /// Whether it ends, and gets the requests of clients that a cookie keeps there alone. Only
    /// providers that see servers end say so; it cannot be configured.
    #[serde(skip_deserializing, skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
}

/// Sticky sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sticky {
    /// By a cookie, which is the only way there is.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub cookie: Option<Cookie>,
}

/// The cookie of sticky sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cookie {
    /// Its name; none means one made from the service's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Only over encrypted connections.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub secure: bool,
    /// Out of reach of scripts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub http_only: bool,
    /// `none`, `lax` or `strict`; empty leaves it to the browser.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub same_site: String,
    /// Seconds that it lives; 0 means until the browser closes, less than 0 deletes it.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_age: i64,
    /// The path it is for.
    pub path: String,
    /// The domain it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            name: String::new(),
            secure: false,
            http_only: false,
            same_site: String::new(),
            max_age: 0,
            path: "/".to_owned(),
            domain: String::new(),
        }
    }
}

/// How servers are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerHealthCheck {
    /// `http` or `grpc`.
    pub mode: String,
    /// A scheme in place of the URL's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scheme: String,
    /// The path; empty means the URL's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The method; empty means `GET`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// The status of a well server; 0 means any from 200 to 399.
    #[serde(skip_serializing_if = "is_none_status")]
    pub status: u16,
    /// A port in place of the URL's.
    #[serde(skip_serializing_if = "is_none_status")]
    pub port: u16,
    /// From one question to the next.
    pub interval: GoDuration,
    /// The same while the server is down; none means `interval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_interval: Option<GoDuration>,
    /// For an answer.
    pub timeout: GoDuration,
    /// The `Host` of the question.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// Whether redirections are followed.
    pub follow_redirects: bool,
    /// Headers of the question.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl Default for ServerHealthCheck {
    fn default() -> Self {
        Self {
            mode: "http".to_owned(),
            scheme: String::new(),
            path: String::new(),
            method: String::new(),
            status: 0,
            port: 0,
            interval: GoDuration::from_secs(30),
            unhealthy_interval: None,
            timeout: GoDuration::from_secs(5),
            hostname: String::new(),
            follow_redirects: true,
            headers: BTreeMap::new(),
        }
    }
}

/// When a server is left out because of its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PassiveHealthCheck {
    /// The time that failures are counted over, and that the server is left out for.
    pub failure_window: GoDuration,
    /// Failures within that time after which it is left out.
    pub max_failed_attempts: u32,
}

impl Default for PassiveHealthCheck {
    fn default() -> Self {
        Self { failure_window: GoDuration::from_secs(10), max_failed_attempts: 1 }
    }
}

/// Present: the children's health counts, and is told to the parent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {}

/// Services by weight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Weighted {
    /// The children.
    pub services: Vec<WeightedChild>,
    /// Sticky sessions.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub sticky: Option<Sticky>,
    /// Whether children that are down are passed over.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub health_check: Option<HealthCheck>,
}

/// One child of a weighted service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WeightedChild {
    /// The service's name.
    pub name: String,
    /// Its share; none means 1, 0 takes it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// Services by rendezvous hashing of the client's address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HighestRandomWeight {
    /// The children.
    pub services: Vec<WeightedChild>,
    /// Whether children that are down are passed over.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub health_check: Option<HealthCheck>,
}

/// A service, and services that get copies of its requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mirroring {
    /// The service that answers.
    pub service: String,
    /// Whether copies have the body.
    pub mirror_body: bool,
    /// Bytes of a body past which a request is not copied; less than 0 means Moongate's own limit.
    pub max_body_size: i64,
    /// The services that get copies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// Whether the service's health is told to the parent.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub health_check: Option<HealthCheck>,
}

impl Default for Mirroring {
    fn default() -> Self {
        Self {
            service: String::new(),
            mirror_body: true,
            max_body_size: -1,
            mirrors: Vec::new(),
            health_check: None,
        }
    }
}

/// A service that gets copies of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mirror {
    /// The service's name.
    pub name: String,
    /// How many of a hundred requests it gets.
    pub percent: i64,
}

/// A service and its replacement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failover {
    /// The service that answers while it is up.
    pub service: String,
    /// The service that answers otherwise.
    pub fallback: String,
    /// Whether the health of both is told to the parent.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "section")]
    pub health_check: Option<HealthCheck>,
    /// Answers that the fallback's take the place of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<FailoverErrors>,
}

/// Answers that the fallback's take the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailoverErrors {
    /// Statuses and ranges of them, such as `500` and `502-504`.
    pub status: Vec<String>,
    /// Bytes of a body past which a request is not sent a second time; less than 0 means
    /// Moongate's own limit.
    pub max_request_body_bytes: i64,
}

impl Default for FailoverErrors {
    fn default() -> Self {
        Self { status: Vec::new(), max_request_body_bytes: -1 }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none_status(number: &u16) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::value::decode;

    fn check(given: impl Into<Value>, expect: impl Into<Value>) {
        let (given, expect) = (given.into(), expect.into());
        let service: Service = decode(&given).unwrap();
        assert_eq!(serde_json::to_value(&service).unwrap(), expect, "{given}");
        assert_eq!(decode::<Service>(&expect).unwrap(), service, "{expect}");
    }

    #[test]
    fn shows_defaults_as_traefik_does() {
        check(
            json!({"loadBalancer": {"sticky": {"cookie": {}}, "healthCheck": {"path": "/h"}}}),
            json!({"loadBalancer": {
                "servers": [],
                "passHostHeader": true,
                "sticky": {"cookie": {"path": "/"}},
                "healthCheck": {"mode": "http", "path": "/h", "interval": "30s", "timeout": "5s",
                    "followRedirects": true},
            }}),
        );
        check(
            json!({"loadBalancer": {"passiveHealthCheck": true,
                "responseForwarding": {"flushInterval": -1}}}),
            json!({"loadBalancer": {
                "servers": [],
                "passHostHeader": true,
                "responseForwarding": {"flushInterval": "-1s"},
                "passiveHealthCheck": {"failureWindow": "10s", "maxFailedAttempts": 1},
            }}),
        );
        check(
            json!({"mirroring": {"service": "a", "mirrors": [{"name": "m", "percent": 5}]}}),
            json!({"mirroring": {"service": "a", "mirrorBody": true, "maxBodySize": -1,
                "mirrors": [{"name": "m", "percent": 5}]}}),
        );
        check(
            json!({"failover": {"service": "a", "fallback": "b", "healthCheck": {},
                "errors": {"status": "500-504"}}}),
            json!({"failover": {"service": "a", "fallback": "b", "healthCheck": {},
                "errors": {"status": ["500-504"], "maxRequestBodyBytes": -1}}}),
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (given, path) in [
            (
                json!({"loadBalancer": {"healthCheck": {"pth": "/"}}}),
                "loadBalancer.healthCheck.pth",
            ),
            (json!({"weighted": {"healthCheck": {"path": "/"}}}), "weighted.healthCheck.path"),
            (json!({"mirroring": {"mirrors": [{"part": 1}]}}), "mirroring.mirrors[0].part"),
        ] {
            assert_eq!(decode::<Service>(&given).unwrap_err().path(), path);
        }
    }
}

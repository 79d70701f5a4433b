//! The options of certificate resolvers: where certificates come from, how names are proved, and
//! where all of it is kept.
//!
//! Names and defaults are Traefik's; `sharedStorage` and `onDemand` are Moongate's own.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kubernetes::Token;
use crate::value::{GoDuration, section};

/// A certificate resolver.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateResolver {
    /// An authority that speaks ACME.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeOptions>,
}

/// An authority that speaks ACME, and how it is talked to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AcmeOptions {
    /// The address the authority may write to.
    pub email: String,
    /// Addresses that certificates are asked to hold.
    pub email_addresses: Vec<String>,
    /// The URL of the authority's directory.
    pub ca_server: String,
    /// Roots that the authority's own certificate must come from: paths or PEM text.
    pub ca_certificates: Vec<String>,
    /// Whether the system's roots are trusted beside these.
    pub ca_system_cert_pool: bool,
    /// The name in the authority's own certificate, where it is not that of the URL.
    pub ca_server_name: String,
    /// Hours that certificates are valid for; decides when they are renewed.
    pub certificates_duration: u32,
    /// How long the authority may take to issue.
    pub certificate_timeout: GoDuration,
    /// For the head of an answer of the authority.
    pub client_response_header_timeout: GoDuration,
    /// For an answer of the authority.
    pub client_timeout: GoDuration,
    /// Whether certificates are asked for without a common name.
    pub disable_common_name: bool,
    /// Names are proved by records of the DNS.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub dns_challenge: Option<DnsChallenge>,
    /// What ties the account to one that the authority knows otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eab: Option<Eab>,
    /// Names are proved by answers over HTTP.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub http_challenge: Option<HttpChallenge>,
    /// The keys of certificates: `EC256`, `EC384`, `RSA2048` or `RSA4096`.
    pub key_type: String,
    /// The common name in an issuer of the chain to take, where the authority offers several.
    pub preferred_chain: String,
    /// Moongate's own: certificates at the first handshake, for names that a script allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand: Option<OnDemand>,
    /// One of the authority's profiles.
    pub profile: String,
    /// The file that account and certificates are kept in.
    pub storage: String,
    /// Moongate's own: a place that several replicas share instead of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared_storage: Option<SharedStorage>,
    /// Names are proved in handshakes.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub tls_challenge: Option<TlsChallenge>,
}

impl Default for AcmeOptions {
    fn default() -> Self {
        Self {
            email: String::new(),
            email_addresses: Vec::new(),
            ca_server: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            ca_certificates: Vec::new(),
            ca_system_cert_pool: false,
            ca_server_name: String::new(),
            certificates_duration: 2160,
            certificate_timeout: GoDuration::from_secs(30),
            client_response_header_timeout: GoDuration::from_secs(30),
            client_timeout: GoDuration::from_secs(120),
            disable_common_name: false,
            dns_challenge: None,
            eab: None,
            http_challenge: None,
            key_type: "RSA4096".to_owned(),
            on_demand: None,
            preferred_chain: String::new(),
            profile: String::new(),
            storage: "acme.json".to_owned(),
            shared_storage: None,
            tls_challenge: None,
        }
    }
}

/// Certificates at the first handshake for a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnDemand {
    /// The file of a script whose hook `allow` says which names may have one.
    pub script: String,
    /// How long a handshake waits for its certificate before it gets the default one.
    pub wait: GoDuration,
    /// Orders that handshakes may begin within an hour.
    pub orders_per_hour: u32,
}

impl Default for OnDemand {
    fn default() -> Self {
        Self { script: String::new(), wait: GoDuration::from_secs(10), orders_per_hour: 20 }
    }
}

/// What ties an account to one that the authority knows otherwise (RFC 8555, section 7.3.4).
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Eab {
    /// How the authority calls the key.
    pub kid: String,
    /// The key, as base64 for URLs.
    pub hmac_encoded: String,
}

/// Shows no key.
impl fmt::Debug for Eab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eab").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Names are proved in handshakes (RFC 8737).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsChallenge {
    /// How long the authority is kept waiting before it may look.
    pub delay: GoDuration,
}

/// Names are proved by answers over HTTP (RFC 8555, section 8.3).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpChallenge {
    /// The entrypoint that the authority reaches on port 80.
    pub entry_point: String,
    /// How long the authority is kept waiting before it may look.
    pub delay: GoDuration,
}

/// Names are proved by records of the DNS (RFC 8555, section 8.4).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsChallenge {
    /// The code of the service that holds the records.
    pub provider: String,
    /// Servers that are asked where records belong; none means the system's.
    pub resolvers: Vec<String>,
    /// Deprecated in Traefik: as `propagation.delayBeforeChecks`.
    pub delay_before_check: GoDuration,
    /// Deprecated in Traefik: as `propagation.disableChecks`.
    pub disable_propagation_check: bool,
    /// How it is found out that records are there.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

/// How it is found out that records are there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Propagation {
    /// How long nothing is looked at first.
    pub delay_before_checks: GoDuration,
    /// Whether nothing is looked at.
    pub disable_checks: bool,
    /// Whether the servers of the domain itself are left out.
    #[serde(rename = "disableANSChecks")]
    pub disable_ans_checks: bool,
    /// Whether all of `resolvers` must have the records as well.
    #[serde(rename = "requireAllRNS")]
    pub require_all_rns: bool,
}

/// A place that several replicas share; exactly one is right.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SharedStorage {
    /// Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisStorage>,
    /// Secrets of a Kubernetes cluster.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesStorage>,
}

/// Redis as the place that replicas share.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RedisStorage {
    /// `host:port`.
    pub endpoint: String,
    /// The user, where Redis has users.
    pub username: String,
    /// The password.
    pub password: String,
    /// The number of the database.
    pub db: u32,
    /// What all keys begin with.
    pub prefix: String,
    /// TLS to Redis; without it there is none.
    #[serde(deserialize_with = "section", skip_serializing_if = "Option::is_none")]
    pub tls: Option<RedisTls>,
}

impl Default for RedisStorage {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:6379".to_owned(),
            username: String::new(),
            password: String::new(),
            db: 0,
            prefix: "moongate/acme".to_owned(),
            tls: None,
        }
    }
}

/// Shows no password.
impl fmt::Debug for RedisStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStorage").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// TLS to Redis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RedisTls {
    /// Authorities: a path or PEM text; empty means the system's.
    pub ca: String,
    /// Whether any certificate is trusted.
    pub insecure_skip_verify: bool,
}

/// Secrets of a Kubernetes cluster as the place that replicas share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KubernetesStorage {
    /// The URL of the cluster's API; empty means that of the surroundings.
    pub endpoint: String,
    /// A bearer token, or the path of a file that holds one.
    pub token: Token,
    /// The path of the authorities that the API's certificate must come from.
    pub cert_auth_file_path: String,
    /// The namespace of Secrets and Leases; empty means that of the pod.
    pub namespace: String,
    /// What the names of Secrets and Leases begin with.
    pub prefix: String,
}

impl Default for KubernetesStorage {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            token: Token::default(),
            cert_auth_file_path: String::new(),
            namespace: String::new(),
            prefix: "moongate-acme".to_owned(),
        }
    }
}

//! The list of flags, printed from the options themselves.

use std::fmt::Write as _;

use serde_json::Value;

use super::acme::{
    AcmeOptions, CertificateResolver, DnsChallenge, Eab, HttpChallenge, KubernetesStorage,
    OnDemand, Propagation, RedisStorage, SharedStorage, TlsChallenge,
};
use super::api::Api;
use super::options::{EntryPoint, FileProvider, Ping, Root};
use super::records::{
    AccessLog, ClientTls, Metrics, OtlpGrpc, OtlpHttp, OtlpLog, OtlpMetrics, OtlpTraces,
    Prometheus, Tracing,
};
use super::redirections::Redirection;
use crate::model::RouterTls;

/// All flags with their defaults, one a line.
#[must_use]
pub fn usage() -> String {
    let mut root = Root {
        api: Some(Api::default()),
        ping: Some(Ping::default()),
        access_log: Some(AccessLog { otlp: Some(otlp_log()), ..AccessLog::default() }),
        metrics: Some(metrics()),
        tracing: Some(tracing()),
        ..Root::default()
    };
    root.log.otlp = Some(otlp_log());
    root.providers.file = Some(FileProvider::default());
    let mut entrypoint = EntryPoint::default();
    entrypoint.http.redirections.entry_point = Some(Redirection::default());
    entrypoint.http.tls = Some(RouterTls::default());
    root.entry_points.insert("<name>".to_owned(), entrypoint);
    root.certificates_resolvers.insert("<name>".to_owned(), resolver());
    let mut lines = vec![("configfile".to_owned(), "path of a configuration file".to_owned())];
    // Options are plain data, which always has a value.
    flags("", &serde_json::to_value(root).unwrap_or_default(), &mut lines);
    lines.sort();
    let mut text = String::new();
    for (name, default) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    --{name}{default}", default = shown(&default));
    }
    text
}

/// A resolver with all its sections.
fn resolver() -> CertificateResolver {
    let propagation = Some(Propagation::default());
    CertificateResolver {
        acme: Some(AcmeOptions {
            dns_challenge: Some(DnsChallenge { propagation, ..DnsChallenge::default() }),
            http_challenge: Some(HttpChallenge::default()),
            tls_challenge: Some(TlsChallenge::default()),
            eab: Some(Eab::default()),
            on_demand: Some(OnDemand::default()),
            shared_storage: Some(SharedStorage {
                redis: Some(RedisStorage::default()),
                kubernetes: Some(KubernetesStorage::default()),
            }),
            ..AcmeOptions::default()
        }),
    }
}

/// A collector, over either protocol.
fn collector() -> (Option<OtlpGrpc>, Option<OtlpHttp>) {
    let tls = Some(ClientTls::default());
    let grpc = OtlpGrpc { tls: tls.clone(), ..OtlpGrpc::default() };
    (Some(grpc), Some(OtlpHttp { tls, ..OtlpHttp::default() }))
}

fn otlp_log() -> OtlpLog {
    let (grpc, http) = collector();
    OtlpLog { grpc, http, ..OtlpLog::default() }
}

fn metrics() -> Metrics {
    let (grpc, http) = collector();
    let otlp = Some(OtlpMetrics { grpc, http, ..OtlpMetrics::default() });
    Metrics { prometheus: Some(Prometheus::default()), otlp, ..Metrics::default() }
}

fn tracing() -> Tracing {
    let (grpc, http) = collector();
    Tracing { otlp: Some(OtlpTraces { grpc, http }), ..Tracing::default() }
}

fn shown(default: &str) -> String {
    if default.is_empty() { String::new() } else { format!("  ({default})") }
}

fn flags(path: &str, value: &Value, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                flags(&path, value, lines);
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Null => {
            lines.push((path.to_owned(), String::new()));
        }
        Value::String(text) => lines.push((path.to_owned(), text.clone())),
        other => lines.push((path.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_every_flag() {
        let usage = super::usage();
        for flag in [
            "--configfile",
            "--entrypoints.<name>.address",
            "--entrypoints.<name>.forwardedheaders.trustedips",
            "--providers.file.watch  (true)",
            "--ping.entrypoint  (traefik)",
            "--certificatesresolvers.<name>.acme.storage  (acme.json)",
        ] {
            assert!(usage.contains(flag), "{flag} in:\n{usage}");
        }
    }
}

//! One request as plain values, and the fields that are made of them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::headers::Headers;
use crate::message::IngressRoute;
use crate::value::Certificate;

/// One request in the access log.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// The client's address.
    pub client: SocketAddr,
    /// `X-Forwarded-For`, as a trusted client sent it.
    pub forwarded_for: Option<&'a str>,
    /// The user that an authentication script accepted.
    pub user: Option<&'a str>,
    /// The entrypoint.
    pub entrypoint: &'a str,
    /// The method as sent.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'static str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host, with its port if the client named one.
    pub host: &'a str,
    /// Bytes of the request's body.
    pub received: u64,
    /// The status the client got.
    pub status: u16,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// The router, `name@provider`.
    pub router: Option<&'a str>,
    /// The service, `name@provider`; only with a server.
    pub service: Option<&'a str>,
    /// The Ingress that the router is of.
    pub ingress: Option<&'a IngressRoute>,
    /// What a server had to do with it.
    pub origin: Option<Origin<'a>>,
    /// How often it was tried again.
    pub retries: u32,
    /// TLS of the connection.
    pub tls: Option<Encrypted<'a>>,
    /// From the request's head to the last byte of the answer.
    pub duration: Duration,
    /// The ids of trace and span, as hexadecimal digits.
    pub trace: Option<(&'a str, &'a str)>,
    /// Headers of the request, of the server's answer, and of the answer; those that are kept.
    pub headers: [Option<&'a Headers>; 3],
    /// Fields that scripts have set.
    pub more: &'a [(String, Value)],
}

/// What a server had to do with a request.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Its URL, without path.
    pub url: &'a str,
    /// How long it took, to the last byte of its answer.
    pub duration: Duration,
    /// Its status.
    pub status: u16,
    /// Bytes of its answer's body.
    pub size: u64,
}

/// TLS of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Encrypted<'a> {
    /// The version.
    pub version: &'a str,
    /// The cipher's name.
    pub cipher: &'a str,
    /// The client's certificate, DER.
    pub client: Option<&'a [u8]>,
}

/// When a request was, and its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Its beginning, since the epoch.
    pub(super) started: Duration,
    /// Its end.
    pub(super) ended: Duration,
    /// Its number since the process began.
    pub(super) count: u64,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::observe) enum FieldValue<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Ratio(f64),
    Time(Duration),
}

/// A field: its name, and how it is made of a request that has it.
pub(super) struct Field {
    pub(super) name: &'static str,
    value: for<'a> fn(&AccessRecord<'a>, Moment) -> Option<FieldValue<'a>>,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Field {
    pub(super) fn value<'a>(
        &self,
        record: &AccessRecord<'a>,
        moment: Moment,
    ) -> Option<FieldValue<'a>> {
        (self.value)(record, moment)
    }
}

/// Declares the fields.
macro_rules! fields {
    ($($name:literal => |$record:pat_param, $moment:pat_param| $value:expr;)*) => {
        /// All fields, in the order of their names as the log has them.
        pub(super) const FIELDS: &[Field] = &[$(Field {
            name: $name,
            value: |$record, $moment| $value,
        }),*];
    };
}

fields! {
    "ClientAddr" => |r, _| text(r.client.to_string());
    "ClientHost" => |r, _| match r.forwarded_for {
        Some(forwarded) => text(forwarded),
        None => text(r.client.ip().to_canonical().to_string()),
    };
    "ClientPort" => |r, _| text(r.client.port().to_string());
    "ClientUsername" => |r, _| text(r.user.filter(|user| !user.is_empty()).unwrap_or("-"));
    "DownstreamContentSize" => |r, _| number(r.sent);
    "DownstreamStatus" => |r, _| number(r.status.into());
    "Duration" => |r, _| nanos(r.duration);
    "GzipRatio" => |r, _| ratio(r);
    "KubernetesIngressName" => |r, _| text(&r.ingress?.name);
    "KubernetesIngressNamespace" => |r, _| text(&r.ingress?.namespace);
    "KubernetesServiceName" => |r, _| text(&r.ingress?.service);
    "KubernetesServicePort" => |r, _| text(&r.ingress?.port);
    "OriginContentSize" => |r, _| number(r.origin.map_or(0, |origin| origin.size));
    "OriginDuration" => |r, _| nanos(r.origin.map_or(Duration::ZERO, |origin| origin.duration));
    "OriginStatus" => |r, _| number(r.origin.map_or(0, |origin| origin.status.into()));
    "Overhead" => |r, _| {
        nanos(r.duration.saturating_sub(r.origin.map_or(Duration::ZERO, |o| o.duration)))
    };
    "RequestAddr" => |r, _| (!r.host.is_empty()).then(|| text(r.host))?;
    "RequestContentSize" => |r, _| number(r.received);
    "RequestCount" => |_, m| number(m.count);
    "RequestHost" => |r, _| (!r.host.is_empty()).then(|| text(host(r.host).0))?;
    "RequestMethod" => |r, _| text(r.method);
    "RequestPath" => |r, _| text(r.target);
    "RequestPort" => |r, _| (!r.host.is_empty()).then(|| text(host(r.host).1))?;
    "RequestProtocol" => |r, _| text(r.protocol);
    "RequestScheme" => |r, _| text(r.scheme);
    "RetryAttempts" => |r, _| number(r.retries.into());
    "RouterName" => |r, _| text(r.router?);
    "ServiceAddr" => |r, _| text(address(r.origin?.url));
    "ServiceName" => |r, _| text(r.service?);
    "ServiceURL" => |r, _| text(r.origin?.url);
    "SpanId" => |r, _| text(r.trace?.1);
    "StartLocal" => |_, m| Some(FieldValue::Time(m.started));
    "StartUTC" => |_, m| Some(FieldValue::Time(m.started));
    "TLSCipher" => |r, _| text(r.tls?.cipher);
    "TLSClientSubject" => |r, _| text(subject(r.tls?.client?)?);
    "TLSVersion" => |r, _| text(r.tls?.version);
    "TraceId" => |r, _| text(r.trace?.0);
    "entryPointName" => |r, _| text(r.entrypoint);
    "span_id" => |r, _| text(r.trace?.1);
    "trace_id" => |r, _| text(r.trace?.0);
}

#[allow(clippy::unnecessary_wraps, reason = "every field may be absent")]
fn text<'a>(text: impl Into<Cow<'a, str>>) -> Option<FieldValue<'a>> {
    Some(FieldValue::Text(text.into()))
}

#[allow(clippy::unnecessary_wraps, reason = "every field may be absent")]
fn number(number: u64) -> Option<FieldValue<'static>> {
    Some(FieldValue::Number(number))
}

fn nanos(time: Duration) -> Option<FieldValue<'static>> {
    number(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// How much smaller the answer was than the server's.
#[allow(clippy::cast_precision_loss, reason = "a ratio")]
fn ratio(record: &AccessRecord<'_>) -> Option<FieldValue<'static>> {
    let size = record.origin?.size;
    (size != record.sent && record.sent != 0)
        .then(|| FieldValue::Ratio(size as f64 / record.sent as f64))
}

/// Host and port, `-` without one, as Traefik takes them apart.
fn host(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, port),
        Some((name, port)) if name.starts_with('[') && name.ends_with(']') => {
            (&name[1..name.len() - 1], port)
        }
        _ => (host, "-"),
    }
}

/// Host and port of a URL.
fn address(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, address)| address)
}

/// Attributes of names, by their identifiers (RFC 4514, section 3).
const ATTRIBUTES: [(&[u8], &str); 9] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 5], "SERIALNUMBER"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 17], "POSTALCODE"),
];

/// Whose certificate it is, the last attribute first.
fn subject(der: &[u8]) -> Option<String> {
    let certificate = Certificate::read(der)?;
    let mut parts = Vec::new();
    for attribute in certificate.subject.iter().rev() {
        let known = ATTRIBUTES.iter().find(|(id, _)| *id == attribute.id);
        if let Some((_, name)) = known {
            let mut value = String::with_capacity(attribute.text.len());
            for c in attribute.text.chars() {
                if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
                    value.push('\\');
                }
                value.push(c);
            }
            parts.push(format!("{name}={value}"));
        }
    }
    Some(parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_apart() {
        for (given, expect) in [
            ("a.test", ("a.test", "-")),
            ("a.test:81", ("a.test", "81")),
            ("[::1]:81", ("::1", "81")),
            ("[::1]", ("[::1]", "-")),
            ("::1", ("::1", "-")),
        ] {
            assert_eq!(host(given), expect, "{given}");
        }
        assert_eq!(address("http://a.test:80"), "a.test:80");
    }

    #[test]
    fn fields_are_in_order() {
        assert!(FIELDS.is_sorted_by_key(|field| field.name));
    }

    #[test]
    fn subjects_are_written_from_the_end() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Acme, Inc.");
        params.distinguished_name.push(rcgen::DnType::CommonName, "joe");
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(subject(certificate.der()).unwrap(), "CN=joe,O=Acme\\, Inc.");
    }
}

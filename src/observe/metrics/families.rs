//! Numbers of requests as families of samples, with Traefik's names and labels.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::sums::{Kind, Owner, OwnerSums, Sums, Totals};
use super::{Level, Metrics};
use crate::numbers::{Family, FamilyKind, Histogram, Sample, SampleValue};

/// What one who asks for numbers gets of them.
#[derive(Debug, Clone)]
pub struct Export {
    /// Of which levels.
    pub levels: Vec<Level>,
    /// Bounds of the histograms of time, in seconds, rising.
    pub bounds: Arc<[f64]>,
    /// Labels of the counters of requests beside Traefik's, in the order of the plan's headers.
    pub labels: Vec<String>,
}

/// A number as metrics have it; beyond 2^53 it loses its last digits.
#[allow(clippy::cast_precision_loss, reason = "metrics are floating")]
fn float(number: u64) -> f64 {
    number as f64
}

impl Metrics {
    /// The numbers of the process's configuration, and those of requests to owners that are
    /// there.
    #[must_use]
    pub fn families(&self, export: &Export, is_there: &dyn Fn(&Owner) -> bool) -> Vec<Family> {
        let mut families = self.general();
        let mut sums = self.sums();
        sums.owners.retain(|owner, _| is_there(owner));
        for level in &export.levels {
            families.extend(Part { metrics: self, export, level: *level }.families(&sums));
        }
        families
    }

    fn general(&self) -> Vec<Family> {
        let (reloads, at, failures) = self.reloads();
        let counter = |name, help| Family::new(FamilyKind::Counter, name, help);
        let gauge = |name, help| Family::new(FamilyKind::Gauge, name, help);
        let mut total = counter("traefik_config_reloads_total", "Configurations that were served.");
        total.number(&[], float(reloads));
        let mut last = gauge(
            "traefik_config_last_reload_success",
            "When a configuration was served last, in seconds since the epoch.",
        );
        last.number(&[], float(at));
        let mut failed = counter(
            "moongate_config_reload_failures_total",
            "Configurations that could not be read or served.",
        );
        failed.number(&[], float(failures));
        let mut open =
            gauge("traefik_open_connections", "Open connections by entrypoint and protocol.");
        for (entrypoint, count) in self.open() {
            let count = float(u64::try_from(count).unwrap_or_default());
            open.number(&[("entrypoint", &entrypoint), ("protocol", "TCP")], count);
        }
        vec![total, last, failed, open]
    }
}

/// The numbers of one level.
struct Part<'a> {
    metrics: &'a Metrics,
    export: &'a Export,
    level: Level,
}

impl Part<'_> {
    fn families(&self, sums: &Sums) -> Vec<Family> {
        let word = match self.level {
            Level::Entrypoint => "entrypoint",
            Level::Router => "router",
            Level::Service => "service",
            Level::Host => return vec![self.durations("http.server.request.duration", sums)],
            Level::Server => return vec![self.durations("http.client.request.duration", sums)],
        };
        let family = |kind, name: &str, help: &str| {
            Family::new(kind, format!("traefik_{word}_{name}"), format!("{help} ({word})."))
        };
        let counter = |name, help| family(FamilyKind::Counter, name, help);
        let mut requests = counter("requests_total", "Requests by status, method and protocol");
        let mut tls = counter("requests_tls_total", "Requests over TLS by version and cipher");
        let mut times = family(
            FamilyKind::Histogram,
            "request_duration_seconds",
            "Time of requests by status, method and protocol",
        );
        let mut received = counter("requests_bytes_total", "Bytes of requests' bodies");
        let mut sent = counter("responses_bytes_total", "Bytes of answers' bodies");
        let mut retries = counter("retries_total", "Requests that were tried again");
        for (owner, sums) in sums.of(self.level) {
            for (kind, totals) in &sums.requests {
                let labels = labels(owner, *kind);
                let number = |value: u64| Sample {
                    labels: labels.clone(),
                    value: SampleValue::Number(float(value)),
                };
                if self.export.labels.is_empty() {
                    requests.samples.push(number(totals.count()));
                }
                received.samples.push(number(totals.received));
                sent.samples.push(number(totals.sent));
                let value = SampleValue::Histogram(self.histogram(totals));
                times.samples.push(Sample { labels: labels.clone(), value });
            }
            self.further(owner, sums, &mut requests);
            for ((version, cipher), count) in &sums.tls {
                let mut labels = owned(owner);
                labels.push(("tls_version".into(), (*version).into()));
                labels.push(("tls_cipher".into(), (*cipher).into()));
                tls.samples.push(Sample { labels, value: SampleValue::Number(float(*count)) });
            }
            if sums.retries > 0 {
                let value = SampleValue::Number(float(sums.retries));
                retries.samples.push(Sample { labels: owned(owner), value });
            }
        }
        let mut families = vec![requests, tls, times, received, sent];
        if self.level == Level::Service {
            families.push(retries);
        }
        families
    }

    /// Times of requests, told apart as OpenTelemetry's conventions do.
    fn durations(&self, name: &'static str, sums: &Sums) -> Family {
        let help = "Time of requests, by OpenTelemetry's semantic conventions.";
        let mut family = Family::new(FamilyKind::Histogram, name, help);
        for (owner, sums) in sums.of(self.level) {
            for (kind, totals) in &sums.requests {
                let mut labels = conventional(owner);
                labels.push(("http.request.method".into(), kind.method().into()));
                let code: Arc<str> = kind.code.to_string().into();
                labels.push(("http.response.status_code".into(), Arc::clone(&code)));
                if !(100..400).contains(&kind.code) {
                    labels.push(("error.type".into(), code));
                }
                let value = SampleValue::Histogram(self.histogram(totals));
                family.samples.push(Sample { labels, value });
            }
        }
        family
    }

    /// The counters of requests where headers are labels as well.
    fn further(&self, owner: &Owner, sums: &OwnerSums, requests: &mut Family) {
        if self.export.labels.is_empty() {
            return;
        }
        for ((kind, values), count) in &sums.labeled {
            let mut labels = labels(owner, *kind);
            for (name, value) in self.export.labels.iter().zip(values.iter()) {
                labels.push((name.clone().into(), (**value).into()));
            }
            requests.samples.push(Sample { labels, value: SampleValue::Number(float(*count)) });
        }
    }

    /// Times by the bounds that are asked for, which are among those of the plan.
    fn histogram(&self, totals: &Totals) -> Histogram {
        let bounds = &self.export.bounds;
        let mut buckets = vec![0; bounds.len() + 1];
        let fine = self.metrics.plan().bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in fine.zip(&totals.buckets) {
            let place = bounds.partition_point(|coarse| *coarse < bound);
            if let Some(bucket) = buckets.get_mut(place) {
                *bucket += count;
            }
        }
        let sum = Duration::from_nanos(totals.nanos).as_secs_f64();
        Histogram { buckets, bounds: Arc::clone(bounds), sum }
    }
}

type Labels = Vec<(Cow<'static, str>, Arc<str>)>;

fn owned(owner: &Owner) -> Labels {
    let name = Arc::clone(&owner.name);
    match owner.level {
        Level::Entrypoint => vec![("entrypoint".into(), name)],
        Level::Service | Level::Host | Level::Server => vec![("service".into(), name)],
        Level::Router => {
            vec![("router".into(), name), ("service".into(), Arc::clone(&owner.service))]
        }
    }
}

/// What is the same for all requests of a host or of a server, as OpenTelemetry's conventions
/// name it.
fn conventional(owner: &Owner) -> Labels {
    let mut labels = Labels::new();
    let mut label = |name: &'static str, value: &str| labels.push((name.into(), value.into()));
    label("network.protocol.name", "http");
    if owner.level == Level::Host {
        let (version, scheme) = owner.service.split_once(' ').unwrap_or((&owner.service, ""));
        label("network.protocol.version", version);
        label("url.scheme", scheme);
        label("server.address", &owner.name);
        return labels;
    }
    let (scheme, address) = owner.name.split_once("://").unwrap_or(("", &owner.name));
    label("url.scheme", scheme);
    let standard = if scheme == "https" { "443" } else { "80" };
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, standard),
    };
    label("server.address", host);
    label("server.port", port);
    labels
}

fn labels(owner: &Owner, kind: Kind) -> Labels {
    let mut labels = owned(owner);
    labels.push(("code".into(), kind.code.to_string().into()));
    labels.push(("method".into(), kind.method().into()));
    labels.push(("protocol".into(), kind.protocol().into()));
    labels
}

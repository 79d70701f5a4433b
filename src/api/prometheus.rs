//! `prometheus@internal`: the numbers of the process as Prometheus reads them, and the facts that
//! are looked up when they are asked for: certificates, servers, scripts, the process itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use tokio::runtime::Handle;

use super::process;
use crate::lua;
use crate::message::{LocalFuture, Request, Response};
use crate::numbers::{Family, FamilyKind, print};
use crate::observe::metrics::{Export, Level, Metrics, Owner};
use crate::service::Internal;
use crate::snapshot::{Live, Snapshot};
use crate::value::Certificate;

/// Numbers of a part of the program that this one does not know.
pub trait Numbers: std::fmt::Debug + Send + Sync {
    /// Those of this moment.
    fn families(&self) -> Vec<Family>;
}

/// All numbers there are.
#[derive(Debug, Clone)]
pub struct Facts {
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    scripts: Arc<lua::Shared>,
    more: Option<Arc<dyn Numbers>>,
}

impl Facts {
    /// The numbers of what is live.
    #[must_use]
    pub fn new(live: Arc<Live>, metrics: Arc<Metrics>, scripts: Arc<lua::Shared>) -> Self {
        Self { live, metrics, scripts, more: None }
    }

    /// With these numbers as well.
    #[must_use]
    pub fn with(self, more: Option<Arc<dyn Numbers>>) -> Self {
        Self { more, ..self }
    }

    /// The numbers of this moment. Those of what is no longer configured are left out.
    #[must_use]
    pub fn families(&self, export: &Export) -> Vec<Family> {
        let snapshot = self.live.snapshot();
        let mut families = self.metrics.families(export, &|owner| is_there(owner, &snapshot));
        families.push(certificates(&snapshot));
        families.push(servers(&snapshot));
        families.extend(self.scripts(&snapshot));
        families.extend(self.scripts.meters().families());
        families.extend(self.more.iter().flat_map(|more| more.families()));
        families.extend(process::families());
        families
    }

    /// What middlewares' scripts have done.
    fn scripts(&self, snapshot: &Snapshot) -> Vec<Family> {
        let counter =
            |name: &'static str, help: &'static str| Family::new(FamilyKind::Counter, name, help);
        let mut runs = counter("moongate_middleware_runs_total", "Hooks of scripts that were run.");
        let mut failures =
            counter("moongate_middleware_failures_total", "Hooks of scripts that failed.");
        let mut refused = counter(
            "moongate_middleware_refused_total",
            "Hooks of scripts that were not run, since they had failed too often.",
        );
        let mut cpu = counter(
            "moongate_middleware_cpu_seconds_total",
            "Time that workers computed in hooks of scripts.",
        );
        let mut memory = Family::new(
            FamilyKind::Gauge,
            "moongate_middleware_memory_bytes",
            "Memory that scripts hold on all workers, garbage that is not collected yet included.",
        );
        let mut open = Family::new(
            FamilyKind::Gauge,
            "moongate_middleware_breaker_open",
            "Workers on which a script is not run, since it has failed too often.",
        );
        for instance in &snapshot.instances {
            let Some(figures) = self.scripts.figures(instance.id) else { continue };
            let labels = [("middleware", &*instance.name), ("script", &*instance.source.name)];
            runs.number(&labels, float(figures.runs));
            failures.number(&labels, float(figures.failures));
            refused.number(&labels, float(figures.refused));
            cpu.number(&labels, figures.cpu.as_secs_f64());
            memory.number(&labels, float(figures.held_bytes));
            open.number(&labels, float(figures.open_on as u64));
        }
        vec![runs, failures, refused, cpu, memory, open]
    }

    /// The same as the text that Prometheus reads.
    fn text(&self, export: &Export) -> String {
        let mut text = String::new();
        print(&self.families(export), &mut text);
        text
    }
}

#[allow(clippy::cast_precision_loss, reason = "metrics are floating")]
fn float(number: u64) -> f64 {
    number as f64
}

fn is_there(owner: &Owner, snapshot: &Snapshot) -> bool {
    match owner.level {
        Level::Entrypoint | Level::Host | Level::Server => true,
        Level::Router => snapshot.outcome.routers.contains_key(&*owner.name),
        Level::Service => snapshot.services.contains_key(&*owner.name),
    }
}

/// When certificates end, with Traefik's labels.
fn certificates(snapshot: &Snapshot) -> Family {
    let mut family = Family::new(
        FamilyKind::Gauge,
        "traefik_tls_certs_not_after",
        "When certificates end, in seconds since the epoch.",
    );
    let mut known = BTreeMap::new();
    for der in snapshot.certificates.leaves() {
        let Some(certificate) = Certificate::read(der) else { continue };
        let mut names = certificate.alternative.dns.clone();
        names.sort();
        let labels =
            (certificate.common_name().to_owned(), certificate.serial_decimal(), names.join(","));
        known.insert(labels, certificate.not_after);
    }
    for ((name, serial, names), end) in known {
        let labels = [("cn", &*name), ("serial", &*serial), ("sans", &*names)];
        family.number(&labels, float(u64::try_from(end).unwrap_or_default()));
    }
    family
}

/// Which servers are up, of services whose servers are watched.
fn servers(snapshot: &Snapshot) -> Family {
    let mut family = Family::new(
        FamilyKind::Gauge,
        "traefik_service_server_up",
        "Whether servers whose health is watched are up, 1 or 0.",
    );
    let mut services: Vec<_> = snapshot.services.values().collect();
    services.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for service in services {
        for (url, up) in service.watched() {
            let labels = [("service", &*service.name), ("url", url)];
            family.number(&labels, if up { 1.0 } else { 0.0 });
        }
    }
    family
}

/// `prometheus@internal`.
#[derive(Debug)]
pub struct Exposition {
    facts: Facts,
    export: Export,
    control: Handle,
}

impl Exposition {
    /// Tells these numbers; the text is made on `control`.
    #[must_use]
    pub fn new(facts: Facts, export: Export, control: Handle) -> Arc<Self> {
        Arc::new(Self { facts, export, control })
    }
}

/// The type of Prometheus' text.
const TEXT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8; escaping=underscores");

impl Internal for Exposition {
    fn serve(self: Arc<Self>, request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async move {
            if !matches!(request.method, Method::GET | Method::HEAD) {
                return Response::new(StatusCode::METHOD_NOT_ALLOWED);
            }
            let control = self.control.clone();
            // Thousands of series would keep the worker from its clients.
            let text = control.spawn_blocking(move || self.facts.text(&self.export)).await;
            let Ok(text) = text else {
                return Response::new(StatusCode::SERVICE_UNAVAILABLE);
            };
            let mut response = Response::new(StatusCode::OK);
            response.headers.insert(CONTENT_TYPE, TEXT);
            if request.method == Method::GET {
                response.body = text.into();
            }
            response
        })
    }
}

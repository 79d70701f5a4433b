//! What is recorded of requests, as the static configuration says it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::USER_AGENT;
use tokio::runtime::Handle;

use super::StartError;
use crate::api::{Exposition, Facts, Noop, Numbers};
use crate::config::{
    AccessLogFields, AccessLogFormat, EntryPointObservability, FieldMode, HeaderMode, OtlpLog,
    OtlpMetrics, Prometheus, Static, Verbosity,
};
use crate::lua;
use crate::message::{Observed, TraceRules, Tracing};
use crate::observe::metrics::{Export, Level, Metrics, MetricsPlan};
use crate::observe::{
    self, AccessFormat, AccessLog, AccessPlan, FieldRules, Filters, Finished, LogEntry, Queue,
    Tracer,
};
use crate::otlp::{CollectorError, Gathering, Identity, Reporter, Reports, Target};
use crate::service::Internal;
use crate::snapshot::Live;
use crate::value::StatusRanges;

/// Bounds of time that the API shows, in seconds, beside those of the configuration.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Opens the access log, if there is one.
///
/// # Errors
/// When its file cannot be opened.
fn access_log(
    plan: &Static,
    queue: Option<Arc<Queue<LogEntry>>>,
) -> Result<Option<Arc<AccessLog>>, StartError> {
    let Some(options) = &plan.access_log else { return Ok(None) };
    let path = (!options.file_path.is_empty()).then(|| PathBuf::from(&options.file_path));
    let filters = &options.filters;
    // They were checked with the configuration.
    let statuses = StatusRanges::parse(filters.status_codes.iter().map(String::as_str));
    let filters = Filters {
        statuses: statuses.unwrap_or_default(),
        retried: filters.retry_attempts,
        longer_than: filters.min_duration.limit(),
    };
    let format = match options.format {
        AccessLogFormat::Common => AccessFormat::Common,
        AccessLogFormat::GenericClf => AccessFormat::GenericClf,
        AccessLogFormat::Json => AccessFormat::Json,
    };
    let (fields, dual) = (rules(&options.fields), options.dual_output);
    let log = AccessLog::open(AccessPlan { path, format, filters, fields, queue, dual });
    let log = log.map_err(|cause| {
        let path = options.file_path.clone();
        StartError::AccessLog { path, cause }
    })?;
    Ok(Some(Arc::new(log)))
}

fn rules(fields: &AccessLogFields) -> FieldRules {
    let header = |mode: HeaderMode| match mode {
        HeaderMode::Keep => observe::HeaderMode::Keep,
        HeaderMode::Drop => observe::HeaderMode::Drop,
        HeaderMode::Redact => observe::HeaderMode::Redact,
    };
    let names = fields.names.iter();
    let headers = fields.headers.names.iter();
    FieldRules {
        default: fields.default_mode == FieldMode::Keep,
        names: names
            .map(|(name, mode)| (name.to_ascii_lowercase(), *mode == FieldMode::Keep))
            .collect(),
        header_default: header(fields.headers.default_mode),
        headers: headers.map(|(name, mode)| (name.to_ascii_lowercase(), header(*mode))).collect(),
        queries: fields.query_parameters.default_mode == FieldMode::Keep,
    }
}

/// The numbers of the process, if anybody asks for them.
fn metrics(plan: &Static) -> Option<Arc<Metrics>> {
    let mut wanted = MetricsPlan::default();
    if let Some(prometheus) = prometheus(plan) {
        wanted.entrypoints |= prometheus.add_entry_points_labels;
        wanted.routers |= prometheus.add_routers_labels;
        wanted.services |= prometheus.add_services_labels;
        wanted.bounds.extend(&prometheus.buckets);
        // They were checked with the configuration.
        let names = prometheus.header_labels.values();
        wanted.headers = names.filter_map(|name| HeaderName::try_from(name).ok()).collect();
    }
    let otlp = otlp_metrics(plan);
    if let Some(otlp) = otlp {
        wanted.entrypoints |= otlp.add_entry_points_labels;
        wanted.routers |= otlp.add_routers_labels;
        wanted.services |= otlp.add_services_labels;
        wanted.conventions = true;
        wanted.bounds.extend(&otlp.explicit_boundaries);
    }
    if plan.api.is_some() {
        (wanted.entrypoints, wanted.routers, wanted.services) = (true, true, true);
        wanted.bounds.extend(BOUNDS);
    }
    if prometheus(plan).is_none() && otlp.is_none() && plan.api.is_none() {
        return None;
    }
    let names = plan.entrypoints.iter();
    wanted.names = names.map(|entrypoint| entrypoint.name.as_str().into()).collect();
    Some(Metrics::new(wanted))
}

/// Something in the place of the numbers for Prometheus, where nothing runs.
pub(super) fn stand_in() -> (&'static str, Arc<dyn Internal>) {
    ("prometheus@internal", Arc::new(Noop))
}

pub(super) fn prometheus(plan: &Static) -> Option<&Prometheus> {
    plan.root.metrics.as_ref()?.prometheus.as_ref()
}

fn otlp_metrics(plan: &Static) -> Option<&OtlpMetrics> {
    plan.root.metrics.as_ref()?.otlp.as_ref()
}

/// What Prometheus gets of the numbers.
fn export(prometheus: &Prometheus) -> Export {
    let levels = [
        prometheus.add_entry_points_labels,
        prometheus.add_routers_labels,
        prometheus.add_services_labels,
    ];
    let labels = prometheus.header_labels.keys().cloned().collect();
    Export { levels: self::levels(levels), bounds: prometheus.buckets.clone().into(), labels }
}

/// Levels of which there are numbers: of entrypoints, routers, services.
fn levels(on: [bool; 3]) -> Vec<Level> {
    let all = [Level::Entrypoint, Level::Router, Level::Service];
    all.into_iter().zip(on).filter_map(|(level, on)| on.then_some(level)).collect()
}

/// What a collector gets of the numbers.
fn otlp_export(otlp: &OtlpMetrics) -> Export {
    let levels = [otlp.add_entry_points_labels, otlp.add_routers_labels, otlp.add_services_labels];
    let bounds = otlp.explicit_boundaries.clone().into();
    let mut levels = self::levels(levels);
    levels.extend([Level::Host, Level::Server]);
    Export { levels, bounds, labels: Vec::new() }
}

/// Who decides which requests are traced, if any are.
fn tracer(plan: &Static) -> Option<Arc<Tracer>> {
    let tracing = plan.root.tracing.as_ref()?;
    // They were checked with the configuration.
    let headers = |names: &[String]| -> Vec<HeaderName> {
        names.iter().filter_map(|name| HeaderName::try_from(name).ok()).collect()
    };
    let mut request_headers = headers(&tracing.captured_request_headers);
    // It has an attribute of its own.
    request_headers.retain(|name| name != USER_AGENT);
    let rules = TraceRules {
        request_headers,
        response_headers: headers(&tracing.captured_response_headers),
        safe_params: tracing.safe_query_params.clone(),
    };
    Some(Arc::new(Tracer::new(tracing.sample_rate, rules)))
}

/// All that is recorded.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) access_log: Option<Arc<AccessLog>>,
    pub(super) metrics: Option<Arc<Metrics>>,
    pub(super) tracer: Option<Arc<Tracer>>,
    pub(super) reports: Reports,
    facts: Option<Facts>,
}

impl Recording {
    /// Opens what is written, and readies what is reported.
    ///
    /// # Errors
    /// When a file cannot be opened, or a collector cannot be used.
    pub(super) fn new(
        plan: &Static,
        live: &Arc<Live>,
        shared: &Arc<lua::Shared>,
        more: Option<Arc<dyn Numbers>>,
    ) -> Result<Self, StartError> {
        let queue = access_queue(plan);
        let access_log = access_log(plan, queue.clone())?;
        let (metrics, tracer) = (metrics(plan), tracer(plan));
        let facts = |metrics| Facts::new(Arc::clone(live), metrics, Arc::clone(shared)).with(more);
        let facts = metrics.clone().map(facts);
        let traces = tracer.as_ref().map(|tracer| tracer.queue());
        let queues = Queues { traces, access_log: queue, facts: facts.clone() };
        let reports = reports(plan, queues)?;
        Ok(Self { access_log, metrics, tracer, reports, facts })
    }

    /// The service that tells Prometheus the numbers of the process, if it is to be told.
    pub(super) fn exposition(&self, plan: &Static) -> Option<Arc<Exposition>> {
        let (prometheus, facts) = (prometheus(plan)?, self.facts.clone()?);
        Some(Exposition::new(facts, export(prometheus), Handle::current()))
    }
}

/// Looks at collectors without reporting to them.
///
/// # Errors
/// When one cannot be used.
pub(super) fn check(plan: &Static, live: &Arc<Live>) -> Result<(), StartError> {
    let metrics = Metrics::new(MetricsPlan::default());
    let facts = Facts::new(Arc::clone(live), metrics, lua::Shared::new());
    let (traces, access_log) = (Some(Arc::default()), Some(Arc::default()));
    reports(plan, Queues { traces, access_log, facts: Some(facts) })?;
    log_report(plan, Arc::default()).map(drop)
}

/// Begins to report, if there is something to report.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn reporter(reports: Reports) -> Result<Option<Reporter>, StartError> {
    if reports.is_empty() {
        return Ok(None);
    }
    Reporter::start(reports).map(Some).map_err(StartError::Acceptor)
}

/// What is reported to collectors.
#[derive(Debug, Default)]
struct Queues {
    traces: Option<Arc<Queue<Finished>>>,
    access_log: Option<Arc<Queue<LogEntry>>>,
    facts: Option<Facts>,
}

/// The queue of lines of the access log, if they are sent away.
fn access_queue(plan: &Static) -> Option<Arc<Queue<LogEntry>>> {
    plan.access_log.as_ref()?.otlp.as_ref().map(|_| Arc::default())
}

/// Who reports go to.
///
/// # Errors
/// When a collector cannot be used.
fn reports(plan: &Static, queues: Queues) -> Result<Reports, StartError> {
    let mut reports = Reports::default();
    let machine = Machine::new();
    if let (Some(tracing), Some(queue)) = (&plan.root.tracing, queues.traces) {
        let otlp = tracing.otlp.clone().unwrap_or_default();
        let attributes = vec![&tracing.global_attributes, &tracing.resource_attributes];
        let identity = machine.identity(&tracing.service_name, attributes);
        let target = Target::of_traces((otlp.grpc.as_ref(), otlp.http.as_ref()), &identity);
        let target = target.map_err(within("tracing.otlp"))?;
        reports.traces = Some((target, queue));
    }
    if let (Some(otlp), Some(facts)) = (otlp_metrics(plan), queues.facts) {
        let identity = machine.identity(&otlp.service_name, vec![&otlp.resource_attributes]);
        let target = Target::of_metrics((otlp.grpc.as_ref(), otlp.http.as_ref()), &identity);
        let target = target.map_err(within("metrics.otlp"))?;
        let export = otlp_export(otlp);
        let every = otlp.push_interval.limit().unwrap_or(PUSH_EVERY);
        let gather = Box::new(move || facts.families(&export));
        reports.metrics = Some((target, Gathering { every, gather }));
    }
    let access = plan.access_log.as_ref().and_then(|log| log.otlp.as_ref());
    if let (Some(otlp), Some(queue)) = (access, queues.access_log) {
        let target = machine.log_target(otlp).map_err(within("accessLog.otlp"))?;
        reports.logs.push((target, queue));
    }
    Ok(reports)
}

/// The report of the leveled log.
///
/// # Errors
/// When its collector cannot be used.
pub(super) fn log_report(
    plan: &Static,
    queue: Arc<Queue<LogEntry>>,
) -> Result<Reports, StartError> {
    let mut reports = Reports::default();
    if let Some(otlp) = &plan.root.log.otlp {
        let target = Machine::new().log_target(otlp).map_err(within("log.otlp"))?;
        reports.logs.push((target, queue));
    }
    Ok(reports)
}

/// As OpenTelemetry's exporters do where nothing is said.
const PUSH_EVERY: Duration = Duration::from_secs(10);

fn within(section: &'static str) -> impl Fn(CollectorError) -> StartError {
    move |error| StartError::Collector { section, error }
}

/// What collectors are told of this machine and of the environment.
struct Machine {
    host: String,
    environment: String,
}

impl Machine {
    fn new() -> Self {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let mut environment = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        if let Ok(name) = env::var("OTEL_SERVICE_NAME") {
            environment = format!("{environment},service.name={name}");
        }
        Self { host: host.trim().to_owned(), environment }
    }

    fn identity<'a>(
        &'a self,
        service_name: &'a str,
        attributes: Vec<&'a BTreeMap<String, String>>,
    ) -> Identity<'a> {
        Identity { service_name, attributes, host: &self.host, environment: &self.environment }
    }

    fn log_target(&self, otlp: &OtlpLog) -> Result<Target, CollectorError> {
        let identity = self.identity(&otlp.service_name, vec![&otlp.resource_attributes]);
        Target::of_logs((otlp.grpc.as_ref(), otlp.http.as_ref()), &identity)
    }
}

/// What an entrypoint records of requests.
pub(super) fn observed(options: &EntryPointObservability) -> Observed {
    Observed {
        access_log: options.access_logs,
        metrics: options.metrics,
        tracing: match (options.tracing, options.trace_verbosity) {
            (false, _) => Tracing::Off,
            (true, Verbosity::Minimal) => Tracing::Minimal,
            (true, Verbosity::Detailed) => Tracing::Detailed,
        },
    }
}

/// What is recorded of requests of internal services.
pub(super) fn observed_internals(plan: &Static) -> Observed {
    let root = &plan.root;
    Observed {
        access_log: plan.access_log.as_ref().is_some_and(|log| log.add_internals),
        metrics: root.metrics.as_ref().is_some_and(|metrics| metrics.add_internals),
        tracing: match root.tracing.as_ref().is_some_and(|tracing| tracing.add_internals) {
            true => Tracing::Detailed,
            false => Tracing::Off,
        },
    }
}

/// Who is told the numbers, in the words of Traefik's overview.
pub(super) fn told_to(plan: &Static) -> String {
    let metrics = plan.root.metrics.as_ref();
    let names = [
        ("Prometheus", metrics.is_some_and(|metrics| metrics.prometheus.is_some())),
        ("OTLP", metrics.is_some_and(|metrics| metrics.otlp.is_some())),
    ];
    names.iter().filter_map(|(name, on)| on.then_some(*name)).collect::<Vec<_>>().join(",")
}

/// Who is told of traces, in the words of Traefik's overview.
pub(super) fn traced_to(plan: &Static) -> String {
    plan.root.tracing.as_ref().map_or("", |_| "OTLP").to_owned()
}

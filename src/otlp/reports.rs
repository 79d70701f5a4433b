//! Traces, metrics and lines of logs as messages of OTLP.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prost::Message;

use super::proto;
use super::proto::{
    AnyValue, ArrayValue, CUMULATIVE, Data, Gauge, HistogramDataPoint, KeyValue, LogRecord,
    LogsRequest, Metric, MetricsRequest, Number, NumberDataPoint, Resource, ResourceLogs,
    ResourceMetrics, ResourceSpans, Scope, ScopeLogs, ScopeMetrics, ScopeSpans, Status, StatusCode,
    Sum, TracesRequest, Value,
};
use crate::message::{AttributeValue, Span, SpanKind};
use crate::numbers::{Family, FamilyKind, SampleValue};
use crate::observe::{Finished, LogEntry, LogValue};

/// Spans, metrics and lines are those of this part of the program.
fn scope() -> Scope {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Scope { name: env!("CARGO_PKG_NAME").to_owned(), version }
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Traces as a request's bytes.
pub(super) fn traces(resource: &Resource, finished: Vec<Finished>) -> Vec<u8> {
    let spans = finished.into_iter().flat_map(|trace| {
        let (id, now) = (trace.id, trace.now);
        trace.spans.into_iter().map(move |span| self::span(&id, now, span))
    });
    let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans: spans.collect() }];
    let spans = ResourceSpans { resource: Some(resource.clone()), scope_spans };
    TracesRequest { resource_spans: vec![spans] }.encode_to_vec()
}

/// The flags of W3C Trace Context: the trace is recorded.
const SAMPLED: u32 = 1;

fn span(trace: &[u8; 16], (instant, system): (Instant, SystemTime), span: Span) -> proto::Span {
    let at = |moment: Instant| {
        let ago = instant.saturating_duration_since(moment);
        nanos(system.checked_sub(ago).unwrap_or(UNIX_EPOCH))
    };
    let kind = match span.kind {
        SpanKind::Server => proto::SpanKind::Server,
        SpanKind::Client => proto::SpanKind::Client,
        SpanKind::Internal => proto::SpanKind::Internal,
    };
    let status = span
        .failure
        .map(|failure| Status { message: failure.into_owned(), code: StatusCode::Error.into() });
    let parent = if span.parent == 0 { Vec::new() } else { span.parent.to_be_bytes().to_vec() };
    proto::Span {
        trace_id: trace.to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: parent,
        name: span.name.into_owned(),
        kind: kind.into(),
        start_time_unix_nano: at(span.started),
        end_time_unix_nano: at(span.ended.unwrap_or(instant)),
        attributes: span
            .attributes
            .into_iter()
            .map(|(key, value)| attribute(&key, value))
            .collect(),
        status,
        flags: SAMPLED,
    }
}

fn attribute(key: &str, value: AttributeValue) -> KeyValue {
    let text = |text: String| AnyValue { value: Some(Value::String(text)) };
    let value = match value {
        AttributeValue::Text(text) => Value::String(text.into_owned()),
        AttributeValue::Shared(text) => Value::String(text.to_string()),
        AttributeValue::Number(number) => Value::Int(number),
        AttributeValue::Texts(texts) => {
            Value::Array(ArrayValue { values: texts.into_iter().map(text).collect() })
        }
    };
    KeyValue::new(key, value)
}

/// Metrics of a process that has counted since `started`, as a request's bytes.
pub(super) fn metrics(resource: &Resource, families: &[Family], started: SystemTime) -> Vec<u8> {
    let times = (nanos(started), nanos(SystemTime::now()));
    let told = families.iter().filter(|family| !family.samples.is_empty());
    let metrics = told.map(|family| metric(family, times)).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics }];
    let metrics = ResourceMetrics { resource: Some(resource.clone()), scope_metrics };
    MetricsRequest { resource_metrics: vec![metrics] }.encode_to_vec()
}

fn metric(family: &Family, (started, now): (u64, u64)) -> Metric {
    let mut numbers = Vec::new();
    let mut histograms = Vec::new();
    for sample in &family.samples {
        let labels = sample.labels.iter();
        let attributes = labels.map(|(name, value)| KeyValue::text(&**name, &**value)).collect();
        match &sample.value {
            SampleValue::Number(value) => numbers.push(NumberDataPoint {
                start_time_unix_nano: started,
                time_unix_nano: now,
                attributes,
                value: Some(Number::Double(*value)),
            }),
            SampleValue::Histogram(histogram) => histograms.push(HistogramDataPoint {
                start_time_unix_nano: started,
                time_unix_nano: now,
                count: histogram.buckets.iter().sum(),
                sum: Some(histogram.sum),
                bucket_counts: histogram.buckets.clone(),
                explicit_bounds: histogram.bounds.to_vec(),
                attributes,
            }),
        }
    }
    let (data, unit) = match family.kind {
        FamilyKind::Gauge => (Data::Gauge(Gauge { data_points: numbers }), "1"),
        FamilyKind::Counter => {
            let (aggregation_temporality, is_monotonic) = (CUMULATIVE, true);
            (Data::Sum(Sum { data_points: numbers, aggregation_temporality, is_monotonic }), "1")
        }
        FamilyKind::Histogram => {
            let aggregation_temporality = CUMULATIVE;
            let data = proto::Histogram { data_points: histograms, aggregation_temporality };
            // What is counted by size says in its name whether the size is a time.
            let is_time = ["seconds", "duration"].iter().any(|end| family.name.ends_with(end));
            (Data::Histogram(data), if is_time { "s" } else { "1" })
        }
    };
    let (name, description) = (family.name.to_string(), family.help.to_string());
    Metric { name, description, unit: unit.to_owned(), data: Some(data) }
}

/// Lines of logs as a request's bytes.
pub(super) fn logs(resource: &Resource, entries: Vec<LogEntry>) -> Vec<u8> {
    let log_records = entries.into_iter().map(record).collect();
    let scope_logs = vec![ScopeLogs { scope: Some(scope()), log_records }];
    let logs = ResourceLogs { resource: Some(resource.clone()), scope_logs };
    LogsRequest { resource_logs: vec![logs] }.encode_to_vec()
}

fn record(entry: LogEntry) -> LogRecord {
    let value = |value: LogValue| match value {
        LogValue::Text(text) => Value::String(text),
        LogValue::Whole(number) => Value::Int(i64::try_from(number).unwrap_or(i64::MAX)),
        LogValue::Signed(number) => Value::Int(number),
        LogValue::Ratio(number) => Value::Double(number),
        LogValue::Switch(switch) => Value::Bool(switch),
    };
    let (trace, span) = entry.trace.map_or_else(Default::default, |(trace, span)| {
        (trace.to_vec(), span.to_be_bytes().to_vec())
    });
    let at = u64::try_from(entry.at.as_nanos()).unwrap_or(u64::MAX);
    let attributes = entry.fields.into_iter();
    LogRecord {
        time_unix_nano: at,
        severity_number: entry.severity.number(),
        severity_text: entry.severity.name().to_owned(),
        body: Some(AnyValue { value: Some(Value::String(entry.body)) }),
        attributes: attributes.map(|(name, field)| KeyValue::new(name, value(field))).collect(),
        trace_id: trace,
        span_id: span,
        observed_time_unix_nano: at.max(nanos(SystemTime::now())),
    }
}

/// How long the process has been, as a moment.
pub(super) fn since(age: Duration) -> SystemTime {
    SystemTime::now().checked_sub(age).unwrap_or(UNIX_EPOCH)
}

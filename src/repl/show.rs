//! Answers as people and programs read them.
//!
//! Must not know how they came about.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::Answer;
use super::diff::Step;
use super::expect::percent;
use super::session::Exchange;
use crate::model::{Diagnostic, Severity};
use crate::rule::Tree;

/// Headers of an answer that say nothing of the route.
const PLAIN_HEADERS: &[&str] = &["content-length", "date", "connection"];
/// Bytes of a body that are shown.
const BODY_BYTES_MAX: usize = 1000;

/// A change of the configuration, with what is newly wrong.
pub(super) fn change(done: &str, findings: &[Diagnostic]) -> Answer {
    let mut text = done.to_owned();
    for finding in findings {
        // Written to a string, which cannot fail.
        let _ = write!(text, "\n{}", diagnostic(finding));
    }
    Answer::text(text).with("done", done).with("findings", json!(findings))
}

fn diagnostic(finding: &Diagnostic) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("  {severity}: {finding}")
}

/// What became of a request, or of many.
pub(super) fn exchange(exchange: &Exchange, why: &str) -> Answer {
    let mut text = String::new();
    text.push_str(why);
    if exchange.sending.times > 1 {
        many(&mut text, exchange);
    } else {
        one(&mut text, exchange);
    }
    let reply = &exchange.reply;
    let body = String::from_utf8_lossy(&reply.body);
    let ask = &exchange.sending.ask;
    Answer::text(text)
        .with("request", format!("{} {}", ask.method, exchange.sending.url))
        .with("router", json!(exchange.router))
        .with("service", json!(exchange.service))
        .with("server", json!(exchange.server))
        .with("steps", json!(exchange.steps))
        .with("status", reply.status)
        .with("headers", json!(reply.headers))
        .with("body", body.chars().take(BODY_BYTES_MAX).collect::<String>())
        .with("servers", json!(exchange.servers))
        .with("statuses", json!(exchange.statuses))
}

fn one(text: &mut String, exchange: &Exchange) {
    steps(text, &exchange.steps);
    if let Some(server) = &exchange.server {
        let service = exchange.service.as_deref().unwrap_or("-");
        let _ = writeln!(text, "server      {server} (service {service})");
    }
    let reply = &exchange.reply;
    let reason = http::StatusCode::from_u16(reply.status).ok();
    let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or_default();
    let _ = writeln!(text, "answer      {} {reason}, {} bytes", reply.status, reply.body.len());
    for (name, value) in &reply.headers {
        if !PLAIN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            let _ = writeln!(text, "            {name}: {value}");
        }
    }
    let body = String::from_utf8_lossy(&reply.body);
    let shown: String = body.chars().take(BODY_BYTES_MAX).collect();
    for line in shown.lines() {
        let _ = writeln!(text, "            | {}", printable(line));
    }
}

/// A line without characters that would steer the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

fn steps(text: &mut String, steps: &[Step]) {
    for (place, step) in steps.iter().enumerate() {
        let title = if place == 0 { "middlewares" } else { "" };
        let end = match (step.answered, step.changes.is_empty()) {
            (true, _) => " answers itself",
            (false, true) => " changes nothing",
            (false, false) => "",
        };
        let _ = writeln!(text, "{title:<11} {}. {}{end}", place + 1, step.middleware);
        for change in &step.changes {
            let _ = writeln!(text, "               {change}");
        }
    }
}

fn many(text: &mut String, exchange: &Exchange) {
    let all = exchange.sending.times;
    for (server, count) in &exchange.servers {
        let part = percent(*count, all);
        let bar = "#".repeat(count * 40 / all.max(1));
        let _ = writeln!(text, "server      {server:<20} {count:>6}  {part:>5.1} %  {bar}");
    }
    for (status, count) in &exchange.statuses {
        let _ =
            writeln!(text, "answer      {status:<20} {count:>6}  {:>5.1} %", percent(*count, all));
    }
}

/// How long requests took.
pub(super) fn times(exchange: &Exchange) -> Answer {
    let mut took = exchange.took.clone();
    took.sort_unstable();
    let at = |part: usize| {
        let place = (took.len() * part).div_ceil(100).saturating_sub(1);
        took.get(place).copied().unwrap_or_default()
    };
    let all: Duration = took.iter().sum();
    let count = u32::try_from(took.len()).unwrap_or(u32::MAX).max(1);
    let mean = all / count;
    let text = format!(
        "{count} requests, each with its connection and its probes: mean {mean:.1?}, median \
         {:.1?}, 99 % {:.1?}",
        at(50),
        at(99)
    );
    let micros = |time: Duration| json!(time.as_secs_f64() * 1e6);
    Answer::text(text)
        .with("requests", count)
        .with("mean_us", micros(mean))
        .with("median_us", micros(at(50)))
        .with("p99_us", micros(at(99)))
}

/// A rule as it was read.
pub(super) fn rule(tree: &Tree, priority: usize) -> Answer {
    let text = tree.to_string();
    let conditions: Vec<String> = tree.calls().iter().map(ToString::to_string).collect();
    let count = conditions.len();
    let plural = if count == 1 { "condition" } else { "conditions" };
    Answer::text(format!("{text}\n  {count} {plural}, priority {priority}"))
        .with("rule", text.clone())
        .with("conditions", json!(conditions))
        .with("priority", priority)
}

/// A list of elements.
pub(super) fn elements(elements: &[(&'static str, &'static str, &String, &Value)]) -> Answer {
    let mut text = String::new();
    for (section, kind, name, element) in elements {
        let kind = kind.strip_suffix('s').unwrap_or(kind);
        let kind = if *section == "http" { kind.to_owned() } else { format!("{section} {kind}") };
        let _ = writeln!(text, "{kind:<11} {name:<16} {}", brief(element));
    }
    let list = elements.iter().map(|(section, kind, name, element)| {
        json!({ "section": section, "kind": kind, "name": name, "element": element })
    });
    let list: Vec<Value> = list.collect();
    if text.is_empty() {
        text.push_str("nothing yet; :help says how to begin");
    }
    Answer::text(text).with("elements", list)
}

/// An element in one line.
fn brief(element: &Value) -> String {
    if let (Some(rule), Some(service)) = (element["rule"].as_str(), element["service"].as_str()) {
        let names = element["middlewares"].as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(Value::as_str).collect();
        let list =
            if names.is_empty() { String::new() } else { format!(" [{}]", names.join(", ")) };
        return format!("{rule} -> {service}{list}");
    }
    let text = element.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

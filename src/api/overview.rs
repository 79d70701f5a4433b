//! `/api/overview`: how many elements there are and how they are.

use serde_json::{Value, json};

use super::About;
use std::collections::BTreeMap;

use crate::model::{ElementStatus, Outcome, StreamVerdict};

pub(super) fn body(outcome: &Outcome, about: &About) -> Value {
    let report = outcome.report();
    let (tcp, udp) = (&outcome.tcp, &outcome.udp);
    json!({
        "http": {
            "routers": count(report.routers.values().map(|router| router.status)),
            "services": count(report.services.values().map(|service| service.status)),
            "middlewares": count(report.middlewares.values().map(|m| m.status)),
        },
        "tcp": {
            "routers": streams(&tcp.routers),
            "services": streams(&tcp.services),
            "middlewares": streams(&tcp.middlewares),
        },
        "udp": { "routers": streams(&udp.routers), "services": streams(&udp.services) },
        "features": {
            "tracing": about.tracing,
            "metrics": about.metrics,
            "accessLog": about.access_log,
        },
        "providers": about.providers,
    })
}

fn streams(elements: &BTreeMap<String, StreamVerdict>) -> Value {
    count(elements.values().map(|element| element.verdict.status))
}

fn count(all: impl Iterator<Item = ElementStatus>) -> Value {
    let (mut total, mut warnings, mut errors) = (0, 0, 0);
    for status in all {
        total += 1;
        match status {
            ElementStatus::Enabled => {}
            ElementStatus::Warning => warnings += 1,
            ElementStatus::Disabled => errors += 1,
        }
    }
    json!({ "total": total, "warnings": warnings, "errors": errors })
}

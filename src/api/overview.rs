//! `/api/overview`: how many elements there are and how they are.

use serde_json::{Value, json};

use super::About;
use crate::model::{ElementStatus, Outcome, StreamVerdict, Verdict};

pub(super) fn body(outcome: &Outcome, about: &About) -> Value {
    let (tcp, udp) = (&outcome.tcp, &outcome.udp);
    let routers = outcome.routers.values().map(|router| router.verdict.status);
    let services = outcome.services.keys().chain(&outcome.internals);
    let services = services.map(|name| status(outcome.service_verdicts.get(name)));
    let middlewares = outcome.middlewares.keys();
    let middlewares = middlewares.map(|name| status(outcome.middleware_verdicts.get(name)));
    json!({
        "http": {
            "routers": count(routers),
            "services": count(services),
            "middlewares": count(middlewares),
        },
        "tcp": {
            "routers": streams(tcp.routers.values()),
            "services": streams(tcp.services.values()),
            "middlewares": streams(tcp.middlewares.values()),
        },
        "udp": {
            "routers": streams(udp.routers.values()),
            "services": streams(udp.services.values()),
        },
        "features": {
            "tracing": about.tracing,
            "metrics": about.metrics,
            "accessLog": about.access_log,
        },
        "providers": about.providers,
    })
}

fn status(verdict: Option<&Verdict>) -> ElementStatus {
    verdict.map(|verdict| verdict.status).unwrap_or_default()
}

fn streams<'a>(elements: impl Iterator<Item = &'a StreamVerdict>) -> Value {
    count(elements.map(|element| element.verdict.status))
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

//! `/api/overview`: how many elements there are and how they are.

use serde_json::{Value, json};

use super::About;
use crate::model::{ElementStatus, Report};

pub(super) fn body(report: &Report, about: &About) -> Value {
    json!({
        "http": {
            "routers": count(report.routers.values().map(|router| router.status)),
            "services": count(report.services.values().map(|service| service.status)),
            "middlewares": count(report.middlewares.values().map(|m| m.status)),
        },
        "tcp": { "routers": none(), "services": none(), "middlewares": none() },
        "udp": { "routers": none(), "services": none() },
        "features": { "tracing": "", "metrics": "", "accessLog": about.access_log },
        "providers": about.providers,
    })
}

fn none() -> Value {
    count(std::iter::empty())
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

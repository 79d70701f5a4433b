//! `/api/version`.

use serde_json::{Value, json};

use super::About;
use super::reply::Reply;

/// The version's name; Traefik's clients expect the field.
const CODENAME: &str = "moongate";

pub(super) fn body(about: &About) -> Value {
    let mut body = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "Codename": CODENAME,
        "startDate": about.started,
    });
    if about.api.disable_dashboard_ad {
        body["disableDashboardAd"] = true.into();
    }
    if !about.api.dashboard_name.is_empty() {
        body["dashboardName"] = about.api.dashboard_name.as_str().into();
    }
    body
}

pub(super) fn reply(about: &About) -> Reply {
    Reply::json_as(body(about), "application/json; charset=UTF-8")
}

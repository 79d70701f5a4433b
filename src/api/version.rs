//! `/api/version`.

use serde_json::json;

use super::About;
use super::reply::Reply;

/// The version's name; Traefik's clients expect the field.
const CODENAME: &str = "moongate";

pub(super) fn reply(about: &About) -> Reply {
    let body = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "Codename": CODENAME,
        "startDate": about.started,
    });
    Reply::json_as(&body, "application/json; charset=UTF-8")
}

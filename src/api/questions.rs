//! `/api/explain`: why a request goes where it goes.

use http::StatusCode;

use super::list::Query;
use super::reply::Reply;
use crate::config::EntryPointPlan;
use crate::explain::{Question, World};
use crate::snapshot::Snapshot;

pub(super) fn reply(snapshot: &Snapshot, entrypoints: &[EntryPointPlan], query: &Query) -> Reply {
    let bad = |message: &str| Reply::error(StatusCode::BAD_REQUEST, message);
    let text = |name: &str| query.get(name).map(str::to_owned);
    let Some(url) = text("url") else { return bad("url: the URL to explain is missing") };
    let client = match query.get("client").map(str::parse) {
        None => None,
        Some(Ok(address)) => Some(address),
        Some(Err(_)) => return bad("client: it is no IP address"),
    };
    let question = Question {
        method: text("method").unwrap_or_default(),
        url,
        headers: query.all("header").map(str::to_owned).collect(),
        client,
        entry_point: text("entryPoint"),
        server_name: text("serverName"),
    };
    match (World { snapshot, entrypoints }).explain(&question) {
        Ok(said) => Reply::json(serde_json::to_value(said).unwrap_or_default()),
        Err(error) => bad(&error.to_string()),
    }
}

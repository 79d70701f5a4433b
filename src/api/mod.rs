//! The HTTP API, the dashboard and ping, as internal services.
//!
//! Answers are made of the snapshot that is served, on a thread of the API's own: a worker only
//! hands the question over and the answer back. Must not know how a snapshot is made.

mod catalogue;
mod certificates;
mod dashboard;
mod debug;
mod desk;
mod dump;
mod element;
mod entrypoints;
mod list;
mod live;
mod openapi;
mod overview;
mod ping;
mod process;
mod prometheus;
mod providers;
mod questions;
mod redact;
mod reply;
mod scripts;
mod streams;
mod version;

use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::Value;

use crate::config::{self, EntryPointPlan};
use crate::lua;
use crate::message::{LocalFuture, Request, Response};
use crate::observe::metrics::Metrics;
use crate::service::Internal;
use crate::snapshot::{Live, Snapshot};

pub use catalogue::{ENDPOINTS, Endpoint, reference};
pub use dashboard::Dashboard;
pub use openapi::openapi;
pub use ping::Ping;
pub use prometheus::{Exposition, Facts, Numbers};

use desk::Desk;
use reply::Reply;

/// What the API tells of the process beside its configuration.
#[derive(Debug, Clone)]
pub struct About {
    /// The options of the API.
    pub api: config::Api,
    /// Entrypoints as resolved.
    pub entrypoints: Vec<EntryPointPlan>,
    /// Names of the providers in use, as the overview shows them.
    pub providers: Vec<&'static str>,
    /// Whether there is an access log.
    pub access_log: bool,
    /// How the numbers of the process are told, in words; empty where they are not.
    pub metrics: String,
    /// How traces are told; empty where they are not.
    pub tracing: String,
    /// How many workers there are.
    pub workers: usize,
    /// The static configuration, for those who help.
    pub options: Value,
    /// When the process started, in UTC, as RFC 3339.
    pub started: String,
}

/// Where the API looks.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// What is served.
    pub live: Arc<Live>,
    /// What scripts share, with what they have done.
    pub shared: Arc<lua::Shared>,
    /// The numbers of the process.
    pub metrics: Option<Arc<Metrics>>,
}

/// `api@internal`.
#[derive(Debug)]
pub struct Api {
    live: Arc<Live>,
    about: About,
    shared: Arc<lua::Shared>,
    metrics: Option<Arc<Metrics>>,
    desk: Desk,
    dashboard: Option<Arc<Dashboard>>,
}

impl Api {
    /// The API over these sources.
    #[must_use]
    pub fn new(sources: Sources, about: About) -> Arc<Self> {
        let Sources { live, shared, metrics } = sources;
        let dashboard = about.api.dashboard.then(Dashboard::new);
        Arc::new(Self { live, about, shared, metrics, desk: Desk::default(), dashboard })
    }

    /// The dashboard, unless it is off.
    #[must_use]
    pub fn dashboard(&self) -> Option<&Arc<Dashboard>> {
        self.dashboard.as_ref()
    }

    /// Answers a question, such as `/api/overview`.
    fn reply(&self, method: &Method, path: &str, query: &str) -> Reply {
        let is_debug = self.about.api.debug;
        let debug = path.strip_prefix("/debug/").filter(|_| is_debug);
        let Some((endpoint, names)) = catalogue::find(path) else {
            return match debug {
                Some(_) if !is_read(method) => Reply::not_allowed(),
                Some(path) => debug::reply(path, &self.about, &self.snapshot()),
                None => Reply::no_page(),
            };
        };
        if !is_read(method) {
            return Reply::not_allowed();
        }
        let call = catalogue::Call { names, query: list::Query::parse(query) };
        (endpoint.answer)(self, &call)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.live.snapshot()
    }

    /// What is below the base path; none where a path is not below it.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(self.about.api.prefix()).filter(|rest| rest.starts_with('/'))
    }
}

/// Whether a method only reads.
fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

impl Internal for Api {
    fn serve(self: Arc<Self>, request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async move {
            let (method, target) = (request.method.clone(), request.target.clone());
            let whole = target.path();
            let path = match self.below(whole) {
                Some(path) => path.to_owned(),
                None if whole == self.about.api.prefix() => "/".to_owned(),
                None => return Reply::no_page().into_response(&method),
            };
            if let Some(dashboard) = &self.dashboard {
                if path == "/" && is_read(&method) {
                    let base = self.about.api.prefix();
                    let to = format!("{}{base}/dashboard/", prefix(&request.headers));
                    return Reply::redirect(&to).into_response(&method);
                }
                if let Some(file) = path.strip_prefix("/dashboard") {
                    return dashboard.answer(file, &request);
                }
            }
            let api = Arc::clone(&self);
            let (asked, query) = (method.clone(), target.query().unwrap_or_default().to_owned());
            let work = self.desk.ask(move || api.reply(&asked, &path, &query));
            work.await.unwrap_or_else(Reply::busy).into_response(&method)
        })
    }
}

/// The prefix that scripts or proxies in front have removed from the path.
fn prefix(headers: &HeaderMap) -> &str {
    let given = headers.get("x-forwarded-prefix").and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default().trim_end_matches('/');
    // It must not lead to another host.
    let is_path = given.starts_with('/') && !given.starts_with("//") && !given.contains('\\');
    if is_path { given } else { "" }
}

/// `noop@internal`: for routers whose middlewares answer.
#[derive(Debug)]
pub struct Noop;

impl Internal for Noop {
    fn serve(self: Arc<Self>, _request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async { Response::new(http::StatusCode::IM_A_TEAPOT) })
    }
}

//! The HTTP API and ping, as internal services.
//!
//! Answers are made of the snapshot that is served, on the control plane's threads: a worker only
//! hands the question over and the answer back. Must not know how a snapshot is made.

mod element;
mod entrypoints;
mod list;
mod overview;
mod ping;
mod process;
mod prometheus;
mod reply;
mod streams;
mod version;

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::config::EntryPointPlan;
use crate::message::{LocalFuture, Request, Response};
use crate::model::{Outcome, Report};
use crate::service::Internal;
use crate::snapshot::Live;

pub use ping::Ping;
pub use prometheus::{Exposition, Facts};

use list::Query;
use reply::Reply;

/// What the API tells of the process beside its configuration.
#[derive(Debug, Clone)]
pub struct About {
    /// Entrypoints as resolved.
    pub entrypoints: Vec<EntryPointPlan>,
    /// Names of the providers in use, as the overview shows them.
    pub providers: Vec<&'static str>,
    /// Whether there is an access log.
    pub access_log: bool,
    /// How the numbers of the process are told, in words.
    pub metrics: String,
    /// How traces are told.
    pub tracing: String,
    /// When the process started, in UTC, as RFC 3339.
    pub started: String,
}

/// `api@internal`.
#[derive(Debug)]
pub struct Api {
    live: Arc<Live>,
    about: About,
    control: Handle,
}

impl Api {
    /// The API over what is live; answers are made on `control`.
    #[must_use]
    pub fn new(live: Arc<Live>, about: About, control: Handle) -> Arc<Self> {
        Arc::new(Self { live, about, control })
    }

    /// Answers a request for a path, such as `/api/overview`.
    fn reply(&self, method: &Method, path: &str, query: Option<&str>) -> Reply {
        if path == "/" {
            return Reply::redirect("/dashboard/");
        }
        let Some(rest) = path.strip_prefix("/api/") else { return Reply::no_page() };
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Reply::not_allowed();
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let query = Query::parse(query.unwrap_or_default());
        match parts.as_slice() {
            ["version"] => version::reply(&self.about),
            ["overview"] => Reply::json(&overview::body(&self.outcome(), &self.about)),
            ["rawdata"] => Reply::json(&rawdata(&self.outcome())),
            ["entrypoints"] => {
                list::reply(entrypoints::all(&self.about.entrypoints), &query, &entrypoints::SEARCH)
            }
            ["entrypoints", name] => {
                let found = entrypoints::one(&self.about.entrypoints, name);
                Reply::found(found.as_ref(), "entry point", name)
            }
            [protocol, kind] => self.elements(protocol, kind, &query),
            [protocol, kind, name] => self.element(protocol, kind, &list::unescape(name)),
            _ => Reply::no_page(),
        }
    }

    fn elements(&self, protocol: &str, kind: &str, query: &Query) -> Reply {
        match (protocol, element::Kind::named(kind)) {
            ("http", Some(kind)) => list::reply(kind.all(&self.report()), query, kind.search()),
            (_, Some(kind)) => match streams::Streams::named(protocol, &self.outcome()) {
                Some(streams) if streams.has(kind) => {
                    list::reply(streams.all(kind), query, kind.search())
                }
                _ => Reply::no_page(),
            },
            _ => Reply::no_page(),
        }
    }

    fn element(&self, protocol: &str, kind: &str, name: &str) -> Reply {
        let Some(element) = element::Kind::named(kind) else { return Reply::no_page() };
        let found = match protocol {
            "http" => element.one(&self.report(), name),
            protocol => match streams::Streams::named(protocol, &self.outcome()) {
                Some(streams) if streams.has(element) => streams.one(element, name),
                _ => return Reply::no_page(),
            },
        };
        Reply::found(found.as_ref(), element.singular(), name)
    }

    fn outcome(&self) -> Arc<Outcome> {
        Arc::clone(&self.live.snapshot().outcome)
    }

    fn report(&self) -> Report {
        self.outcome().report()
    }
}

/// Everything, by kind and name.
fn rawdata(outcome: &Outcome) -> Value {
    let report = outcome.report();
    let mut body = Map::new();
    for kind in element::Kind::ALL {
        let elements = kind.raw(&report);
        if !elements.is_empty() {
            body.insert(kind.plural().to_owned(), Value::Object(elements));
        }
    }
    for protocol in ["tcp", "udp"] {
        if let Some(streams) = streams::Streams::named(protocol, outcome) {
            streams.raw(&mut body);
        }
    }
    Value::Object(body)
}

impl Internal for Api {
    fn serve(self: Arc<Self>, request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async move {
            let (method, target) = (request.method.clone(), request.target.clone());
            let control = self.control.clone();
            // A report over thousands of elements would keep the worker from its clients.
            let work = control.spawn_blocking(move || {
                self.reply(&method, &target.decoded_path(), target.query())
            });
            let reply = work.await.unwrap_or_else(|_| Reply::stopping());
            reply.into_response(&request.method)
        })
    }
}

/// `dashboard@internal`: the API without the API.
#[derive(Debug)]
pub struct Dashboard;

impl Internal for Dashboard {
    fn serve(self: Arc<Self>, request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async move { Reply::no_page().into_response(&request.method) })
    }
}

/// `noop@internal`: for routers whose middlewares answer.
#[derive(Debug)]
pub struct Noop;

impl Internal for Noop {
    fn serve(self: Arc<Self>, _request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async { Response::new(http::StatusCode::IM_A_TEAPOT) })
    }
}

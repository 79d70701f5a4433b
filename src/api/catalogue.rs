//! The catalogue of paths: what there is, and who answers.
//!
//! The `OpenAPI` description and the page of the documentation are printed from it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Map, Value};

use super::certificates::Certificates;
use super::element::{Elements, Kind};
use super::list::{self, Query, unescape};
use super::providers::Findings;
use super::reply::Reply;
use super::scripts::Scripts;
use super::streams::Streams;
use super::{Api, dump, entrypoints, live, openapi, overview, providers, questions, version};
use crate::snapshot::Snapshot;

/// A path of the API.
pub struct Endpoint {
    /// Below the base path, with `{name}` in the place of a name.
    pub path: &'static str,
    /// What it tells, one sentence.
    pub doc: &'static str,
    /// The parameters of its query.
    pub parameters: &'static [Parameter],
    /// What the answer is.
    pub shape: Shape,
    pub(super) answer: fn(&Api, &Call) -> Reply,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.path)
    }
}

/// What an answer is; the names are those of schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    One(&'static str),
    /// One page of a list.
    Page(&'static str),
    /// A whole list.
    All(&'static str),
    /// A file of that type.
    File(&'static str),
}

/// A parameter of a query.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it does, one sentence.
    pub doc: &'static str,
    /// Its type in JSON schemas.
    pub kind: &'static str,
    /// Whether it must be given.
    pub is_required: bool,
    /// Whether it may be given several times.
    pub is_repeated: bool,
}

/// A question: the names in its path, and its query.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) names: Vec<String>,
    pub(super) query: Query,
}

impl Call {
    fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

const fn text(name: &'static str, doc: &'static str) -> Parameter {
    Parameter { name, doc, kind: "string", is_required: false, is_repeated: false }
}

const PAGE: Parameter = Parameter { kind: "integer", ..text("page", "Which page, from 1 on.") };
const PER_PAGE: Parameter =
    Parameter { kind: "integer", ..text("per_page", "How many there are on a page; 100.") };
const SEARCH: Parameter = text("search", "Only those with this text in them.");
const STATUS: Parameter = text("status", "Only those that are `enabled`, `warning` or `disabled`.");
const SORT: Parameter = text("sortBy", "The field to order by; `name`.");
const DIRECTION: Parameter = text("direction", "`asc` or `desc`.");
const SERVICE: Parameter = text("serviceName", "Only routers with this service.");
const MIDDLEWARE: Parameter = text("middlewareName", "Only routers with this middleware.");

const PAGES: &[Parameter] = &[PAGE, PER_PAGE, SEARCH];
const ELEMENTS: &[Parameter] = &[PAGE, PER_PAGE, SEARCH, STATUS, SORT, DIRECTION];
const ROUTERS: &[Parameter] =
    &[PAGE, PER_PAGE, SEARCH, STATUS, SORT, DIRECTION, SERVICE, MIDDLEWARE];
const LIVE: &[Parameter] = &[
    Parameter { is_repeated: true, ..text("router", "A router, by its name with provider.") },
    Parameter { is_repeated: true, ..text("service", "A service, by its name with provider.") },
];
const EXPLAIN: &[Parameter] = &[
    Parameter { is_required: true, ..text("url", "The URL, with scheme and host.") },
    text("method", "The method; GET."),
    Parameter { is_repeated: true, ..text("header", "A header, as `Name: value`.") },
    text("client", "The client's IP address; 127.0.0.1."),
    text("entryPoint", "The entrypoint; the one that listens on the URL's port."),
    text("serverName", "The server name of the TLS handshake; the URL's host."),
];

/// All paths.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/api/version",
        doc: "The version, and when the process started.",
        parameters: &[],
        shape: Shape::One("Version"),
        answer: |api, _| version::reply(&api.about),
    },
    Endpoint {
        path: "/api/overview",
        doc: "How many elements there are and how they are, features, providers.",
        parameters: &[],
        shape: Shape::One("Overview"),
        answer: |api, _| Reply::json(overview::body(&api.snapshot().outcome, &api.about)),
    },
    Endpoint {
        path: "/api/rawdata",
        doc: "All routers, services and middlewares by name.",
        parameters: &[],
        shape: Shape::One("RawData"),
        answer: |api, _| Reply::json(rawdata(&api.snapshot()).into()),
    },
    Endpoint {
        path: "/api/support-dump",
        doc: "Version, static configuration and all elements as an archive, without secrets.",
        parameters: &[],
        shape: Shape::File("application/gzip"),
        answer: |api, _| support_dump(api),
    },
    Endpoint {
        path: "/api/entrypoints",
        doc: "Entrypoints with all their options.",
        parameters: PAGES,
        shape: Shape::Page("EntryPoint"),
        answer: |api, call| {
            let plans = &api.about.entrypoints;
            list::reply(entrypoints::rows(plans), &call.query, |id| entrypoints::one(plans, id))
        },
    },
    Endpoint {
        path: "/api/entrypoints/{name}",
        doc: "One entrypoint.",
        parameters: &[],
        shape: Shape::One("EntryPoint"),
        answer: |api, call| {
            let found = entrypoints::one(&api.about.entrypoints, call.name());
            Reply::found(found, "entry point", call.name())
        },
    },
    Endpoint {
        path: "/api/http/routers",
        doc: "HTTP routers.",
        parameters: ROUTERS,
        shape: Shape::Page("Router"),
        answer: |api, call| http(api, call, Kind::Routers),
    },
    Endpoint {
        path: "/api/http/routers/{name}",
        doc: "One HTTP router, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Router"),
        answer: |api, call| one_http(api, call, Kind::Routers),
    },
    Endpoint {
        path: "/api/http/services",
        doc: "HTTP services with the health of their servers.",
        parameters: ELEMENTS,
        shape: Shape::Page("Service"),
        answer: |api, call| http(api, call, Kind::Services),
    },
    Endpoint {
        path: "/api/http/services/{name}",
        doc: "One HTTP service, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Service"),
        answer: |api, call| one_http(api, call, Kind::Services),
    },
    Endpoint {
        path: "/api/http/middlewares",
        doc: "HTTP middlewares with their options, without secrets.",
        parameters: ELEMENTS,
        shape: Shape::Page("Middleware"),
        answer: |api, call| http(api, call, Kind::Middlewares),
    },
    Endpoint {
        path: "/api/http/middlewares/{name}",
        doc: "One HTTP middleware, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Middleware"),
        answer: |api, call| one_http(api, call, Kind::Middlewares),
    },
    Endpoint {
        path: "/api/tcp/routers",
        doc: "TCP routers.",
        parameters: ROUTERS,
        shape: Shape::Page("Router"),
        answer: |api, call| stream(&Streams::tcp(&api.snapshot()), call, Kind::Routers),
    },
    Endpoint {
        path: "/api/tcp/routers/{name}",
        doc: "One TCP router, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Router"),
        answer: |api, call| one_stream(&Streams::tcp(&api.snapshot()), call, Kind::Routers),
    },
    Endpoint {
        path: "/api/tcp/services",
        doc: "TCP services with the health of their servers.",
        parameters: ELEMENTS,
        shape: Shape::Page("Service"),
        answer: |api, call| stream(&Streams::tcp(&api.snapshot()), call, Kind::Services),
    },
    Endpoint {
        path: "/api/tcp/services/{name}",
        doc: "One TCP service, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Service"),
        answer: |api, call| one_stream(&Streams::tcp(&api.snapshot()), call, Kind::Services),
    },
    Endpoint {
        path: "/api/tcp/middlewares",
        doc: "TCP middlewares with their options, without secrets.",
        parameters: ELEMENTS,
        shape: Shape::Page("Middleware"),
        answer: |api, call| stream(&Streams::tcp(&api.snapshot()), call, Kind::Middlewares),
    },
    Endpoint {
        path: "/api/tcp/middlewares/{name}",
        doc: "One TCP middleware, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Middleware"),
        answer: |api, call| one_stream(&Streams::tcp(&api.snapshot()), call, Kind::Middlewares),
    },
    Endpoint {
        path: "/api/udp/routers",
        doc: "UDP routers.",
        parameters: ROUTERS,
        shape: Shape::Page("Router"),
        answer: |api, call| stream(&Streams::udp(&api.snapshot()), call, Kind::Routers),
    },
    Endpoint {
        path: "/api/udp/routers/{name}",
        doc: "One UDP router, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Router"),
        answer: |api, call| one_stream(&Streams::udp(&api.snapshot()), call, Kind::Routers),
    },
    Endpoint {
        path: "/api/udp/services",
        doc: "UDP services.",
        parameters: ELEMENTS,
        shape: Shape::Page("Service"),
        answer: |api, call| stream(&Streams::udp(&api.snapshot()), call, Kind::Services),
    },
    Endpoint {
        path: "/api/udp/services/{name}",
        doc: "One UDP service, by its name with provider.",
        parameters: &[],
        shape: Shape::One("Service"),
        answer: |api, call| one_stream(&Streams::udp(&api.snapshot()), call, Kind::Services),
    },
    Endpoint {
        path: "/api/certificates",
        doc: "Certificates, without their keys; a warning is one that ends within thirty days.",
        parameters: ELEMENTS,
        shape: Shape::Page("Certificate"),
        answer: |api, call| {
            let all = Certificates::of(&api.snapshot().certificates);
            list::reply(all.rows(), &call.query, |id| all.one(id))
        },
    },
    Endpoint {
        path: "/api/certificates/{name}",
        doc: "One certificate, by its fingerprint.",
        parameters: &[],
        shape: Shape::One("Certificate"),
        answer: |api, call| {
            let found = Certificates::of(&api.snapshot().certificates).one(call.name());
            Reply::found(found, "certificate", call.name())
        },
    },
    Endpoint {
        path: "/api/scripts",
        doc: "Scripts in use, with what they have done. Moongate's own.",
        parameters: ELEMENTS,
        shape: Shape::Page("Script"),
        answer: |api, call| {
            let snapshot = api.snapshot();
            let scripts = Scripts::of(&snapshot, &api.shared);
            list::reply(scripts.rows(), &call.query, |id| scripts.listed(id))
        },
    },
    Endpoint {
        path: "/api/scripts/{name}",
        doc: "One script with its text and its instances. Moongate's own.",
        parameters: &[],
        shape: Shape::One("Script"),
        answer: |api, call| {
            let found = Scripts::of(&api.snapshot(), &api.shared).one(call.name());
            Reply::found(found, "script", call.name())
        },
    },
    Endpoint {
        path: "/api/live",
        doc: "Counters of entrypoints, and of the routers and services that are named. Moongate's \
              own.",
        parameters: LIVE,
        shape: Shape::One("Live"),
        answer: |api, call| match &api.metrics {
            Some(metrics) => Reply::json(live::body(metrics, &call.query)),
            None => Reply::error(StatusCode::NOT_FOUND, "nothing is counted"),
        },
    },
    Endpoint {
        path: "/api/providers",
        doc: "What providers have said last, and what they could not read. Moongate's own.",
        parameters: &[],
        shape: Shape::All("Provider"),
        answer: |api, _| Reply::json(providers::body(&api.live)),
    },
    Endpoint {
        path: "/api/findings",
        doc: "All errors and warnings about the configuration, with their reasons. Moongate's own.",
        parameters: ELEMENTS,
        shape: Shape::Page("Finding"),
        answer: |api, call| {
            let all = Findings::of(&api.live);
            list::reply(all.rows(), &call.query, |id| all.one(id))
        },
    },
    Endpoint {
        path: "/api/explain",
        doc: "Why a request goes where it goes; no request is sent. Moongate's own.",
        parameters: EXPLAIN,
        shape: Shape::One("Explanation"),
        answer: |api, call| questions::reply(&api.snapshot(), &api.about.entrypoints, &call.query),
    },
    Endpoint {
        path: "/api/openapi.json",
        doc: "This description, as OpenAPI 3.1. Moongate's own.",
        parameters: &[],
        shape: Shape::One("OpenApi"),
        answer: |api, _| match openapi::openapi(api.about.api.prefix()) {
            Ok(description) => Reply::plain(&description),
            Err(error) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
    },
];

/// The path that is asked for, with the names in it.
pub(super) fn find(path: &str) -> Option<(&'static Endpoint, Vec<String>)> {
    let parts = || path.split('/');
    ENDPOINTS.iter().find_map(|endpoint| {
        let wanted = endpoint.path.split('/');
        if wanted.clone().count() != parts().count() {
            return None;
        }
        let mut names = Vec::new();
        for (wanted, part) in wanted.zip(parts()) {
            if wanted.starts_with('{') {
                names.push(unescape(part).into_owned());
            } else if wanted != part {
                return None;
            }
        }
        Some((endpoint, names))
    })
}

/// The page of the documentation about all paths.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Paths of the API\n\n\
         Printed from the catalogue. All of them answer to GET and HEAD; how lists are read stands \
         in [the API's page](../operations/api.md).\n\n| path | what it tells | parameters |\n\
         | --- | --- | --- |\n",
    );
    for endpoint in ENDPOINTS {
        let names = endpoint.parameters.iter().map(|parameter| format!("`{}`", parameter.name));
        let names = names.collect::<Vec<_>>().join(", ");
        page.push_str(&format!("| `{}` | {} | {names} |\n", endpoint.path, endpoint.doc));
    }
    page
}

fn http(api: &Api, call: &Call, kind: Kind) -> Reply {
    let snapshot = api.snapshot();
    let elements = Elements::of(&snapshot, &[kind]);
    list::reply(elements.rows(kind), &call.query, |id| elements.one(kind, id))
}

fn one_http(api: &Api, call: &Call, kind: Kind) -> Reply {
    let snapshot = api.snapshot();
    let found = Elements::of(&snapshot, &[kind]).one(kind, call.name());
    Reply::found(found, kind.singular(), call.name())
}

fn stream(streams: &Streams<'_>, call: &Call, kind: Kind) -> Reply {
    list::reply(streams.rows(kind), &call.query, |id| streams.one(kind, id))
}

fn one_stream(streams: &Streams<'_>, call: &Call, kind: Kind) -> Reply {
    Reply::found(streams.one(kind, call.name()), kind.singular(), call.name())
}

/// Everything, by kind and name.
fn rawdata(snapshot: &Snapshot) -> Map<String, Value> {
    let http = Elements::of(snapshot, &Kind::ALL);
    let mut body = Map::new();
    for kind in Kind::ALL {
        let elements = http.raw(kind);
        if !elements.is_empty() {
            body.insert(kind.plural().to_owned(), Value::Object(elements));
        }
    }
    Streams::tcp(snapshot).raw(&mut body);
    Streams::udp(snapshot).raw(&mut body);
    body
}

fn support_dump(api: &Api) -> Reply {
    let files = vec![
        ("version.json", version::body(&api.about)),
        ("static-config.json", api.about.options.clone()),
        ("runtime-config.json", rawdata(&api.snapshot()).into()),
        ("findings.json", serde_json::to_value(&*api.live.findings()).unwrap_or_default()),
    ];
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match dump::pack(files, now) {
        Ok(packed) => {
            let name = "attachment; filename=support-dump.tar.gz";
            Reply::file("application/gzip", name, packed)
        }
        Err(error) => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

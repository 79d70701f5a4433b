//! What probes tell: a small server that keeps it, and the probes in a configuration.
//!
//! A probe is a script as a user could write it, in front of the first middleware of a router and
//! behind every one. Must not know what is made of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::echo;
use crate::model::{Dynamic, Middleware, Router};

/// The script.
const PROBE: &str = include_str!("probe.lua");

/// What a probe saw.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    /// `request`, `response`, or `end`.
    pub(super) kind: String,
    /// Behind so many middlewares.
    pub(super) place: usize,
    pub(super) router: Option<String>,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) uri: String,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) length: Option<u64>,
    pub(super) service: Option<String>,
    pub(super) server: Option<String>,
}

/// How long the end of a request is waited for, once its answer is there.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Keeps what probes tell.
#[derive(Debug)]
pub(super) struct Collector {
    at: SocketAddr,
    told: Receiver<echo::Seen>,
}

impl Collector {
    pub(super) fn start() -> io::Result<Self> {
        let (teller, told) = channel();
        Ok(Self { at: echo::start("probe".to_owned(), Some(teller))?, told })
    }

    /// What was told of the request that has been answered, its end included.
    pub(super) fn take(&self) -> Vec<Seen> {
        let mut all: Vec<Seen> = Vec::new();
        loop {
            let is_over = all.iter().any(|seen| seen.kind == "end");
            let told = match all.is_empty() || is_over {
                // Nothing is told of a request that no router took.
                true => self.told.try_recv().ok(),
                false => self.told.recv_timeout(END_LIMIT).ok(),
            };
            let Some(told) = told else { return all };
            all.extend(serde_json::from_str::<Seen>(&told.body).ok());
        }
    }

    /// The configuration with probes on the way of all routers.
    pub(super) fn watch(&self, dynamic: &Dynamic) -> Dynamic {
        let mut watched = dynamic.clone();
        let routers = watched.http.routers.values();
        let places = routers.map(|router| router.middlewares.len()).max().unwrap_or_default();
        for place in 0..=places {
            watched.http.middlewares.insert(probe_name(place), Arc::new(self.probe(place)));
        }
        for router in watched.http.routers.values_mut() {
            let middlewares = router.middlewares.iter().cloned().zip(1..);
            let between = middlewares.flat_map(|(name, place)| [name, probe_name(place)]);
            let middlewares = std::iter::once(probe_name(0)).chain(between).collect();
            *router = Arc::new(Router { middlewares, ..Router::clone(router) });
        }
        watched
    }

    fn probe(&self, place: usize) -> Middleware {
        let options = json!({ "to": format!("http://{}/", self.at), "place": place });
        let script = json!({ "code": PROBE, "options": options });
        let kinds = Map::from_iter([("lua".to_owned(), script)]);
        // Machines are slow at times; nobody waits but the person.
        let limits = Some(json!({ "cpu": "1s" }));
        Middleware { kinds, on_error: Some(Value::from("skip")), limits }
    }
}

/// Whether an element is one of ours.
pub(super) fn is_probe(name: &str) -> bool {
    name.starts_with(PREFIX)
}

fn probe_name(place: usize) -> String {
    format!("{PREFIX}{place}")
}

const PREFIX: &str = "moongate-probe-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_stand_around_every_middleware() {
        let router = |middlewares: &[&str]| {
            let middlewares = middlewares.iter().map(|name| (*name).to_owned()).collect();
            Arc::new(Router { middlewares, ..Router::default() })
        };
        let mut dynamic = Dynamic::default();
        dynamic.http.routers.insert("a".to_owned(), router(&["x", "y"]));
        dynamic.http.routers.insert("b".to_owned(), router(&[]));
        let watched = Collector::start().unwrap().watch(&dynamic);
        let way = |name: &str| watched.http.routers[name].middlewares.join(" ");
        assert_eq!(way("a"), "moongate-probe-0 x moongate-probe-1 y moongate-probe-2");
        assert_eq!(way("b"), "moongate-probe-0");
        assert_eq!(watched.http.middlewares.len(), 3);
    }
}

//! Moongate, an edge router programmed in Lua: the map of the house.
//!
//! A module imports only modules of a strictly lower rank, which `tests/tidy.rs` checks.
//!
//! | rank | module | what it is |
//! | ---: | --- | --- |
//! | 0 | [`value`] | values of configuration, and the decoder all of it goes through |
//! | 0 | [`numbers`] | numbers with names and labels, and the text that Prometheus reads |
//! | 0 | [`headers`] | the headers of a message: as read, and as a map for those who ask |
//! | 1 | [`schema`] | option schemas of scripts as data: decoding, checking, printing |
//! | 1 | [`model`] | the dynamic configuration, its merge, and diagnostics |
//! | 1 | [`rule`] | rule text to syntax tree to matcher tree |
//! | 1 | [`content`] | what a body's bytes are: their type, content codings |
//! | 1 | [`predicate`] | conditions over named functions, as users write them |
//! | 1 | [`template`] | the language of templates in configuration files |
//! | 1 | [`message`] | our own request, response, body; where failures become answers |
//! | 2 | [`config`] | the static configuration: file, else flags, else environment |
//! | 2 | [`lua`] | scripts, one VM per worker, limits, the scripting API |
//! | 2 | [`observe`] | the leveled log, the access log, metrics, traces |
//! | 3 | [`handover`] | listening sockets from the process before, or from systemd |
//! | 3 | [`tls`] | certificates, chosen by server name |
//! | 3 | [`upstream`] | connections to servers and the exchanges over them |
//! | 3 | [`provider`] | sources of dynamic configuration |
//! | 3 | [`router`] | the index of rules |
//! | 4 | [`outbound`] | requests and connections of scripts, and of commands to a running process |
//! | 4 | [`middleware`] | the chain of script instances |
//! | 4 | [`service`] | balancing over servers and over services, internal services |
//! | 4 | [`otlp`] | reports to collectors: traces, metrics, logs |
//! | 4 | [`stapling`] | what authorities say of certificates, kept fresh |
//! | 5 | [`background`] | the worker of scripts that work for no request |
//! | 5 | [`snapshot`] | one immutable generation of everything a request needs |
//! | 6 | [`dns`] | DNS providers: records that prove the control of a domain |
//! | 6 | [`compile`] | dynamic configuration to snapshot and diagnostics |
//! | 6 | [`explain`] | why a request goes where it goes |
//! | 7 | [`entrypoint`] | listeners and connections, workers |
//! | 7 | [`api`] | the HTTP API and ping |
//! | 7 | [`acme`] | certificates from authorities, had and renewed by themselves |
//! | 8 | [`reconcile`] | provider messages to a published snapshot |
//! | 9 | [`app`] | wiring: runtimes, catalogue, start order, graceful stop |
//! | 10 | [`repl`] | prototypes: what is typed is served, and requests to it are told of |
//! | 11 | [`cli`] | commands |
//!
//! A request flows `entrypoint` -> `router` -> `middleware` -> `service` -> `upstream` and back.
//! A configuration change flows `provider` -> `reconcile` -> `model` (merge) -> `compile` ->
//! prepare on every worker -> swap -> retire.

pub mod acme;
pub mod api;
pub mod app;
pub mod background;
pub mod cli;
pub mod compile;
pub mod config;
pub mod content;
pub mod dns;
pub mod entrypoint;
pub mod explain;
pub mod handover;
pub mod headers;
pub mod lua;
pub mod message;
pub mod middleware;
pub mod model;
pub mod numbers;
pub mod observe;
pub mod otlp;
pub mod outbound;
pub mod predicate;
pub mod provider;
pub mod reconcile;
pub mod repl;
pub mod router;
pub mod rule;
pub mod schema;
pub mod service;
pub mod snapshot;
pub mod stapling;
pub mod template;
pub mod tls;
pub mod upstream;
pub mod value;

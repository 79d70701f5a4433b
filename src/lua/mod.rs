//! Scripts: loading, one VM per worker, limits, and the API that scripts are written with.
//!
//! Knows our messages and option schemas; must not know any middleware's name or options, nor
//! services and routers: what a script needs of them comes through [`Host`].

mod admit;
mod after;
pub mod api;
mod atoms;
mod beside;
mod breaker;
mod builtin;
mod call;
mod console;
mod dns;
mod error;
mod figures;
mod files;
mod gate;
mod geo;
mod guarded;
mod handle;
mod handshake;
mod host;
mod instance;
mod jose;
mod judge;
mod limits;
mod lint;
mod load;
mod memory;
mod meter;
mod onerror;
mod password;
mod raw;
mod redis;
mod run;
mod sandbox;
mod script;
mod settings;
mod shared;
mod stream;
mod task;
pub mod testing;
mod timers;
mod tools;
mod vm;
mod waiting;
mod watch;

#[cfg(test)]
mod tests;

pub use admit::Admittance;
pub use after::Entry;
pub use builtin::{builtins, dns_builtins, tcp_builtins};
pub use console::Console;
pub use figures::{Figures, LastFailure};
pub use handshake::{Handshake, Offer};
pub use host::{
    Connected, Destination, FetchError, Host, HttpClient, Machine, Program, Ran, Reach,
};
pub use instance::{Context, Flow, Hooks, Instance};
pub use judge::{Candidate, Pick};
pub use limits::{limits, on_error};
pub use lint::{Unknown, lint};
pub use load::inspect;
pub use meter::Meters;
pub use redis::{
    Dial, Redis, RedisError, Reply, Settings as RedisSettings, Timeouts as RedisTimeouts,
};
pub use script::{
    InstanceId, InstanceSpec, Limits, OnError, ScriptError, ScriptInfo, ScriptSource,
};
pub use settings::{Environment, settings};
pub use shared::{Shared, SharedError};
pub use task::Task;
pub use vm::Vm;

//! Scripts run against requests made here.

mod access;
mod assets;
mod auth;
mod bodies;
mod builtin;
mod fetch;
mod heads;
mod hooks;
mod limits;
mod memory;
mod objects;
mod once;
mod rewriting;
mod server;
mod shared;
mod streams;
mod support;
mod timers;
mod tokens;
mod traces;

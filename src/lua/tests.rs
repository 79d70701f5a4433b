//! Scripts run against requests made here.

mod access;
mod auth;
mod bodies;
mod builtin;
mod fetch;
mod heads;
mod hooks;
mod limits;
mod memory;
mod server;
mod shared;
mod streams;
mod support;

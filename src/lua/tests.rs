//! Scripts run against requests made here.

mod auth;
mod builtin;
mod fetch;
mod hooks;
mod limits;
mod memory;
mod server;
mod support;

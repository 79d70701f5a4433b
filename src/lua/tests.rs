//! Scripts run against requests made here.

mod builtin;
mod hooks;
mod limits;
mod memory;
mod support;

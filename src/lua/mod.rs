//! Scripts: loading, one VM per worker, limits, and the API that scripts are written with.
//!
//! Knows our messages and option schemas; must not know any middleware's name or options, nor
//! services and routers: what a script needs of them comes through [`Host`].

mod host;
mod instance;
mod script;
mod vm;

pub use host::Host;
pub use instance::{Context, Flow, Hooks, Instance};
pub use script::{
    InstanceId, InstanceSpec, Limits, OnError, ScriptError, ScriptInfo, ScriptSource,
};
pub use vm::{Vm, inspect};

/// All built-in scripts.
pub fn builtins() -> impl Iterator<Item = ScriptSource> {
    std::iter::empty()
}

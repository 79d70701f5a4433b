//! The definitions of the custom resources: their kinds as data, and printing what a cluster
//! needs to serve them.
//!
//! Options of middlewares come from the schemas of scripts. Must not know a cluster, and no
//! middleware by its name.

mod declared;
mod print;

use std::sync::Arc;

use crate::schema::{Schema, SchemaError};

pub use print::print;

/// The groups that custom resources are in: Traefik's, and the one it had before version 3.
pub const GROUPS: [&str; 2] = ["traefik.io", "traefik.containo.us"];

/// Kinds of middlewares by name, with their options.
pub type Options = Vec<(String, Arc<Schema>)>;

/// The middlewares that objects may name.
#[derive(Debug, Clone, Default)]
pub struct Middlewares {
    /// Those of HTTP.
    pub http: Options,
    /// Those of TCP.
    pub tcp: Options,
}

/// Why the definitions cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// The declarations that are part of the binary are no YAML, or not of their form.
    #[error("the declarations of kinds: {0}")]
    Declarations(#[from] serde_yaml::Error),
    /// Options of a kind are declared wrongly.
    #[error("{kind}.{cause}")]
    Schema {
        /// The kind.
        kind: String,
        /// Where, and what is wrong.
        cause: SchemaError,
    },
}

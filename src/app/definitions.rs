//! The definitions of custom resources, with the options of all middlewares there are.

use std::sync::Arc;

use super::catalog::folders;
use crate::compile::Scripts;
use crate::lua::{self, ScriptSource};
use crate::provider::definitions::{DefinitionError, Middlewares, Options, print};
use crate::reconcile::FolderError;

/// Why there are no definitions.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    /// User scripts cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// They cannot be printed.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
}

/// The definitions of a group as YAML. Scripts of the folder, if there is one, are kinds of
/// middlewares beside the built-in ones.
///
/// # Errors
/// When the folder cannot be read.
pub fn definitions(group: &str, directory: &str) -> Result<String, DefinitionsError> {
    let folders = folders(directory)?;
    let (http, tcp) = (folders.http.scripts(), folders.tcp.scripts());
    let middlewares = Middlewares {
        http: options(lua::builtins(), &http),
        tcp: options(lua::tcp_builtins(), &tcp),
    };
    Ok(print(group, &middlewares)?)
}

/// Kinds in the spelling of their files. An older name of a kind has the options of the kind.
fn options(builtins: impl Iterator<Item = ScriptSource>, scripts: &Scripts) -> Options {
    let mut names: Vec<String> = builtins.map(|source| source.kind().to_owned()).collect();
    for script in scripts.kinds.values() {
        let kind = script.source.kind();
        if !names.iter().any(|name| name.eq_ignore_ascii_case(kind)) {
            names.push(kind.to_owned());
        }
    }
    let schema = |name: String| {
        let info = scripts.kind(&name)?.info.as_ref().ok()?;
        let schema = Arc::clone(&info.schema);
        Some((name, schema))
    };
    names.into_iter().filter_map(schema).collect()
}

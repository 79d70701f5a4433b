//! Rules: text to syntax tree to matcher tree.
//!
//! Pure: knows neither sockets nor services. Adding a matcher is one file in `matcher/` and one
//! word in its catalogue.

mod error;
mod key;
pub mod matcher;
mod parse;
mod reference;
mod syntax;
pub mod tcp;
mod tree;

pub use error::{Position, RuleError};
pub use key::{HeadKey, HostKey, Key, PathKey};
pub use matcher::{Facts, Judge, Kind, Matcher, NoScripts, hosts, scripts};
pub use parse::parse;
pub use reference::reference;
pub use syntax::Syntax;
pub use tree::{Call, Tree};

/// [`Syntax::compile`] of the present syntax.
///
/// # Errors
/// When a matcher is unknown or its arguments are wrong; with the position.
pub fn compile(tree: &Tree) -> Result<Matcher, RuleError> {
    Syntax::V3.compile(tree)
}

/// The scripts that a rule names. Nearly all name none, and those are not even read.
#[must_use]
pub fn scripts_of_rule(rule: &str) -> Vec<String> {
    let mut windows = rule.as_bytes().windows(4);
    if !windows.any(|window| window.eq_ignore_ascii_case(b"lua(")) {
        return Vec::new();
    }
    parse(rule).map(|tree| scripts(&tree)).unwrap_or_default()
}

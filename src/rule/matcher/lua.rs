//! `Lua`: what a script says of the request.
//!
//! Must not know how scripts run: whoever matches lends a [`Judge`].

use super::{Facts, Kind, Test, first};
use crate::rule::Tree;

pub(super) const KIND: Kind = Kind {
    name: "Lua",
    signature: "Lua(`script`)",
    doc: "the hook `match(req, ctx)` of a script returns true; it is named as in \
          `scripts.directory`, or by its path",
    example: "Host(`example.com`) && Lua(`canary`)",
    arity: (1, 1),
    build: |args| Ok(Box::new(Lua(first(args).into()))),
};

/// Asks scripts about the request that is being routed.
pub trait Judge: std::fmt::Debug {
    /// Whether a script, named as in the rule, says yes.
    fn judge(&self, script: &str) -> bool;
}

/// Says no, whatever is asked: where there are no scripts.
#[derive(Debug, Clone, Copy)]
pub struct NoScripts;

impl Judge for NoScripts {
    fn judge(&self, _script: &str) -> bool {
        false
    }
}

#[derive(Debug)]
struct Lua(Box<str>);

impl Test for Lua {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        facts.scripts.judge(&self.0)
    }
}

/// The scripts that a rule names.
#[must_use]
pub fn scripts(tree: &Tree) -> Vec<String> {
    let calls = tree.calls().into_iter().filter(|call| KIND.is_called(&call.name));
    calls.flat_map(|call| call.args.iter().cloned()).collect()
}

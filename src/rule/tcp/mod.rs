//! Rules of TCP routers: their matchers, and a rule ready to match connections.
//!
//! They are written as rules of HTTP routers are, and have matchers of their own.

mod alpn;
mod client_ip;
mod host_sni;
mod host_sni_regexp;
mod reference;
#[cfg(test)]
mod tests;
mod v2;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::{RuleError, Syntax, Tree};
use crate::value::nearest;

pub use reference::reference;

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The server name of the handshake in lower case; empty without one and without TLS.
    pub sni: &'a str,
    /// The protocols that the client offers in its handshake.
    pub protocols: &'a [Vec<u8>],
    /// The client's address.
    pub client_ip: IpAddr,
}

/// An entry of the catalogue.
#[derive(Clone, Copy)]
pub struct Kind {
    /// The name, as documented.
    pub name: &'static str,
    /// How it is written; in the older syntax it takes more arguments than this one, too.
    pub signature: &'static str,
    /// What it does, one sentence.
    pub doc: &'static str,
    /// A rule that uses it.
    pub example: &'static str,
    /// Makes a test of its argument; the reason why not otherwise.
    pub build: fn(&str) -> Result<Box<dyn Test>, String>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.signature)
    }
}

impl Kind {
    /// Names are written as documented, all in lower case, all in upper case, or all but the first
    /// letter in lower case.
    fn is_called(&self, name: &str) -> bool {
        let is_lower = |text: &str| text.bytes().all(|b| !b.is_ascii_uppercase());
        name == self.name
            || (name.eq_ignore_ascii_case(self.name)
                && (is_lower(name.get(1..).unwrap_or_default())
                    || name.bytes().all(|b| !b.is_ascii_lowercase())))
    }
}

/// All matchers of the present syntax.
pub const CATALOGUE: &[Kind] =
    &[host_sni::KIND, host_sni_regexp::KIND, alpn::KIND, client_ip::KIND];

/// The matchers of a syntax.
#[must_use]
pub fn catalogue(syntax: Syntax) -> &'static [Kind] {
    match syntax {
        Syntax::V2 => v2::CATALOGUE,
        Syntax::V3 => CATALOGUE,
    }
}

/// One condition on a connection.
pub trait Test: fmt::Debug + Send + Sync {
    /// Whether the connection meets it.
    fn matches(&self, facts: &Facts<'_>) -> bool;

    /// What it asks of the server name.
    fn name(&self) -> Name {
        Name::Any
    }

    /// Whether the condition needs TLS on the router.
    fn needs_tls(&self) -> bool {
        false
    }
}

/// A necessary condition on the server name, for the index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Name {
    /// None.
    #[default]
    Any,
    /// Exactly this, in lower case and without a trailing dot.
    Exact(Arc<str>),
    /// One label, a dot and this.
    Below(Arc<str>),
}

/// A rule ready to match connections.
#[derive(Debug)]
pub struct Matcher {
    node: Node,
    names: Vec<Name>,
    is_catch_all: bool,
}

#[derive(Debug)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Test(Box<dyn Test>),
}

/// A rule with more names than this is not indexed.
const NAMES_MAX: usize = 1024;

/// Checks a tree's matchers and makes it ready to match connections.
///
/// # Errors
/// When a matcher is unknown or its arguments are wrong; with the position.
pub fn compile(tree: &Tree, syntax: Syntax) -> Result<Matcher, RuleError> {
    let node = Node::new(tree, syntax)?;
    let names = node.names();
    Ok(Matcher { node, names, is_catch_all: is_catch_all(tree) })
}

/// All server names that a rule names with `HostSNI`, in lower case and without a last dot; under
/// `!` too, as Traefik takes them. `*` is none.
#[must_use]
pub fn hosts(tree: &Tree) -> Vec<String> {
    let calls = tree.calls().into_iter().filter(|call| host_sni::KIND.is_called(&call.name));
    let hosts = calls.flat_map(|call| call.args.iter()).filter(|host| *host != "*");
    let hosts = hosts.map(|host| host.to_ascii_lowercase());
    hosts.map(|host| host.strip_suffix('.').unwrap_or(&host).to_owned()).collect()
}

/// Whether the rule is ``HostSNI(`*`)`` and nothing else.
fn is_catch_all(tree: &Tree) -> bool {
    match tree {
        Tree::Call(call) => host_sni::KIND.is_called(&call.name) && call.args == ["*"],
        _ => false,
    }
}

impl Matcher {
    /// Whether a connection matches.
    #[must_use]
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.node.matches(facts)
    }

    /// Conditions on the server name: one of them is met whenever the rule matches.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Whether the rule is ``HostSNI(`*`)`` and nothing else: such a router comes last.
    #[must_use]
    pub fn is_catch_all(&self) -> bool {
        self.is_catch_all
    }

    /// Whether the rule asks for what only a TLS connection has.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        self.node.needs_tls()
    }
}

impl Node {
    fn new(tree: &Tree, syntax: Syntax) -> Result<Self, RuleError> {
        let all = |parts: &[Tree]| {
            parts.iter().map(|part| Self::new(part, syntax)).collect::<Result<Vec<_>, _>>()
        };
        let call = match tree {
            Tree::And(parts) => return Ok(Self::All(all(parts)?)),
            Tree::Or(parts) => return Ok(Self::Any(all(parts)?)),
            Tree::Not(inner) => return Ok(Self::Not(Box::new(Self::new(inner, syntax)?))),
            Tree::Call(call) => call,
        };
        let at = call.at;
        let catalogue = catalogue(syntax);
        let Some(kind) = catalogue.iter().find(|kind| kind.is_called(&call.name)) else {
            let near = nearest(&call.name, catalogue.iter().map(|kind| kind.name));
            let nearest = catalogue.iter().map(|kind| kind.name).find(|name| Some(*name) == near);
            return Err(RuleError::UnknownMatcher { at, name: call.name.clone(), nearest });
        };
        let matcher = kind.name;
        let test = |argument: &String| {
            let value = |reason| RuleError::Value { at, matcher, reason };
            (kind.build)(argument).map(Self::Test).map_err(value)
        };
        match call.args.as_slice() {
            [argument] => test(argument),
            [_, _, ..] if syntax == Syntax::V2 => {
                call.args.iter().map(test).collect::<Result<_, _>>().map(Self::Any)
            }
            _ => {
                let (signature, given) = (kind.signature, call.args.len());
                Err(RuleError::Arguments { at, signature, given })
            }
        }
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(facts)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(facts)),
            Self::Not(inner) => !inner.matches(facts),
            Self::Test(test) => test.matches(facts),
        }
    }

    fn needs_tls(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::needs_tls),
            Self::Not(inner) => inner.needs_tls(),
            Self::Test(test) => test.needs_tls(),
        }
    }

    fn names(&self) -> Vec<Name> {
        let any = || vec![Name::Any];
        let names = match self {
            // Any one part's names are necessary for the whole; the fewest are the sharpest.
            Self::All(parts) => {
                let named = parts.iter().map(Self::names).filter(|n| !n.contains(&Name::Any));
                named.min_by_key(Vec::len).unwrap_or_else(any)
            }
            Self::Any(parts) => parts.iter().flat_map(Self::names).collect(),
            Self::Not(_) => any(),
            Self::Test(test) => vec![test.name()],
        };
        if names.len() > NAMES_MAX || names.contains(&Name::Any) { any() } else { names }
    }
}

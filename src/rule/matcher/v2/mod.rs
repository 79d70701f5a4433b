//! Matchers of the older rule syntax, in which a matcher takes many values and braces hold
//! variables.
//!
//! Paths, hosts and queries are templates as those of gorilla/mux, which Traefik reads them with.

mod client_ip;
mod header;
mod host;
mod method;
mod path;
mod query;
pub(in crate::rule) mod template;

use super::Kind;

/// All matchers of the older syntax.
pub(crate) const CATALOGUE: &[Kind] = &[
    host::EXACT,
    host::HEADER,
    host::REGEXP,
    path::EXACT,
    path::PREFIX,
    method::KIND,
    header::EXACT,
    header::REGEXP,
    query::KIND,
    client_ip::KIND,
];

/// As many arguments as one likes.
const MANY: (usize, usize) = (1, usize::MAX);
/// Pairs of arguments; whether they are pairs is for the matcher to say.
const PAIRS: (usize, usize) = (2, usize::MAX);

#[cfg(test)]
mod tests;

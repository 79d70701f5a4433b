//! Regular expressions of matchers.

use regex::Regex;

use crate::value::go_regex;

/// Compiles an expression in Go's syntax.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    go_regex(pattern).map_err(|error| error.to_string())
}

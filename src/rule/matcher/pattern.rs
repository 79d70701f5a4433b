//! Regular expressions of matchers, in Go's spelling.

use regex::Regex;

use crate::value::go_regex;

/// Compiles an expression.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    go_regex(pattern).map_err(|error| error.to_string())
}

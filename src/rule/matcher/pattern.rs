//! Regular expressions as Go writes them.

use regex::Regex;

/// A compiled expression may take this much memory.
const SIZE_BYTES_MAX: usize = 1 << 20;

/// Compiles an expression. Go's RE2 syntax is the `regex` crate's but for a few spellings, which
/// are rewritten: `\z` is the same, `\C` is refused by both in text.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    // Go's \Q...\E quotes; the crate has no such thing.
    let mut rewritten = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, quoted)) = rest.split_once("\\Q") {
        let (inside, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        rewritten.push_str(before);
        rewritten.push_str(&regex::escape(inside));
        rest = after;
    }
    rewritten.push_str(rest);
    regex::RegexBuilder::new(&rewritten).size_limit(SIZE_BYTES_MAX).build().map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{pattern:?} is no regular expression: {last}")
    })
}

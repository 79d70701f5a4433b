//! Regular expressions as Go writes them.

use regex::{Regex, RegexBuilder};

/// A compiled expression may take this much memory.
const SIZE_BYTES_MAX: usize = 1 << 20;

/// Why a text is no regular expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no regular expression: {reason}")]
pub struct PatternError {
    /// The text.
    pub pattern: String,
    /// The last line of what the compiler says.
    pub reason: String,
}

/// Compiles an expression. Go's RE2 syntax is the `regex` crate's but for a few spellings, which
/// are rewritten: `\z` is the same, `\C` is refused by both in text.
///
/// # Errors
/// When the text is no expression, or one that would take more than a mebibyte.
pub fn go_regex(pattern: &str) -> Result<Regex, PatternError> {
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
    RegexBuilder::new(&rewritten).size_limit(SIZE_BYTES_MAX).build().map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        PatternError { pattern: pattern.to_owned(), reason: last.to_owned() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        for (pattern, text, expect) in [
            (r"^\Qa.b\E+$", "a.bb", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"\Qa+", "xa+", true),
            (r"^[a-z]{2}\z", "ab", true),
        ] {
            assert_eq!(go_regex(pattern).unwrap().is_match(text), expect, "{pattern} {text}");
        }
        for bad in ["(", r"(?=x)", r"a{2000}{2000}"] {
            let error = go_regex(bad).unwrap_err();
            assert!(error.to_string().contains("is no regular expression"), "{error}");
        }
    }
}

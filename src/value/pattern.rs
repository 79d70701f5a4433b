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

/// Compiles an expression in Go's RE2 syntax.
///
/// # Errors
/// When the text is no expression, or one that would take more than a mebibyte.
pub fn go_regex(pattern: &str) -> Result<Regex, PatternError> {
    let rewritten = rewrite(pattern);
    RegexBuilder::new(&rewritten).size_limit(SIZE_BYTES_MAX).build().map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        PatternError { pattern: pattern.to_owned(), reason: last.to_owned() }
    })
}

/// Where an expression is being read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Expression,
    Class,
}

/// Writes an expression as the `regex` crate reads it. In Go, `\d`, `\w`, `\s` and `\b` know ASCII
/// alone, `\Q...\E` quotes, `{` is itself where it counts nothing, and a class has neither classes
/// in it nor operators.
fn rewrite(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut within = Within::Expression;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match (within, c) {
            (_, '\\') => escape(within, after, &mut out),
            (Within::Expression, '[') => {
                within = Within::Class;
                // A closing bracket that comes first is itself.
                let negated = after.strip_prefix('^');
                out.push_str(if negated.is_some() { "[^" } else { "[" });
                let after = negated.unwrap_or(after);
                let inside = after.strip_prefix(']');
                out.push_str(if inside.is_some() { "\\]" } else { "" });
                inside.unwrap_or(after)
            }
            (Within::Expression, '{') if !counts(after) => {
                out.push_str("\\{");
                after
            }
            (Within::Class, '[') => match after.split_once(":]") {
                Some((name, after)) if is_class_name(name) => {
                    out.extend(["[", name, ":]"]);
                    after
                }
                _ => {
                    out.push_str("\\[");
                    after
                }
            },
            (Within::Class, '&' | '~') => {
                out.extend(['\\', c]);
                after
            }
            (_, c) => {
                if c == ']' {
                    within = Within::Expression;
                }
                out.push(c);
                after
            }
        };
    }
    out
}

/// Rewrites what follows a backslash; gives back the rest.
fn escape<'a>(within: Within, after: &'a str, out: &mut String) -> &'a str {
    let Some(c) = after.chars().next() else {
        out.push('\\');
        return after;
    };
    let rest = after.get(c.len_utf8()..).unwrap_or_default();
    match (within, c) {
        (Within::Expression, 'Q') => {
            let (quoted, rest) = rest.split_once("\\E").unwrap_or((rest, ""));
            out.push_str(&regex::escape(quoted));
            return rest;
        }
        (Within::Expression, 'b') => out.push_str("(?-u:\\b)"),
        (Within::Expression, 'd') => out.push_str("[0-9]"),
        (Within::Expression, 'w') => out.push_str("[0-9A-Za-z_]"),
        (Within::Expression, 's') => out.push_str("[\\t\\n\\f\\r ]"),
        (Within::Class, 'd') => out.push_str("0-9"),
        (Within::Class, 'w') => out.push_str("0-9A-Za-z_"),
        (Within::Class, 's') => out.push_str("\\t\\n\\f\\r "),
        (_, 'D') => out.push_str("[^0-9]"),
        (_, 'W') => out.push_str("[^0-9A-Za-z_]"),
        (_, 'S') => out.push_str("[^\\t\\n\\f\\r ]"),
        // Word boundaries in the crate, themselves in Go.
        (_, '<' | '>') => out.push(c),
        (_, c) => out.extend(['\\', c]),
    }
    rest
}

/// Whether what follows a `{` makes it a count: `3}`, `3,}` or `3,5}`.
fn counts(after: &str) -> bool {
    let Some((count, _)) = after.split_once('}') else { return false };
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

/// `:alpha` or `:^alpha`, the inner part of a class by name.
fn is_class_name(text: &str) -> bool {
    let name = text.strip_prefix(":^").or_else(|| text.strip_prefix(':'));
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let regex = go_regex(pattern).unwrap();
        for text in matching {
            assert!(regex.is_match(text), "{pattern} {text}");
        }
        for text in others {
            assert!(!regex.is_match(text), "{pattern} {text}");
        }
    }

    #[test]
    fn classes_know_ascii_alone() {
        check("^\\w+$", &["aZ_9"], &["caf\u{e9}", "-"]);
        check("^\\W$", &["\u{e9}", "-"], &["a"]);
        check("^\\d\\D\\s\\S$", &["1\u{663} x"], &["\u{663}1 x", "1a\u{b}x"]);
        check("^[\\d\\s-]+$", &["1 - 2"], &["\u{663}"]);
        check("^[^\\w/]$", &["\u{e9}", "."], &["a", "/"]);
        check("^[\\Wa]+$", &["a-\u{e9}"], &["b"]);
        check("\\bf", &["\u{e9}f", "f"], &["af"]);
        check("(?i)^/caf\u{e9}$", &["/CAF\u{c9}"], &[]);
    }

    #[test]
    fn spellings_of_go_are_read() {
        check("^\\Qa.b*\\E$", &["a.b*"], &["axb"]);
        check("^\\\\Q$", &["\\Q"], &["Q"]);
        check("^\\Qa", &["a"], &["ba"]);
        check("^/{id}$", &["/{id}"], &["/id"]);
        check("^a{2}{,3}$", &["aa{,3}"], &["aaa"]);
        check("^a{2,3}$", &["aa", "aaa"], &["a"]);
        check("^[[]$", &["["], &["]"]);
        check("^[]a]+$", &["]a"], &["["]);
        check("^[^]]$", &["a"], &["]"]);
        check("^[a&&b]+$", &["a&b"], &["c"]);
        check("^[[:alpha:]_]+$", &["a_"], &["1"]);
        check("^\\<a\\>$", &["<a>"], &["a"]);
        check("^(?P<x>a)(?:b)$", &["ab"], &["a"]);
        check("^\\x41\\.\\-$", &["A.-"], &[]);
        check("^$", &[""], &["a"]);
    }

    #[test]
    fn errors_name_the_expression() {
        for (pattern, part) in
            [("[", "\"[\""), ("(", "unclosed"), ("a\\", "incomplete"), ("(?=a)", "look-around")]
        {
            let error = go_regex(pattern).unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
        assert!(go_regex(&"a{1000}".repeat(100)).is_err());
    }
}

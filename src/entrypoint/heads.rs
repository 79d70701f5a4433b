//! What an entrypoint does with heads that servers may read differently from us: encoded
//! characters in paths, semicolons in queries, underscores in the names of headers.
//!
//! Must not know routes.

use http::header::{HeaderMap, HeaderName};

use crate::headers::Headers;
use crate::message::{Failure, Target};

/// What is done with heads, decided once per entrypoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads {
    /// Characters that a path must not hold as an escape (`encodedCharacters`).
    pub refused: Vec<u8>,
    /// What becomes of `;` in queries.
    pub semicolons: Semicolons,
    /// What becomes of headers with underscores.
    pub underscores: Underscores,
    /// Headers that middlewares get although `Connection` names them.
    pub connection: Vec<HeaderName>,
}

/// What becomes of `;` in queries: some servers take it for a separator, some do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Semicolons {
    /// It separates, as `&` does.
    #[default]
    Separate,
    /// It belongs to the value (`encodeQuerySemicolons`).
    Encode,
}

/// What becomes of headers whose names hold an underscore: CGI-like servers take it for a dash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They go on.
    #[default]
    Keep,
    /// They are removed.
    Delete,
    /// The request is refused.
    Reject,
}

impl Heads {
    /// Applies all of it to a request that has been read.
    ///
    /// # Errors
    /// When the request is refused.
    pub(super) fn apply(&self, target: &mut Target, headers: &mut Headers) -> Result<(), Failure> {
        if !self.refused.is_empty() && target.holds_escaped(&self.refused) {
            return Err(Failure::BadRequest("an encoded character that is not allowed"));
        }
        target.replace_semicolons(match self.semicolons {
            Semicolons::Separate => "&",
            Semicolons::Encode => "%3B",
        });
        match self.underscores {
            Underscores::Keep => Ok(()),
            Underscores::Delete => {
                delete_underscored(headers);
                Ok(())
            }
            Underscores::Reject if headers.any(|name| name.contains(&b'_')) => {
                Err(Failure::BadRequest("a header with an underscore"))
            }
            Underscores::Reject => Ok(()),
        }
    }
}

fn is_underscored(name: &HeaderName) -> bool {
    name.as_str().contains('_')
}

fn delete_underscored(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| is_underscored(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn apply(heads: &Heads, target: &'static str, names: &[&'static str]) -> Option<String> {
        let mut target = Target::parse(Bytes::from_static(target.as_bytes())).unwrap();
        let mut headers = Headers::new();
        for name in names {
            headers.append(*name, HeaderValue::from_static("v"));
        }
        heads.apply(&mut target, &mut headers).ok()?;
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        Some(format!("{} {}", target.as_str(), left.join(",")))
    }

    #[test]
    fn encoded_characters_are_refused_in_paths_alone() {
        let heads = Heads { refused: b"/\0;".to_vec(), ..Heads::default() };
        for (target, is_allowed) in [
            ("/a/b", true),
            ("/a%2Fb", false),
            ("/a%2fb", false),
            ("/a%00", false),
            ("/a%3b", false),
            ("/a%5C%25%23%3F", true),
            ("/a%252F", true),
            ("/a?b=%2F;%00", true),
        ] {
            assert_eq!(apply(&heads, target, &[]).is_some(), is_allowed, "{target}");
        }
    }

    #[test]
    fn semicolons_of_queries_are_told_apart() {
        let separate = Heads::default();
        let encode = Heads { semicolons: Semicolons::Encode, ..Heads::default() };
        for (heads, target, expect) in [
            (&separate, "/a;b?c=1;d=2;", "/a;b?c=1&d=2& "),
            (&encode, "/a;b?c=1;d=2;", "/a;b?c=1%3Bd=2%3B "),
            (&separate, "/a;b", "/a;b "),
            (&encode, "/a?b", "/a?b "),
        ] {
            assert_eq!(apply(heads, target, &[]).as_deref(), Some(expect), "{target}");
        }
    }

    #[test]
    fn underscores_are_kept_deleted_or_refused() {
        let heads = |underscores| Heads { underscores, ..Heads::default() };
        let (both, dash) = (&["x_a", "x-a"][..], &["x-a"][..]);
        for (strategy, names, expect) in [
            (Underscores::Keep, both, Some("/ x-a,x_a")),
            (Underscores::Delete, both, Some("/ x-a")),
            (Underscores::Reject, both, None),
            (Underscores::Reject, dash, Some("/ x-a")),
        ] {
            assert_eq!(apply(&heads(strategy), "/", names).as_deref(), expect, "{strategy:?}");
        }
    }
}

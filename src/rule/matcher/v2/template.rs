//! Templates: text with variables in braces, `{name}` or `{name:regexp}`.

use regex::Regex;

use super::super::pattern;

/// What a template describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rule) enum Place {
    /// A whole path.
    Path,
    /// The beginning of a path.
    PathPrefix,
    /// A whole host, whatever its case.
    Host,
    /// A parameter of the query, `name=value`.
    Query,
}

/// A template ready to match.
#[derive(Debug)]
pub(in crate::rule) struct Template {
    /// The text before the first variable; all of it where there is none.
    pub(super) lead: String,
    /// What is matched; none when it is the lead alone.
    pub(in crate::rule) regexp: Option<Regex>,
    /// A host below this domain by one label, where the template says so much.
    pub(super) domain: Option<String>,
}

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// With its own expression, if it has one.
    Variable(Option<&'a str>),
}

impl Template {
    /// Reads a template.
    pub(in crate::rule) fn new(text: &str, place: Place) -> Result<Self, String> {
        let pieces = pieces(text)?;
        let lead = match pieces.first() {
            Some(Piece::Text(text)) => (*text).to_owned(),
            _ => String::new(),
        };
        let is_plain = pieces.iter().all(|piece| matches!(piece, Piece::Text(_)));
        if is_plain && matches!(place, Place::Path | Place::PathPrefix) {
            return Ok(Self { lead, regexp: None, domain: None });
        }
        let default = match place {
            Place::Path | Place::PathPrefix => "[^/]+",
            Place::Host => "[^.]+",
            Place::Query => ".*",
        };
        let mut whole = String::from(if place == Place::Host { "(?i)^" } else { "^" });
        for piece in &pieces {
            match piece {
                Piece::Text(text) => whole.push_str(&regex::escape(text)),
                Piece::Variable(own) => {
                    let own = own.unwrap_or(default);
                    // Alone, so that its parentheses are its own.
                    pattern::compile(own)?;
                    whole.extend(["(?:", own, ")"]);
                }
            }
        }
        if place == Place::Query && text.split_once('=').is_some_and(|(_, value)| value.is_empty())
        {
            whole.push_str(default);
        }
        if place != Place::PathPrefix {
            whole.push('$');
        }
        let regexp = Some(pattern::compile(&whole)?);
        Ok(Self { lead, regexp, domain: domain(&pieces) })
    }
}

/// Splits a template at its outermost braces.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let unbalanced = || format!("{text:?} has unbalanced braces");
    let mut pieces = Vec::new();
    let (mut depth, mut from) = (0usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => {
                if depth == 0 {
                    pieces.push(Piece::Text(text.get(from..at).unwrap_or_default()));
                    from = at + 1;
                }
                depth += 1;
            }
            '}' => {
                depth = depth.checked_sub(1).ok_or_else(unbalanced)?;
                if depth == 0 {
                    pieces.push(variable(text.get(from..at).unwrap_or_default())?);
                    from = at + 1;
                }
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(unbalanced());
    }
    pieces.push(Piece::Text(text.get(from..).unwrap_or_default()));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

fn variable(inner: &str) -> Result<Piece<'_>, String> {
    let (name, own) = match inner.split_once(':') {
        Some((name, own)) => (name, Some(own)),
        None => (inner, None),
    };
    if name.is_empty() || own == Some("") {
        return Err(format!("{{{inner}}} lacks a name or a regular expression"));
    }
    Ok(Piece::Variable(own))
}

/// The domain of `{name}.domain` when the variable cannot hold a dot nor be empty.
fn domain(pieces: &[Piece<'_>]) -> Option<String> {
    let [Piece::Variable(own), Piece::Text(text)] = pieces else { return None };
    let domain = text.strip_prefix('.')?;
    own.is_none_or(is_within_label).then(|| domain.to_ascii_lowercase())
}

/// Whether an expression plainly matches a letter, a digit and the like, once or more.
fn is_within_label(own: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'[' | b']' | b'-' | b'+' | b'_');
    let same_kind = |a: u8, b: u8| {
        [u8::is_ascii_digit, u8::is_ascii_lowercase, u8::is_ascii_uppercase]
            .iter()
            .any(|kind| kind(&a) && kind(&b))
    };
    // A range of other ends might hold the dot.
    let ranges = || {
        let mut windows = own.as_bytes().windows(3).filter(|window| window[1] == b'-');
        windows.all(|window| same_kind(window[0], window[2]) || window[2] == b']')
    };
    own.bytes().all(plain) && ranges()
}

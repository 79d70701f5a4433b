//! The request target in origin form: path and query, and how they are normalised.
//!
//! Traefik decodes percent-escapes of unreserved characters and writes the others' hex digits in
//! upper case before it routes (RFC 3986, section 6.2.2), and, with `sanitizePath`, removes dot
//! segments and empty segments.

use std::borrow::Cow;

use bytes::Bytes;

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The path does not begin with `/`.
    #[error("the path does not begin with a slash")]
    NoSlash,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("a percent sign is not followed by two hexadecimal digits")]
    Escape,
    /// A byte that must be escaped, a control character for example.
    #[error("the target holds a byte that must be escaped")]
    Byte,
}

/// Path and query as they go to the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    text: Bytes,
    path_len: usize,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Target {
    /// Reads a target in origin form and normalises its escapes; nothing is copied when there is
    /// nothing to change.
    ///
    /// # Errors
    /// When the path is not absolute, an escape is broken, or a byte is not allowed.
    pub fn parse(text: Bytes) -> Result<Self, TargetError> {
        if text.first() != Some(&b'/') {
            return Err(TargetError::NoSlash);
        }
        let mut path_len = text.len();
        let mut escaped = false;
        for (i, &b) in text.iter().enumerate() {
            match b {
                b'?' => {
                    path_len = i;
                    break;
                }
                b'%' | 128.. => escaped = true,
                0..=b' ' | 0x7f | b'#' => return Err(TargetError::Byte),
                _ => {}
            }
        }
        // The query goes on as it came, whatever bytes beyond ASCII it holds, but must be text.
        if text[path_len..].iter().any(|&b| b <= b' ' || b == 0x7f) {
            return Err(TargetError::Byte);
        }
        if !escaped && text.is_ascii() {
            return Ok(Self { text, path_len });
        }
        let mut out = Vec::with_capacity(text.len() + 8);
        normalize_escapes(&text[..path_len], &mut out)?;
        let path_len_out = out.len();
        for &b in &text[path_len..] {
            push_text(b, &mut out);
        }
        Ok(Self { text: Bytes::from(out), path_len: path_len_out })
    }

    /// A target of a path that is already escaped and a query without its `?`.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn from_parts(path: &str, query: Option<&str>) -> Result<Self, TargetError> {
        let text = match query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Self::parse(Bytes::from(text))
    }

    /// Path and query.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Every constructor leaves ASCII only.
        std::str::from_utf8(&self.text).unwrap_or("/")
    }

    /// Path and query as bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.text
    }

    /// The escaped path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.as_str()[..self.path_len]
    }

    /// The query without its `?`; `Some("")` for a lone `?`.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.as_str().get(self.path_len + 1..)
    }

    /// The path that rules compare with: escapes decoded, but those of reserved characters.
    #[must_use]
    pub fn routing_path(&self) -> Cow<'_, str> {
        let path = self.path();
        if path.contains('%') { decode(path, is_reserved) } else { Cow::Borrowed(path) }
    }

    /// The path with all escapes decoded, as scripts and redirects see it.
    #[must_use]
    pub fn decoded_path(&self) -> Cow<'_, str> {
        let path = self.path();
        if path.contains('%') { decode(path, |_| false) } else { Cow::Borrowed(path) }
    }

    /// Removes dot segments and empty segments from the path (`sanitizePath`).
    pub fn sanitize(&mut self) {
        let path = self.path();
        if is_clean(path) {
            return;
        }
        let mut out = Vec::with_capacity(self.text.len());
        let trailing = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    let cut = out.iter().rposition(|&b| b == b'/').unwrap_or(0);
                    out.truncate(cut);
                }
                _ => {
                    out.push(b'/');
                    out.extend_from_slice(segment.as_bytes());
                }
            }
        }
        if out.is_empty() || (trailing && path.ends_with('/')) {
            out.push(b'/');
        }
        let path_len = out.len();
        out.extend_from_slice(&self.text[self.path_len..]);
        *self = Self { text: Bytes::from(out), path_len };
    }

    /// Whether the path holds one of these bytes as an escape.
    #[must_use]
    pub fn holds_escaped(&self, bytes: &[u8]) -> bool {
        let path = self.path().as_bytes();
        // A percent sign is always followed by two digits, neither of which is one.
        let mut escapes = path.iter().enumerate().filter(|(_, b)| **b == b'%');
        escapes.any(|(i, _)| escaped_byte(path, i).is_some_and(|byte| bytes.contains(&byte)))
    }

    /// Writes something else for each `;` of the query.
    pub fn replace_semicolons(&mut self, by: &str) {
        let Some(query) = self.query().filter(|query| query.contains(';')) else { return };
        let text = format!("{}?{}", self.path(), query.replace(';', by));
        *self = Self { text: Bytes::from(text), path_len: self.path_len };
    }

    /// Replaces the path by an already escaped one; the query stays.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn set_path(&mut self, path: &str) -> Result<(), TargetError> {
        *self = Self::from_parts(path, self.query())?;
        Ok(())
    }

    /// Replaces the query; `None` removes it.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn set_query(&mut self, query: Option<&str>) -> Result<(), TargetError> {
        *self = Self::from_parts(self.path(), query)?;
        Ok(())
    }
}

/// Whether [`Target::sanitize`] would leave the path as it is.
fn is_clean(path: &str) -> bool {
    let bytes = path.as_bytes();
    for i in 0..bytes.len() {
        if bytes[i] != b'/' {
            continue;
        }
        match bytes.get(i + 1) {
            Some(b'/') => return false,
            Some(b'.') => match bytes.get(i + 2) {
                None | Some(b'/') => return false,
                Some(b'.') if matches!(bytes.get(i + 3), None | Some(b'/')) => return false,
                _ => {}
            },
            _ => {}
        }
    }
    true
}

fn normalize_escapes(path: &[u8], out: &mut Vec<u8>) -> Result<(), TargetError> {
    let mut i = 0;
    while i < path.len() {
        if path[i] == b'%' {
            let byte = escaped_byte(path, i).ok_or(TargetError::Escape)?;
            if is_unreserved(byte) {
                out.push(byte);
            } else {
                push_escape(byte, out);
            }
            i += 3;
        } else {
            push_text(path[i], out);
            i += 1;
        }
    }
    Ok(())
}

/// The byte that the escape at `i` stands for.
fn escaped_byte(text: &[u8], i: usize) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    let (high, low) = (digit(*text.get(i + 1)?)?, digit(*text.get(i + 2)?)?);
    u8::try_from(high * 16 + low).ok()
}

fn push_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

/// Bytes beyond ASCII are escaped, so that a target is ASCII.
fn push_text(byte: u8, out: &mut Vec<u8>) {
    if byte.is_ascii() { out.push(byte) } else { push_escape(byte, out) }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Reserved characters of RFC 3986, section 2.2, and `%`: their escapes stay distinct in rules.
fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=%".contains(&byte)
}

fn decode(path: &str, keep: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match escaped_byte(bytes, i).filter(|&b| bytes[i] == b'%' && !keep(b)) {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &str) {
        let mut target = Target::parse(Bytes::copy_from_slice(input.as_bytes())).unwrap();
        target.sanitize();
        assert_eq!(target.as_str(), expect, "{input}");
    }

    #[test]
    fn normalises_as_traefik_does() {
        check("/a/../b/x", "/b/x");
        check("/a/./x", "/a/x");
        check("//a/x", "/a/x");
        check("/a/x/..", "/a");
        check("/a/x/../", "/a/");
        check("/../../a", "/a");
        check("/a/%2e%2e/b", "/b");
        check("/a/..%2fb", "/a/..%2Fb");
        check("/a/...", "/a/...");
        check("/a/x//?q=//..", "/a/x/?q=//..");
        check("/", "/");
        check("/.", "/");
        check("/%41%42", "/AB");
        check("/caf\u{e9}", "/caf%C3%A9");
    }

    #[test]
    fn refuses_what_cannot_be_a_target() {
        for (input, error) in [
            ("noslash", TargetError::NoSlash),
            ("/%ZZ", TargetError::Escape),
            ("/%4", TargetError::Escape),
            ("/a b", TargetError::Byte),
            ("/a?b\u{7f}", TargetError::Byte),
        ] {
            let got = Target::parse(Bytes::copy_from_slice(input.as_bytes()));
            assert_eq!(got, Err(error), "{input}");
        }
    }

    #[test]
    fn rules_see_reserved_characters_escaped() {
        let target = Target::parse(Bytes::from_static(b"/foo%20bar%2Fx?y=%20")).unwrap();
        assert_eq!(target.routing_path(), "/foo bar%2Fx");
        assert_eq!(target.decoded_path(), "/foo bar/x");
        assert_eq!(target.query(), Some("y=%20"));
    }
}

//! The text of a template becomes pieces of plain text and the words of actions.

use super::error::{Fault, TemplateError};

/// What begins an action.
pub(super) const OPEN: &str = "{{";
/// What ends it.
pub(super) const CLOSE: &str = "}}";

/// A stretch of the file.
#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Action { line: usize, tokens: Vec<Token> },
}

/// A word of an action.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: usize,
    /// Whether no space is in front of it.
    pub(super) glued: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Word(String),
    Field(String),
    Variable(String),
    Text(String),
    Int(i64),
    Float(f64),
    Dot,
    Pipe,
    Open,
    Close,
    Comma,
    Declare,
    Assign,
}

impl Kind {
    /// As messages show it.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Field(name) => format!(".{name}"),
            Self::Variable(name) => name.clone(),
            Self::Text(text) => format!("{text:?}"),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Dot => ".".to_owned(),
            Self::Pipe => "|".to_owned(),
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
            Self::Comma => ",".to_owned(),
            Self::Declare => ":=".to_owned(),
            Self::Assign => "=".to_owned(),
        }
    }
}

/// Cuts the text. Spaces beside `{{-` and `-}}` are taken away, comments too.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut line = 1;
    let mut trims = false;
    loop {
        let (plain, action) = match rest.split_once(OPEN) {
            Some((plain, action)) => (plain, Some(action)),
            None => (rest, None),
        };
        let lines = plain.matches('\n').count();
        let mut kept = if trims { plain.trim_start_matches(is_space) } else { plain };
        let Some(action) = action else {
            push(&mut out, kept);
            return Ok(out);
        };
        line += lines;
        let mut words = action;
        if let Some(after) = action.strip_prefix('-')
            && after.starts_with(is_space)
        {
            kept = kept.trim_end_matches(is_space);
            words = after;
        }
        push(&mut out, kept);
        let start = line;
        if let Some(comment) = words.trim_start_matches(is_space).strip_prefix("/*") {
            let (comment, after) = comment.split_once("*/").ok_or_else(|| unclosed(start, "/*"))?;
            let (after, trim) = close(after).ok_or_else(|| unclosed(start, OPEN))?;
            line +=
                words.len().checked_sub(after.len()).map_or(0, |_| comment.matches('\n').count());
            (rest, trims) = (after, trim);
            continue;
        }
        let mut scanner = Scanner { rest: words, line, tokens: Vec::new(), depth: 0 };
        trims = scanner.action(start)?;
        (rest, line) = (scanner.rest, scanner.line);
        out.push(Piece::Action { line: start, tokens: scanner.tokens });
    }
}

fn push(out: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        out.push(Piece::Text(text.to_owned()));
    }
}

fn unclosed(line: usize, what: &'static str) -> TemplateError {
    TemplateError { line, fault: Fault::Unclosed(what) }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// What follows the end of an action, and whether the text after it is trimmed.
fn close(rest: &str) -> Option<(&str, bool)> {
    if let Some(after) = rest.strip_prefix(CLOSE) {
        return Some((after, false));
    }
    let after = rest.strip_prefix(is_space)?.trim_start_matches(is_space);
    after.strip_prefix("-}}").map(|after| (after, true))
}

/// Reads the words of one action.
struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
    depth: usize,
}

impl Scanner<'_> {
    /// Reads to the end of the action; whether the text after it is trimmed.
    fn action(&mut self, start: usize) -> Result<bool, TemplateError> {
        let mut glued = false;
        loop {
            if let Some((after, trims)) = close(self.rest) {
                let passed = self.rest.len().saturating_sub(after.len());
                self.line += self.rest.get(..passed).map_or(0, |s| s.matches('\n').count());
                self.rest = after;
                return Ok(trims);
            }
            let Some(c) = self.rest.chars().next() else { return Err(unclosed(start, OPEN)) };
            if is_space(c) {
                self.line += usize::from(c == '\n');
                self.skip(1);
                glued = false;
                continue;
            }
            let line = self.line;
            let kind = self.token(c).map_err(|fault| TemplateError { line, fault })?;
            self.tokens.push(Token { kind, line, glued });
            glued = true;
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn token(&mut self, c: char) -> Result<Kind, Fault> {
        let single = match c {
            '|' => Some(Kind::Pipe),
            '(' => Some(Kind::Open),
            ')' => Some(Kind::Close),
            ',' => Some(Kind::Comma),
            '=' => Some(Kind::Assign),
            _ => None,
        };
        if let Some(kind) = single {
            self.skip(1);
            self.depth = match kind {
                Kind::Open => self.depth + 1,
                Kind::Close => self.depth.saturating_sub(1),
                _ => self.depth,
            };
            return Ok(kind);
        }
        let next = self.rest.chars().nth(1);
        match c {
            ':' if next == Some('=') => {
                self.skip(2);
                Ok(Kind::Declare)
            }
            '"' => self.quoted(),
            '`' => self.raw(),
            '\'' => self.character(),
            '$' => {
                self.skip(1);
                Ok(Kind::Variable(format!("${}", self.name())))
            }
            '.' if next.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '.' => {
                self.skip(1);
                let name = self.name();
                Ok(if name.is_empty() { Kind::Dot } else { Kind::Field(name) })
            }
            '+' | '-' if next.is_some_and(|c| c.is_ascii_digit() || c == '.') => self.number(),
            c if c.is_ascii_digit() => self.number(),
            c if c.is_alphabetic() || c == '_' => Ok(Kind::Word(self.name())),
            c => Err(Fault::Character(c)),
        }
    }

    /// Letters, digits and underscores.
    fn name(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let end = end.unwrap_or(self.rest.len());
        let name = self.rest.get(..end).unwrap_or_default().to_owned();
        self.skip(end);
        name
    }

    fn raw(&mut self) -> Result<Kind, Fault> {
        self.skip(1);
        let (text, _) = self.rest.split_once('`').ok_or(Fault::Unclosed("`"))?;
        self.line += text.matches('\n').count();
        let (bytes, text) = (text.len() + 1, text.replace('\r', ""));
        self.skip(bytes);
        Ok(Kind::Text(text))
    }

    fn quoted(&mut self) -> Result<Kind, Fault> {
        self.skip(1);
        let mut out = Vec::new();
        loop {
            match self.rest.chars().next() {
                None | Some('\n') => return Err(Fault::Unclosed("\"")),
                Some('"') => break,
                Some(_) => self.one(&mut out)?,
            }
        }
        self.skip(1);
        let text = String::from_utf8(out);
        text.map(Kind::Text).map_err(|_| Fault::Literal("a text".into(), "UTF-8"))
    }

    fn character(&mut self) -> Result<Kind, Fault> {
        self.skip(1);
        let mut out = Vec::new();
        self.one(&mut out)?;
        let text = String::from_utf8(out).ok();
        let mut chars = text.as_deref().unwrap_or_default().chars();
        let (Some(c), None, true) = (chars.next(), chars.next(), self.rest.starts_with('\''))
        else {
            return Err(Fault::Unclosed("'"));
        };
        self.skip(1);
        Ok(Kind::Int(i64::from(u32::from(c))))
    }

    /// Reads a character or an escape into bytes.
    fn one(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut chars = self.rest.chars();
        let first = chars.next().unwrap_or_default();
        if first != '\\' {
            self.skip(first.len_utf8());
            out.extend(first.to_string().as_bytes());
            return Ok(());
        }
        let escape = chars.next().unwrap_or_default();
        let wrong = || Fault::Literal(format!("\\{escape}"), "escape");
        let simple = match escape {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            '"' => b'"',
            '\'' => b'\'',
            _ => 0,
        };
        if simple != 0 {
            self.skip(2);
            out.push(simple);
            return Ok(());
        }
        let (from, digits, radix) = match escape {
            'x' => (2, 2, 16),
            'u' => (2, 4, 16),
            'U' => (2, 8, 16),
            '0'..='7' => (1, 3, 8),
            _ => return Err(wrong()),
        };
        let digits = self.rest.get(from..from + digits).ok_or_else(wrong)?;
        let code = u32::from_str_radix(digits, radix).map_err(|_| wrong())?;
        if matches!(escape, 'u' | 'U') {
            out.extend(char::from_u32(code).ok_or_else(wrong)?.to_string().as_bytes());
        } else {
            out.push(u8::try_from(code).map_err(|_| wrong())?);
        }
        self.skip(from + digits.len());
        Ok(())
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        let mut end = 0;
        let mut before = ' ';
        for c in self.rest.chars() {
            let sign = matches!(c, '+' | '-') && (end == 0 || matches!(before, 'e' | 'E'));
            if !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || sign) {
                break;
            }
            end += c.len_utf8();
            before = c;
        }
        let text = self.rest.get(..end).unwrap_or_default().to_owned();
        self.skip(end);
        int(&text)
            .map(Kind::Int)
            .or_else(|| float(&text).map(Kind::Float))
            .ok_or(Fault::Literal(text, "number"))
    }
}

/// An integer as Go writes it: with a base in front, underscores between digits.
pub(super) fn int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase().replace('_', "");
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some(two) if two.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

fn float(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    let known = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    plain.chars().all(known).then(|| plain.parse().ok()).flatten()
}

//! A file of the repository as the rules look at it: text, code without comments and literals,
//! functions, and where the inline tests begin.
//!
//! Knows a little of Rust's lexical grammar; must not know any rule.

use std::sync::LazyLock;

use regex::Regex;

/// One file.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Rust with comments and the contents of literals blanked out, line by line the same.
    pub(crate) code: String,
    /// Comments of Rust; every line of anything else.
    pub(crate) comments: Vec<Piece>,
    /// String literals of Rust.
    pub(crate) literals: Vec<Piece>,
    /// The first line of the inline tests; beyond the last line when there are none.
    pub(crate) tests_from: usize,
}

/// A comment or a literal.
pub(crate) struct Piece {
    /// Its first line, from 1.
    pub(crate) line: usize,
    /// Its text, without quotes, with comment marks.
    pub(crate) text: String,
}

/// A function with a body.
pub(crate) struct Function {
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from `fn` to the closing brace.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, comments, literals) = if ending(path) == "rs" {
            let mut lexer = Lexer::new(text);
            lexer.run();
            (lexer.code, lexer.comments, lexer.literals)
        } else {
            let line = |(i, line): (usize, &str)| Piece { line: i + 1, text: line.to_owned() };
            (String::new(), text.lines().enumerate().map(line).collect(), Vec::new())
        };
        let tests_from = match INLINE_TESTS.find(&code) {
            Some(found) => line_of(&code, found.start()),
            None => text.lines().count() + 1,
        };
        let (path, text) = (path.to_owned(), text.to_owned());
        Self { path, text, code, comments, literals, tests_from }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.ending() == "rs"
    }

    /// Whether it is a middleware that comes with the product.
    pub(crate) fn is_script(&self) -> bool {
        self.ending() == "lua" && self.path.starts_with("scripts/") && !self.path[8..].contains('/')
    }

    /// What its name ends with, without the dot.
    pub(crate) fn ending(&self) -> &str {
        ending(&self.path)
    }

    /// Whether it belongs to the product.
    pub(crate) fn in_src(&self) -> bool {
        self.is_rust() && self.path.starts_with("src/")
    }

    /// The top module of the product it belongs to; none for the crate's roots.
    pub(crate) fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let top = inside.split('/').next()?;
        (!matches!(inside, "lib" | "main")).then_some(top)
    }

    /// The file's name without its ending.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// Whether a line belongs to tests.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        let whole = self.stem() == "tests" || self.path.contains("/tests/");
        !self.in_src() || whole || line >= self.tests_from
    }

    /// Lines in front of the inline tests; none in files that are tests as a whole.
    pub(crate) fn production_lines(&self) -> usize {
        if self.is_test(1) { 0 } else { self.tests_from - 1 }
    }

    /// All functions with a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let function = |found: regex::Captures<'_>| {
            let (start, name) = (found.get(0)?.start(), found.get(1)?.as_str().to_owned());
            let end = end_of_body(&self.code, start)?;
            let (line, last) = (line_of(&self.code, start), line_of(&self.code, end));
            Some(Function { name, line, lines: last - line + 1 })
        };
        FUNCTION.captures_iter(&self.code).filter_map(function).collect()
    }

    /// The line of a byte of the code, from 1.
    pub(crate) fn line_at(&self, byte: usize) -> usize {
        line_of(&self.code, byte)
    }
}

/// The byte behind the body of what starts at `start`; none when it has no body.
pub(crate) fn end_of_body(code: &str, start: usize) -> Option<usize> {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (i, c) in code[start..].char_indices() {
        match c {
            ';' if braces == 0 && others == 0 => return None,
            '(' | '[' => others += 1,
            ')' | ']' => others = others.checked_sub(1)?,
            '{' => braces += 1,
            '}' => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(start + i);
                }
            }
            _ => {}
        }
    }
    None
}

fn ending(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, ending)| ending)
}

fn line_of(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

/// Cuts Rust into code, comments and literals.
struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    comments: Vec<Piece>,
    literals: Vec<Piece>,
}

impl Lexer {
    fn new(text: &str) -> Self {
        let chars = text.chars().collect();
        let (code, comments, literals) = (String::new(), Vec::new(), Vec::new());
        Self { chars, at: 0, line: 1, code, comments, literals }
    }

    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            match c {
                '/' if self.peek(1) == Some('/') => self.line_comment(),
                '/' if self.peek(1) == Some('*') => self.block_comment(),
                '"' => self.string(),
                'r' if self.raw_hashes().is_some() => self.raw_string(),
                '\'' => self.quote(),
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    /// Takes a character over.
    fn keep(&mut self) {
        let c = self.chars[self.at];
        self.code.push(c);
        self.line += usize::from(c == '\n');
        self.at += 1;
    }

    /// Leaves a blank in a character's place and returns the character.
    fn blank(&mut self) -> char {
        let c = self.chars[self.at];
        self.code.push(if c == '\n' { c } else { ' ' });
        self.line += usize::from(c == '\n');
        self.at += 1;
        c
    }

    fn line_comment(&mut self) {
        let (line, mut text) = (self.line, String::new());
        while self.peek(0).is_some_and(|c| c != '\n') {
            text.push(self.blank());
        }
        self.comments.push(Piece { line, text });
    }

    fn block_comment(&mut self) {
        let (line, mut text, mut depth) = (self.line, String::new(), 0_usize);
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    text.push(self.blank());
                    continue;
                }
            }
            text.push(self.blank());
            text.push(self.blank());
            if depth == 0 {
                break;
            }
        }
        self.comments.push(Piece { line, text });
    }

    fn string(&mut self) {
        let (line, mut text) = (self.line, String::new());
        self.keep();
        while let Some(c) = self.peek(0) {
            match c {
                '"' => break,
                '\\' if self.peek(1).is_some() => {
                    text.push(self.blank());
                    text.push(self.blank());
                }
                _ => text.push(self.blank()),
            }
        }
        self.close();
        self.literals.push(Piece { line, text });
    }

    /// How many `#` open the raw string that starts here, if one does.
    fn raw_hashes(&self) -> Option<usize> {
        let before = |back: usize| self.at.checked_sub(back).map(|i| self.chars[i]);
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let prefixed = matches!(before(1), Some('b' | 'c')) && !before(2).is_some_and(word);
        if before(1).is_some_and(word) && !prefixed {
            return None;
        }
        let hashes = self.chars[self.at + 1..].iter().take_while(|c| **c == '#').count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let (line, mut text) = (self.line, String::new());
        let hashes = self.raw_hashes().unwrap_or_default();
        for _ in 0..hashes + 2 {
            self.keep();
        }
        let ends = |lexer: &Self| (1..=hashes).all(|i| lexer.peek(i) == Some('#'));
        while self.peek(0).is_some_and(|c| c != '"' || !ends(self)) {
            text.push(self.blank());
        }
        self.close();
        self.literals.push(Piece { line, text });
    }

    /// The closing quote, unless the file ends before it.
    fn close(&mut self) {
        if self.peek(0).is_some() {
            self.keep();
        }
    }

    /// A character literal or the mark of a lifetime.
    fn quote(&mut self) {
        let escaped = self.peek(1) == Some('\\');
        self.keep();
        if escaped {
            self.blank();
            self.blank();
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.blank();
            }
            self.close();
        } else if self.peek(1) == Some('\'') {
            self.blank();
            self.keep();
        }
    }
}

static FUNCTION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bfn\s+([A-Za-z_]\w*)").expect("a fixed pattern"));
static INLINE_TESTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"#\[cfg\(test\)\]\s*(#\[[^\]]*\]\s*)*mod\s+\w+\s*\{").expect("a fixed pattern")
});

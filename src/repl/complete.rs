//! The terminal: history, completion from the catalogues, colours, and lines that go on.
//!
//! Must not know what commands do.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::command::{COMMANDS, Takes};
use super::{ReplError, Session, line, send};
use crate::lua::{self, api};
use crate::rule::Syntax;
use crate::schema::Schema;

const PROMPT: &str = "moongate> ";
/// Methods that a line may begin with.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const HISTORY_LINES_MAX: usize = 10_000;

/// A terminal with its history.
pub(super) struct Terminal {
    editor: Editor<Words, FileHistory>,
    history: Option<PathBuf>,
}

impl Terminal {
    /// Reads the history, if there is one.
    pub(super) fn open(history: Option<&Path>) -> Result<Self, ReplError> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(HISTORY_LINES_MAX)
            .map_err(failed)?
            .history_ignore_dups(true)
            .map_err(failed)?
            .build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        editor.set_helper(Some(Words::new()));
        if let Some(path) = history {
            if let Some(folder) = path.parent() {
                // Without the folder there is no history, which is told of nowhere else.
                let _ = fs::create_dir_all(folder);
            }
            // The first session has none.
            let _ = editor.load_history(path);
        }
        Ok(Self { editor, history: history.map(Path::to_owned) })
    }

    /// The next line; nothing at the end.
    pub(super) fn read(&mut self, session: &Session) -> Result<Option<String>, ReplError> {
        if let Some(words) = self.editor.helper_mut() {
            words.learn(session);
        }
        loop {
            match self.editor.readline(PROMPT) {
                Ok(text) => {
                    self.editor.add_history_entry(text.as_str()).map_err(failed)?;
                    return Ok(Some(text));
                }
                // Ctrl-C drops what is typed.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Writes the history.
    pub(super) fn close(&mut self) {
        if let Some(path) = &self.history {
            // What cannot be remembered is forgotten.
            let _ = self.editor.save_history(path);
        }
    }
}

fn failed(error: ReadlineError) -> ReplError {
    match error {
        ReadlineError::Io(error) => ReplError::Io(error),
        other => ReplError::Line(other.to_string()),
    }
}

/// What may be typed where.
pub(super) struct Words {
    matchers: Vec<&'static str>,
    kinds: Vec<(String, Vec<String>)>,
    lua: Vec<String>,
    routers: Vec<String>,
    services: Vec<String>,
    middlewares: Vec<String>,
    files: FilenameCompleter,
    colours: bool,
}

impl Words {
    pub(super) fn new() -> Self {
        let kinds = lua::builtins().map(|source| {
            let schema = lua::inspect(&source).map(|info| info.schema);
            let options = schema.map(|schema| first_names(&schema)).unwrap_or_default();
            (source.kind().to_owned(), options)
        });
        let sections = api::sections();
        let lua = sections.iter().filter(|section| section.form == api::Form::Module);
        let lua = lua.flat_map(|section| {
            section.entries.iter().map(move |doc| match section.name.is_empty() {
                true => doc.name.to_owned(),
                false => format!("{}.{}", section.name, doc.name),
            })
        });
        Self {
            matchers: Syntax::V3.catalogue().iter().map(|kind| kind.name).collect(),
            kinds: kinds.collect(),
            lua: lua.collect(),
            routers: Vec::new(),
            services: Vec::new(),
            middlewares: Vec::new(),
            files: FilenameCompleter::new(),
            colours: std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn learn(&mut self, session: &Session) {
        self.routers = session.names("routers");
        self.services = session.names("services");
        self.middlewares = session.names("middlewares");
    }

    /// Where the word at the end of a text begins, and what it may become.
    pub(super) fn candidates(&self, text: &str) -> (usize, Vec<String>) {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | ':');
        let start = text.rfind(|c| !is_part(c)).map_or(0, |at| {
            at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        let word = text.get(start..).unwrap_or_default();
        let before = text.get(..start).unwrap_or_default();
        let mut found: Vec<String> =
            self.possible(before).into_iter().filter(|one| one.starts_with(word)).collect();
        found.sort();
        found.dedup();
        (start, found)
    }

    /// All words that may follow a text.
    fn possible(&self, before: &str) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        if before.trim_start().starts_with('=') {
            return self.lua.clone();
        }
        let (first, rest) = line::first(before);
        if first.is_empty() {
            let commands =
                COMMANDS.iter().flat_map(|c| [c.name.to_owned(), format!(":{}", c.name)]);
            let matchers = self.matchers.iter().map(|name| (*name).to_owned());
            return commands.chain(matchers).chain(owned(METHODS)).collect();
        }
        let command = first.trim_start_matches(':');
        let command = COMMANDS.iter().find(|found| found.name == command);
        let at_name = !rest.contains(char::is_whitespace) && !before.ends_with(char::is_whitespace);
        match command.map(|command| command.takes) {
            None if send::is_request(before) => owned(&["-H", "-d", "-c", "-e", "-n", "-j"]),
            None | Some(Takes::Rule) if before.contains('[') => self.middlewares.clone(),
            None | Some(Takes::Rule) if before.contains("->") => self.services.clone(),
            Some(Takes::Rule) if rest.is_empty() || at_name => self.routers.clone(),
            None | Some(Takes::Rule) => owned(&self.matchers),
            Some(Takes::Service) => {
                self.services.iter().cloned().chain(["echo".into(), "sticky".into()]).collect()
            }
            Some(Takes::Middleware) if rest.is_empty() => self.middlewares.clone(),
            Some(Takes::Middleware) => match rest.contains('{') {
                true => {
                    let words: Vec<_> = rest.split(|c: char| !c.is_alphanumeric()).collect();
                    let kind = self.kinds.iter().find(|(kind, _)| words.contains(&kind.as_str()));
                    kind.map(|(_, options)| options.clone()).unwrap_or_default()
                }
                false => self.kinds.iter().map(|(kind, _)| kind.clone()).collect(),
            },
            Some(Takes::Element) => {
                let kinds = owned(&["router", "service", "middleware"]);
                let names = self.routers.iter().chain(&self.services).chain(&self.middlewares);
                if rest.is_empty() {
                    kinds.into_iter().chain(names.cloned()).collect()
                } else {
                    names.cloned().collect()
                }
            }
            Some(Takes::Request) => owned(METHODS),
            Some(Takes::Nothing | Takes::Path) => Vec::new(),
        }
    }

    /// A line with its matchers, methods and texts in colours.
    fn coloured(&self, text: &str) -> String {
        let mut out = String::new();
        let mut word = String::new();
        let mut quote = None;
        for c in text.chars() {
            if quote.is_none() && (c.is_alphanumeric() || matches!(c, '_' | ':')) {
                word.push(c);
                continue;
            }
            self.push_word(&mut out, &word);
            word.clear();
            match (quote, c) {
                (None, '`' | '"') => {
                    quote = Some(c);
                    out.push_str(GREEN);
                    out.push(c);
                }
                (Some(mark), c) => {
                    out.push(c);
                    if mark == c {
                        quote = None;
                        out.push_str(PLAIN);
                    }
                }
                (None, c) => out.push(c),
            }
        }
        self.push_word(&mut out, &word);
        if quote.is_some() {
            out.push_str(PLAIN);
        }
        out
    }

    fn push_word(&self, out: &mut String, word: &str) {
        let is_first = out.is_empty();
        let is_command =
            is_first && COMMANDS.iter().any(|command| command.name == word.trim_start_matches(':'));
        let colour = match word {
            word if self.matchers.contains(&word) => CYAN,
            word if is_first && METHODS.contains(&word) => BOLD,
            _ if is_command => BOLD,
            _ => "",
        };
        let end = if colour.is_empty() { "" } else { PLAIN };
        out.extend([colour, word, end]);
    }
}

/// The names of a script's options, without older ones.
fn first_names(schema: &Schema) -> Vec<String> {
    schema.names().filter_map(|names| names.first().map(|name| (*name).to_owned())).collect()
}

const PLAIN: &str = "\u{1b}[0m";
const BOLD: &str = "\u{1b}[1m";
const GREEN: &str = "\u{1b}[32m";
const CYAN: &str = "\u{1b}[36m";

impl Helper for Words {}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(
        &self,
        text: &str,
        at: usize,
        context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = text.get(..at).unwrap_or_default();
        let command = line::first(before).0.trim_start_matches(':');
        let takes = COMMANDS.iter().find(|c| c.name == command).map(|c| c.takes);
        if takes == Some(Takes::Path) && before.contains(char::is_whitespace) {
            return self.files.complete(text, at, context);
        }
        let (start, found) = self.candidates(before);
        let pair = |one: String| Pair { display: one.clone(), replacement: one };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

impl Highlighter for Words {
    fn highlight<'l>(&self, text: &'l str, _: usize) -> Cow<'l, str> {
        if self.colours { Cow::Owned(self.coloured(text)) } else { Cow::Borrowed(text) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colours
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Validator for Words {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match line::is_open(context.input()) {
            true => ValidationResult::Incomplete,
            false => ValidationResult::Valid(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_from_the_catalogues() {
        let mut words = Words::new();
        words.routers = vec!["shop".into()];
        words.services = vec!["stable".into(), "canary".into()];
        words.middlewares = vec!["strip".into()];
        for (text, expect) in [
            ("Hos", &["Host", "HostRegexp"][..]),
            ("Host(`a`) && PathR", &["PathRegexp"]),
            ("router ", &["shop"]),
            ("router shop Meth", &["Method"]),
            ("router shop Host(`a`) -> can", &["canary"]),
            ("router shop Host(`a`) -> canary [st", &["strip"]),
            ("middleware m addP", &["addPrefix"]),
            ("middleware m addPrefix {pre", &["prefix"]),
            ("drop rou", &["router"]),
            ("drop router ", &["canary", "shop", "stable", "strip"]),
            (":sav", &[":save"]),
            ("GET http://a/ -", &["-H", "-c", "-d", "-e", "-j", "-n"]),
            ("= crypto.sha2", &["crypto.sha256"]),
            ("time G", &["GET"]),
        ] {
            assert_eq!(words.candidates(text).1, expect, "{text}");
        }
    }

    #[test]
    fn colours_change_no_text() {
        let words = Words::new();
        for text in ["Host(`a`) && !Path(`/é`)", "GET http://a/ -H \"x", ":load a", "", "``"] {
            let coloured = words.coloured(text);
            let mut plain = coloured.clone();
            for colour in [PLAIN, BOLD, GREEN, CYAN] {
                plain = plain.replace(colour, "");
            }
            assert_eq!(plain, text);
        }
        assert_eq!(words.coloured("Host(`a`)"), format!("{CYAN}Host{PLAIN}({GREEN}`a`{PLAIN})"));
    }
}

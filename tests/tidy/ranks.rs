//! The layers: the rank table of `src/lib.rs`, and what a file may import.
//!
//! The table is read from the documentation itself, so that map and check are one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use crate::source::{Source, end_of_body};

/// Ranks of the top modules.
pub(crate) type Ranks = BTreeMap<String, u32>;

/// Reads the table of a crate's documentation.
pub(crate) fn parse(lib: &str) -> Ranks {
    let row = |found: regex::Captures<'_>| Some((found[2].to_owned(), found[1].parse().ok()?));
    ROW.captures_iter(lib).filter_map(row).collect()
}

/// What is wrong with the imports of a file, by line.
pub(crate) fn imports(ranks: &Ranks, source: &Source) -> Vec<(usize, String)> {
    let Some(module) = source.module() else { return Vec::new() };
    let Some(&rank) = ranks.get(module) else {
        return vec![(1, format!("`{module}` has no rank in the table of src/lib.rs"))];
    };
    let mut found = Vec::new();
    for (line, name) in named(source) {
        match ranks.get(&name) {
            _ if name == module => {}
            None => found.push((line, format!("`crate::{name}` is no module of the table"))),
            Some(&other) if other < rank => {}
            Some(&other) => {
                let reason = if other == rank { "a sibling" } else { "above" };
                let what = format!("`{module}` ({rank}) imports `{name}` ({other}), {reason}");
                found.push((line, what));
            }
        }
    }
    found.extend(escapes(source));
    found
}

/// What is wrong with the map itself, by line.
pub(crate) fn map(ranks: &Ranks, source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut declared = Vec::new();
    for (i, line) in source.code.lines().enumerate() {
        match MODULE.captures(line) {
            Some(name) => declared.push((i + 1, name[1].to_owned())),
            None if line.trim().is_empty() || line.starts_with("pub use ") => {}
            None => found.push((i + 1, "holds only `mod` lines and the public face".to_owned())),
        }
    }
    for (line, name) in &declared {
        if !ranks.contains_key(name) {
            found.push((*line, format!("`{name}` has no rank in the table")));
        }
    }
    for name in ranks.keys().filter(|name| declared.iter().all(|(_, other)| other != *name)) {
        found.push((1, format!("the table ranks `{name}`, which is no module")));
    }
    found
}

/// Top modules named by `crate::` paths, in code and in the paths that attributes hold as text.
fn named(source: &Source) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for found in CRATE.find_iter(&source.code) {
        let line = source.line_at(found.start());
        let rest = &source.code[found.end()..];
        let group = if rest.starts_with('{') { group(rest) } else { vec![first_word(rest)] };
        names.extend(group.into_iter().map(|name| (line, name)));
    }
    for literal in source.literals.iter().filter(|literal| literal.text.starts_with("crate::")) {
        names.push((literal.line, first_word(&literal.text["crate::".len()..])));
    }
    names
}

/// The first words of a group's members.
fn group(text: &str) -> Vec<String> {
    let (mut depth, mut names, mut current) = (0_usize, Vec::new(), String::new());
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(first_word(&std::mem::take(&mut current))),
            _ if depth == 1 => current.push(c),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.push(first_word(&current));
    names.retain(|name| !name.is_empty());
    names
}

fn first_word(text: &str) -> String {
    let text = text.trim_start();
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if word.is_empty() && text.starts_with('*') { "*".to_owned() } else { word }
}

/// `super` paths that leave the top module, which hides what is imported.
fn escapes(source: &Source) -> Vec<(usize, String)> {
    let inside = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    let depth = inside.split('/').filter(|part| *part != "mod").count();
    let mut found = Vec::new();
    for supers in SUPERS.find_iter(&source.code) {
        let climbs = supers.as_str().matches("super").count();
        if climbs >= depth + inline_modules(&source.code, supers.start()) {
            let line = source.line_at(supers.start());
            found.push((line, "leaves its top module by `super`: write `crate::`".to_owned()));
        }
    }
    found
}

/// How many inline modules stand around a byte.
fn inline_modules(code: &str, at: usize) -> usize {
    let around = |start: usize| end_of_body(code, start).is_some_and(|end| start < at && at < end);
    INLINE.find_iter(code).filter(|module| around(module.start())).count()
}

static ROW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^//! \| *(\d+) *\| *\[`(\w+)`\] *\|").expect("a fixed pattern")
});
static MODULE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^(?:pub )?mod (\w+);$").expect("a fixed pattern"));
static CRATE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bcrate::").expect("a fixed pattern"));
static SUPERS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b(?:super::)+").expect("a fixed pattern"));
static INLINE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bmod\s+\w+\s*\{").expect("a fixed pattern"));

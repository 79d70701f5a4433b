//! The house rules that a program can check, over every file of the repository.
//!
//! `cargo test --test tidy -- --nocapture` prints the figures. A rule is an entry of the
//! catalogue in `tidy/rules.rs`, with a text in `tidy/samples.rs` that breaks it.

#![allow(clippy::expect_used, reason = "a test that cannot read its files has failed")]

#[path = "tidy/figures.rs"]
mod figures;
#[path = "tidy/ranks.rs"]
mod ranks;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/samples.rs"]
mod samples;
#[path = "tidy/source.rs"]
mod source;

use std::path::Path;

use figures::Spread;
use rules::{FILE_LINES_MAX, FUNCTION_LINES_MAX, House, RULES};
use source::Source;

/// Endings of the files that are looked at; those without an ending are scripts.
const ENDINGS: &[&str] =
    &["rs", "lua", "luau", "md", "toml", "yaml", "yml", "pest", "sh", "txt", "json"];

/// Folders that hold nothing written by hand.
const LEFT_OUT: &[&str] = &["target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];

/// What is hidden and the repository's all the same; the rest is an editor's or git's.
const HIDDEN: &[&str] = &[".ci", ".editorconfig", ".github", ".gitignore"];

#[test]
fn the_house_is_tidy() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.path == "src/lib.rs").expect("there is a map");
    let scripts = sources.iter().filter(|source| source.is_script());
    let scripts = scripts.map(|source| source.stem().to_owned()).collect();
    let files = sources.iter().map(|source| source.path.clone()).collect();
    let house = House { ranks: ranks::parse(&lib.text), files, scripts };
    println!("{}", figures::figures(&sources));
    let found: Vec<String> = sources.iter().flat_map(|source| findings(&house, source)).collect();
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_rule_can_fail() {
    let house = sample_house();
    for (rule, path, text) in samples::BAD {
        let source = Source::new(path, text);
        let found = findings(&house, &source);
        let told = found.iter().any(|finding| finding.contains(&format!("[{rule}]")));
        assert!(told, "`{rule}` finds nothing in {path}: {text}\n{found:?}");
    }
    for rule in RULES.iter().filter(|rule| !matches!(rule.name, "size" | "columns")) {
        let told = samples::BAD.iter().any(|(name, ..)| *name == rule.name);
        assert!(told, "no text breaks the rule `{}`", rule.name);
    }
}

#[test]
fn no_rule_cries_wolf() {
    let house = sample_house();
    for (path, text) in samples::GOOD {
        let found = findings(&house, &Source::new(path, text));
        assert!(found.is_empty(), "in {path}: {text}\n{found:?}");
    }
}

#[test]
fn sizes_have_limits() {
    let file = |lines: usize| format!("//! Long.\n{}", "const _: u8 = 0;\n".repeat(lines - 1));
    let function =
        |lines: usize| format!("fn long() {{\n{}}}\n", "    work();\n".repeat(lines - 2));
    let tested = |lines: usize| format!("{}#[cfg(test)]\nmod tests {{\n}}\n", file(lines));
    let check = |path: &str, text: String, expect: usize| {
        let source = Source::new(path, &format!("//! Opens well.\n{text}"));
        let found = findings(&sample_house(), &source);
        assert_eq!(found.len(), expect, "{path}: {found:?}");
    };
    check("src/value/a.rs", file(FILE_LINES_MAX - 1), 0);
    check("src/value/a.rs", file(FILE_LINES_MAX), 1);
    check("src/value/a.rs", tested(FILE_LINES_MAX - 1), 0);
    check("src/value/a.rs", function(FUNCTION_LINES_MAX), 0);
    check("src/value/a.rs", function(FUNCTION_LINES_MAX + 1), 1);
    check("src/value/a.rs", format!("// {}", "x".repeat(97)), 0);
    check("src/value/a.rs", format!("// {}", "x".repeat(98)), 1);
    check("src/main.rs", file(40), 1);
}

#[test]
fn figures_are_counted() {
    let spread = Spread::of((1..=10).rev().collect());
    let Spread { count, median, p90, max } = spread;
    assert_eq!((count, median, p90, max), (10, 6, 10, 10));
    let text = "//! A.\nfn one() {}\n\nfn two() {\n    one();\n}\n#[cfg(test)]\nmod tests {\n}\n";
    let figures = figures::figures(&[Source::new("src/a.rs", text)]);
    assert!(figures.contains("files         1, lines: median 6, p90 6, max 6"), "{figures}");
    assert!(figures.contains("functions     2, lines: median 3, p90 3, max 3"), "{figures}");
}

fn sample_house() -> House {
    let files = vec!["docs/b.md".to_owned()];
    House { ranks: ranks::parse(samples::TABLE), files, scripts: vec!["addPrefix".to_owned()] }
}

/// What the rules find in a file, one line each.
fn findings(house: &House, source: &Source) -> Vec<String> {
    let mut all = Vec::new();
    for rule in RULES {
        for (line, what) in (rule.check)(house, source) {
            all.push(format!("{}:{line}: [{}] {what}", source.path, rule.name));
        }
    }
    all
}

/// Every file that somebody wrote.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut sources) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder that can be read") {
            let path = entry.expect("an entry that can be read").path();
            let inside = path.strip_prefix(root).expect("a path below the root");
            let inside = inside.to_string_lossy().replace('\\', "/");
            let top = inside.split('/').next().unwrap_or_default();
            let foreign = top.starts_with('.') && !HIDDEN.contains(&top);
            if foreign || LEFT_OUT.contains(&inside.as_str()) {
                continue;
            }
            let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
            let written = ending.is_none_or(|ending| ENDINGS.contains(&ending.as_str()));
            if path.is_dir() {
                folders.push(path);
            } else if let Some(text) = std::fs::read_to_string(&path).ok().filter(|_| written) {
                sources.push(Source::new(&inside, &text));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

//! What stands in the pages of `docs/` is true: their YAML and Lua pass `moongate check`, and their
//! sessions of the REPL end well.

#![allow(clippy::unwrap_used, reason = "tests may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_moongate");

/// Pages whose blocks are parts of something, or of what others write.
const OTHERS: &[&str] = &[
    // What it shows first is for another controller.
    "migration-from-ingress-nginx.md",
];

/// A fenced block.
struct Block {
    page: String,
    line: usize,
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let mut pages = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs"), &mut pages);
    pages.sort();
    let mut all = Vec::new();
    for page in pages {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&page).unwrap();
        let mut open: Option<Block> = None;
        for (place, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let (language, text) = (language.to_owned(), String::new());
                    open = Some(Block { page: name.clone(), line: place + 1, language, text });
                }
                (Some(_), Some(_)) => all.extend(open.take()),
                (None, Some(block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name}: a block is never closed");
    }
    all
}

/// Pages that are printed from the code are checked where they are printed.
fn walk(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("reference") {
            walk(&path, pages);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            pages.push(path);
        }
    }
}

fn moongate(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let run = Command::new(BINARY).args(arguments).current_dir(folder).output().unwrap();
    let said =
        String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    if run.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn sessions_of_the_repl_end_well() {
    let mut count = 0;
    for block in blocks().iter().filter(|block| block.language == "repl") {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("session"), &block.text).unwrap();
        let said = moongate(folder.path(), &["repl", "--file=session"]);
        assert!(said.is_ok(), "{}:{}: {}", block.page, block.line, said.unwrap_err());
        count += 1;
    }
    assert!(count >= 5, "{count} sessions");
}

/// Static and dynamic configuration. What a block names and does not hold is looked for in vain,
/// so that alone is no mistake of the page.
#[test]
fn configurations_are_read() {
    let mut count = 0;
    for block in blocks().iter().filter(|block| block.language == "yaml") {
        let folder = tempfile::tempdir().unwrap();
        let text = &block.text;
        fs::write(folder.path().join("block.yaml"), text).unwrap();
        let first = text.lines().find(|line| !line.starts_with('#') && !line.is_empty());
        let first = first.unwrap_or_default();
        let is_dynamic = ["http:", "tcp:", "udp:", "tls:"].contains(&first) || first.contains("{{");
        let is_object = text.contains("apiVersion:");
        let arguments: &[&str] = match (is_object, is_dynamic) {
            (true, _)
                if OTHERS.contains(&block.page.as_str()) && text.contains("nginx.ingress") =>
            {
                continue;
            }
            (true, _) => &["check", "block.yaml"],
            (_, true) => &["check", "--json", "--providers.file.filename=block.yaml"],
            (false, false) => &["check", "--json", "--configFile=block.yaml"],
        };
        let said = moongate(folder.path(), arguments).unwrap_or_else(|said| said);
        let unreadable = ["unknown option", "expected a", "line ", "cannot be read as"];
        let wrong = unreadable.iter().any(|words| said.contains(words));
        assert!(!wrong, "{}:{}: {said}", block.page, block.line);
        count += 1;
    }
    assert!(count >= 10, "{count} configurations");
}

/// Scripts that are whole, not parts of one.
#[test]
fn scripts_are_read() {
    let mut count = 0;
    for block in blocks().iter().filter(|block| block.language == "lua") {
        let is_test = ["it(", "describe(", "bench("].iter().any(|word| block.text.contains(word));
        let is_configuration = block.text.contains("http = {");
        if is_test || is_configuration || !block.text.contains("\nreturn {") {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("block.lua"), &block.text).unwrap();
        let said = moongate(folder.path(), &["check", "block.lua"]);
        assert!(said.is_ok(), "{}:{}: {}", block.page, block.line, said.unwrap_err());
        count += 1;
    }
    assert!(count >= 2, "{count} scripts");
}

/// Every command that the pages name is one.
#[test]
fn commands_are_there() {
    let help = moongate(Path::new("."), &["--help"]).unwrap();
    for block in blocks().iter().filter(|block| matches!(block.language.as_str(), "sh" | "")) {
        for line in block.text.lines() {
            let Some(rest) = line.trim().strip_prefix("moongate ") else { continue };
            let command = rest.split_whitespace().next().unwrap_or_default();
            let known = command.starts_with('-') || help.contains(&format!("    {command} "));
            assert!(known, "{}:{}: moongate {command}", block.page, block.line);
        }
    }
}

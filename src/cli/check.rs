//! `moongate check`: compiles the whole configuration, or scripts alone, and says what is wrong.

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use super::plan;
use crate::app;
use crate::lua::ScriptSource;
use crate::model::{Diagnostic, Severity};

/// Prints all findings; fails when one of them is an error.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (ours, flags): (Vec<String>, Vec<String>) =
        arguments.iter().cloned().partition(|argument| argument == "--json");
    let is_script = |argument: &String| {
        !argument.starts_with('-') && (argument.ends_with(".lua") || Path::new(argument).is_dir())
    };
    let (scripts, flags): (Vec<String>, Vec<String>) = flags.into_iter().partition(is_script);
    let findings = match plan(&flags) {
        _ if !scripts.is_empty() => scripts.iter().flat_map(|path| of_scripts(path)).collect(),
        Err(error) => vec![Diagnostic::error("static", error)],
        Ok((plan, mut findings)) => {
            match app::check(&plan) {
                Ok(found) => findings.extend(found),
                Err(error) => findings.push(Diagnostic::error("start", error)),
            }
            findings
        }
    };
    if ours.is_empty() {
        print(&findings);
    } else {
        print_json(&findings);
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Findings of a script, or of all scripts in a folder.
fn of_scripts(path: &str) -> Vec<Diagnostic> {
    let files = if Path::new(path).is_dir() { in_folder(path) } else { Ok(vec![path.to_owned()]) };
    let files = match files {
        Ok(files) => files,
        Err(error) => return vec![Diagnostic::error(path, error)],
    };
    let read = |path: String| match fs::read_to_string(&path) {
        Ok(text) => app::check_script(&ScriptSource { name: path.into(), text: text.into() }),
        Err(error) => vec![Diagnostic::error(path, error)],
    };
    files.into_iter().flat_map(read).collect()
}

fn in_folder(path: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.path().display().to_string();
        if name.ends_with(".lua") && !name.ends_with("_test.lua") {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

fn print(findings: &[Diagnostic]) {
    for finding in findings {
        match finding.severity {
            Severity::Error => println!("error: {finding}"),
            Severity::Warning => println!("warning: {finding}"),
        }
    }
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    println!("{errors} errors, {} warnings", findings.len() - errors);
}

fn print_json(findings: &[Diagnostic]) {
    // Findings are plain data, which always has a value.
    println!("{}", serde_json::to_string_pretty(findings).unwrap_or_default());
}

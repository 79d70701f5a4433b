//! `moongate check`: compiles the whole configuration, or scripts and Kubernetes manifests alone,
//! and says what is wrong.

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use super::{plan, system};
use crate::app::{self, Coming, Objects, StartError, manifests};
use crate::config::{Static, survey};
use crate::lua::ScriptSource;
use crate::model::{Diagnostic, Severity};

/// Prints all findings; fails when one of them is an error. Arguments that are no flags are files
/// and folders of scripts and manifests, which are checked alone.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let is_ours = |argument: &String| argument == "--json" || argument.starts_with("--from");
    let (ours, rest): (Vec<String>, Vec<String>) = arguments.iter().cloned().partition(is_ours);
    let from = ours.iter().find(|argument| argument.starts_with("--from"));
    if let Some(other) = from.filter(|from| *from != "--from=traefik") {
        eprintln!("moongate: {other}: --from=traefik is all there is");
        return ExitCode::from(2);
    }
    let is_path = |argument: &String| argument == "-" || !argument.starts_with('-');
    let (paths, flags): (Vec<String>, Vec<String>) = rest.into_iter().partition(is_path);
    let findings = match paths.is_empty() {
        true if from.is_some() => of_traefik(&flags),
        true => of_configuration(&flags),
        false => of_paths(&paths, &flags),
    };
    if ours.iter().any(|argument| argument == "--json") {
        print_json(&findings);
    } else {
        print(&findings);
    }
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The same for a configuration of Traefik's: what is not supported is listed as a whole, and what
/// behaves differently is told with the reason.
fn of_traefik(flags: &[String]) -> Vec<Diagnostic> {
    let loaded = match survey(flags, &system()) {
        Ok(loaded) => loaded,
        Err(error) => return vec![Diagnostic::error("static", error)],
    };
    let mut findings = loaded.warnings;
    findings.extend(app::differences::of_options(&loaded.given));
    match Static::resolve(loaded.root, 1) {
        Ok(plan) => match app::check(&plan, Coming::FromTraefik) {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(Diagnostic::error("start", error)),
        },
        Err(error) => findings.push(Diagnostic::error("static", error)),
    }
    findings
}

fn of_configuration(flags: &[String]) -> Vec<Diagnostic> {
    match plan(flags) {
        Err(error) => vec![Diagnostic::error("static", error)],
        Ok((plan, mut findings)) => {
            match app::check(&plan, Coming::FromHere) {
                Ok(found) => findings.extend(found),
                Err(error) => findings.push(Diagnostic::error("start", error)),
            }
            findings
        }
    }
}

/// Findings of scripts and of manifests. A folder may hold both.
fn of_paths(paths: &[String], flags: &[String]) -> Vec<Diagnostic> {
    let is_folder = |path: &&String| Path::new(path.as_str()).is_dir();
    let is_script = |path: &&String| Path::new(path).extension().is_some_and(|end| end == "lua");
    let scripts = paths.iter().filter(|path| is_folder(path) || is_script(path));
    let mut findings: Vec<_> = scripts.flat_map(|path| of_scripts(path)).collect();
    let manifests: Vec<&String> = paths.iter().filter(|path| !is_script(path)).collect();
    match of_manifests(&manifests, flags) {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Diagnostic::error("start", error)),
    }
    findings
}

/// Findings of the objects of files and folders.
fn of_manifests(paths: &[&String], flags: &[String]) -> Result<Vec<Diagnostic>, StartError> {
    let mut all = Vec::new();
    for path in paths {
        match manifests::read(path) {
            Ok(objects) => all.extend(objects),
            Err(error) => return Ok(vec![Diagnostic::error("manifests", error)]),
        }
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let (plan, mut findings) = match plan(flags) {
        Ok(planned) => planned,
        Err(error) => return Ok(vec![Diagnostic::error("static", error)]),
    };
    let objects = Objects::new(plan)?;
    findings.extend(objects.check(&all).findings);
    Ok(findings)
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

fn is_lua(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "lua")
}

fn in_folder(path: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.path().display().to_string();
        if is_lua(Path::new(&name)) && !name.ends_with("_test.lua") {
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

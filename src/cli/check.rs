//! `moongate check`: compiles the whole configuration, or Kubernetes manifests, and says what is
//! wrong.

use std::process::ExitCode;

use tokio::runtime;

use super::{manifests, plan};
use crate::app::{self, Objects, StartError};
use crate::config::Static;
use crate::model::{Diagnostic, Severity};

/// Prints all findings; fails when one of them is an error. Arguments that are no flags are files
/// and folders of manifests, which are checked alone.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (ours, rest): (Vec<String>, Vec<String>) =
        arguments.iter().cloned().partition(|argument| argument == "--json");
    let is_path = |argument: &String| argument == "-" || !argument.starts_with('-');
    let (paths, flags): (Vec<String>, Vec<String>) = rest.into_iter().partition(is_path);
    let findings = match plan(&flags) {
        Err(error) => vec![Diagnostic::error("static", error)],
        Ok((plan, mut findings)) => {
            let found = match paths.is_empty() {
                true => app::check(&plan),
                false => objects(plan, &paths),
            };
            match found {
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

/// What is wrong with the objects of files and folders.
fn objects(plan: Static, paths: &[String]) -> Result<Vec<Diagnostic>, StartError> {
    let mut all = Vec::new();
    for path in paths {
        match manifests::read(path) {
            Ok(objects) => all.extend(objects),
            Err(error) => return Ok(vec![Diagnostic::error("manifests", error)]),
        }
    }
    let runtime = runtime::Builder::new_current_thread().build().map_err(StartError::Acceptor)?;
    let objects = Objects::new(plan, runtime.handle().clone())?;
    Ok(objects.check(&all).findings)
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

//! `moongate check`: compiles the whole configuration and says what is wrong with it.

use std::process::ExitCode;

use super::plan;
use crate::app;
use crate::model::{Diagnostic, Severity};

/// Prints all findings; fails when one of them is an error.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (ours, flags): (Vec<String>, Vec<String>) =
        arguments.iter().cloned().partition(|argument| argument == "--json");
    let findings = match plan(&flags) {
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

//! `moongate crds`: prints what a Kubernetes cluster needs to serve the custom resources.

use std::process::ExitCode;

use super::plan;
use crate::app;
use crate::provider::definitions::GROUPS;

/// Prints the definitions of the groups that are named, or of all. With flags, scripts of the
/// configuration's folder are kinds of middlewares as well.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (flags, named): (Vec<String>, Vec<String>) =
        arguments.iter().cloned().partition(|argument| argument.starts_with('-'));
    if let Some(unknown) = named.iter().find(|name| !GROUPS.contains(&name.as_str())) {
        eprintln!("moongate: unknown group {unknown:?}; there are {}", GROUPS.join(" and "));
        return ExitCode::from(2);
    }
    let directory = match flags.is_empty() {
        true => String::new(),
        false => match plan(&flags) {
            Ok((plan, _)) => plan.root.scripts.directory,
            Err(error) => {
                eprintln!("moongate: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    let is_wanted = |group: &&str| named.is_empty() || named.iter().any(|name| name == group);
    for (i, group) in GROUPS.into_iter().filter(is_wanted).enumerate() {
        match app::definitions(group, &directory) {
            Ok(text) => print!("{}{text}", if i > 0 { "---\n" } else { "" }),
            Err(error) => {
                eprintln!("moongate: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

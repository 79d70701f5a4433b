//! Commands: a catalogue, and what each does at the rim of the process.
//!
//! The only place that prints to the terminal and decides about exit codes.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to the terminal")]

mod check;
mod crds;
mod demo;
mod eject;
mod explain;
mod healthcheck;
mod manifests;
mod serve;
mod test;
mod types;
mod version;
mod webhook;

use std::env;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::config::{ConfigError, Static, System, load, usage};
use crate::model::Diagnostic;

/// A command of the catalogue.
struct Command {
    name: &'static str,
    /// One sentence.
    doc: &'static str,
    run: fn(&[String]) -> ExitCode,
}

/// All commands; the first is what happens without one.
const COMMANDS: &[Command] = &[
    Command { name: "run", doc: "Serves; this is the default.", run: serve::run },
    Command {
        name: "demo",
        doc: "Serves a demonstration on the loopback address, with nothing to configure.",
        run: demo::run,
    },
    Command {
        name: "check",
        doc: "Checks the configuration, or scripts and manifests (FILE, FOLDER); --json.",
        run: check::run,
    },
    Command {
        name: "explain",
        doc: "Tells why a request goes where it goes: explain GET URL [-H HEADER]; --api, --json.",
        run: explain::run,
    },
    Command {
        name: "test",
        doc: "Runs the tests of scripts, *_test.lua, below the paths it is given.",
        run: test::run,
    },
    Command {
        name: "types",
        doc: "Prints definitions of the scripting API for editors; --luals for that server.",
        run: types::run,
    },
    Command {
        name: "eject",
        doc: "Writes a built-in script to scripts.directory or --to=FOLDER, to be changed there.",
        run: eject::run,
    },
    Command {
        name: "crds",
        doc: "Prints the Kubernetes definitions of the custom resources, of a GROUP or of all.",
        run: crds::run,
    },
    Command {
        name: "healthcheck",
        doc: "Asks the ping endpoint of a running process with the same configuration.",
        run: healthcheck::run,
    },
    Command { name: "version", doc: "Prints the version.", run: version::run },
    Command {
        name: "webhook",
        doc: "Checks Kubernetes objects for a cluster's API, before it accepts them.",
        run: webhook::run,
    },
];

/// Runs the command that the arguments name; flags alone mean `run`.
#[must_use]
pub fn run(arguments: &[String]) -> ExitCode {
    let is_help = |argument: &String| matches!(argument.as_str(), "--help" | "-h" | "-help");
    let (command, rest) = match arguments.split_first() {
        Some((name, rest)) if !name.starts_with('-') => {
            let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
                eprintln!("moongate: unknown command {name:?}; moongate --help lists them");
                return ExitCode::from(2);
            };
            (Some(command), rest)
        }
        _ => (COMMANDS.first(), arguments),
    };
    if arguments.iter().any(is_help) {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    command.map_or(ExitCode::FAILURE, |command| (command.run)(rest))
}

fn help() -> String {
    let mut text = String::from(
        "Moongate, an edge router that reads Traefik's configuration and runs Lua scripts.\n\n\
         Usage: moongate [command] [flags]\n\nCommands:\n",
    );
    for command in COMMANDS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {:<12} {}", command.name, command.doc);
    }
    text.push_str(
        "\nThe configuration comes from a file (--configFile, else moongate.* or traefik.* in the \
         usual folders), else from flags,\nelse from TRAEFIK_* and MOONGATE_* variables.\n\n\
         Flags:\n",
    );
    text.push_str(&usage());
    text
}

/// Loads and resolves the static configuration of this process.
fn plan(arguments: &[String]) -> Result<(Static, Vec<Diagnostic>), ConfigError> {
    let system = System {
        env: env::vars().collect(),
        directory: env::current_dir().unwrap_or_default(),
        etc: "/etc".into(),
    };
    let threads = system.env.get("TOKIO_WORKER_THREADS").and_then(|text| text.parse().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let loaded = load(arguments, &system)?;
    let plan = Static::resolve(loaded.root, threads.unwrap_or(cores))?;
    Ok((plan, loaded.warnings))
}

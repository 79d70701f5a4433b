//! Commands: a catalogue, and what each does at the rim of the process.
//!
//! The only place that prints to the terminal and decides about exit codes.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to the terminal")]

mod check;
mod completion;
mod crds;
mod demo;
mod eject;
mod explain;
mod healthcheck;
mod man;
mod repl;
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
    /// What follows it.
    arguments: &'static str,
    /// One sentence.
    doc: &'static str,
    /// Flags of its own; those that end in `=` take a value.
    flags: &'static [&'static str],
    /// Whether it takes the flags of the static configuration.
    takes_options: bool,
    run: fn(&[String]) -> ExitCode,
}

/// All commands; the first is what happens without one.
const COMMANDS: &[Command] = &[
    Command {
        name: "run",
        arguments: "[FLAGS]",
        doc: "Serves; this is the default.",
        flags: &[],
        takes_options: true,
        run: serve::run,
    },
    Command {
        name: "demo",
        arguments: "",
        doc: "Serves a demonstration on the loopback address, with nothing to configure.",
        flags: &[],
        takes_options: false,
        run: demo::run,
    },
    Command {
        name: "check",
        arguments: "[FILE|FOLDER...] [--json] [--from=traefik] [FLAGS]",
        doc: "Checks the configuration, or scripts and manifests (FILE, FOLDER); --json.",
        flags: &["--json", "--from=traefik"],
        takes_options: true,
        run: check::run,
    },
    Command {
        name: "explain",
        arguments: "[METHOD] URL [-H HEADER] [--client=IP] [--entry-point=NAME] \
                    [--server-name=NAME] [--api=URL] [--json] [FLAGS]",
        flags: &["-H", "--client=", "--entry-point=", "--server-name=", "--api=", "--json"],
        takes_options: true,
        doc: "Tells why a request goes where it goes: explain GET URL [-H HEADER]; --api, --json.",
        run: explain::run,
    },
    Command {
        name: "test",
        arguments: "[PATH...] [--filter=TEXT] [--coverage] [--coverage-min=PERCENT] \
                    [--junit=FILE] [--bench] [--watch]",
        doc: "Runs the tests of scripts, *_test.lua, below the paths it is given.",
        flags: &["--filter=", "--coverage", "--coverage-min=", "--junit=", "--bench", "--watch"],
        takes_options: false,
        run: test::run,
    },
    Command {
        name: "types",
        arguments: "[--luals]",
        doc: "Prints definitions of the scripting API for editors; --luals for that server.",
        flags: &["--luals"],
        takes_options: false,
        run: types::run,
    },
    Command {
        name: "eject",
        arguments: "NAME [--to=FOLDER]",
        doc: "Writes a built-in script to scripts.directory or --to=FOLDER, to be changed there.",
        flags: &["--to="],
        takes_options: true,
        run: eject::run,
    },
    Command {
        name: "crds",
        arguments: "[GROUP]",
        doc: "Prints the Kubernetes definitions of the custom resources, of a GROUP or of all.",
        flags: &[],
        takes_options: true,
        run: crds::run,
    },
    Command {
        name: "healthcheck",
        arguments: "[FLAGS]",
        doc: "Asks the ping endpoint of a running process with the same configuration.",
        flags: &[],
        takes_options: true,
        run: healthcheck::run,
    },
    Command {
        name: "repl",
        arguments: "[PATH...] [--json] [--command=LINE...] [--file=LINES] [FLAGS]",
        doc: "Prototypes rules, middlewares and services, typed or piped in; loads PATH.",
        flags: &["--json", "--command=", "--file="],
        takes_options: true,
        run: repl::run,
    },
    Command {
        name: "version",
        arguments: "",
        doc: "Prints the version.",
        flags: &[],
        takes_options: false,
        run: version::run,
    },
    Command {
        name: "webhook",
        arguments: "[FLAGS]",
        doc: "Checks Kubernetes objects for a cluster's API, before it accepts them.",
        flags: &[],
        takes_options: true,
        run: webhook::run,
    },
    Command {
        name: "completion",
        arguments: "bash|zsh|fish",
        doc: "Prints a script that completes commands and flags in a shell.",
        flags: &[],
        takes_options: false,
        run: completion::run,
    },
    Command {
        name: "man",
        arguments: "",
        doc: "Prints the manual page.",
        flags: &[],
        takes_options: false,
        run: man::run,
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

/// Flags of the static configuration, with `=`; a family of names ends in a dot.
fn static_flags() -> Vec<String> {
    let mut flags: Vec<String> = Vec::new();
    for line in usage().lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let flag = match name.split_once('<') {
            Some((family, _)) => family.to_owned(),
            None => format!("{name}="),
        };
        if flags.last() != Some(&flag) {
            flags.push(flag);
        }
    }
    flags
}

/// What the static configuration of this process is looked for in.
fn system() -> System {
    System {
        env: env::vars().collect(),
        directory: env::current_dir().unwrap_or_default(),
        etc: "/etc".into(),
    }
}

/// Loads and resolves the static configuration of this process.
fn plan(arguments: &[String]) -> Result<(Static, Vec<Diagnostic>), ConfigError> {
    let system = system();
    let threads = system.env.get("TOKIO_WORKER_THREADS").and_then(|text| text.parse().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let loaded = load(arguments, &system)?;
    let plan = Static::resolve(loaded.root, threads.unwrap_or(cores))?;
    Ok((plan, loaded.warnings))
}

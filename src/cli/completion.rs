//! `moongate completion`: scripts for shells, printed from the catalogue of commands.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::{COMMANDS, Command, static_flags};

/// A shell and what makes its script.
struct Shell {
    name: &'static str,
    print: fn() -> String,
}

const SHELLS: &[Shell] = &[
    Shell { name: "bash", print: bash },
    Shell { name: "zsh", print: zsh },
    Shell { name: "fish", print: fish },
];

/// Prints the script for a shell.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let shell = match arguments {
        [name] => SHELLS.iter().find(|shell| shell.name == name),
        _ => None,
    };
    let Some(shell) = shell else {
        let names: Vec<_> = SHELLS.iter().map(|shell| shell.name).collect();
        eprintln!("usage: moongate completion SHELL, one of {}", names.join(", "));
        return ExitCode::from(2);
    };
    print!("{}", (shell.print)());
    ExitCode::SUCCESS
}

/// What may follow a command: its own flags, and those of the static configuration.
fn flags(command: &Command) -> Vec<String> {
    let own = command.flags.iter().map(|flag| (*flag).to_owned());
    match command.takes_options {
        true => own.chain(static_flags()).collect(),
        false => own.collect(),
    }
}

fn bash() -> String {
    let names: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
    let mut text = String::from(
        "# Completion of moongate for bash.\n_moongate() {\n    local \
         current=${COMP_WORDS[COMP_CWORD]} words\n    case ${COMP_WORDS[1]} in\n",
    );
    for command in COMMANDS {
        // Written to a string, which cannot fail.
        let _ = writeln!(text, "    {}) words=\"{}\" ;;", command.name, flags(command).join(" "));
    }
    let run = COMMANDS.first().map(flags).unwrap_or_default().join(" ");
    let _ = write!(text, "    *) words=\"{run}\" ;;\n    esac\n");
    let _ = write!(
        text,
        "    if [ \"$COMP_CWORD\" = 1 ] && [[ $current != -* ]]; then\n        words=\"{}\"\n    \
         fi\n",
        names.join(" ")
    );
    text.push_str(BASH_END);
    text
}

fn zsh() -> String {
    let mut text = String::from(
        "#compdef moongate\n# Completion of moongate for zsh.\n\
         local -a commands flags\ncommands=(\n",
    );
    for command in COMMANDS {
        let _ = writeln!(text, "    '{}:{}'", command.name, quoted(command.doc));
    }
    text.push_str(
        ")\nif (( CURRENT == 2 )) && [[ $words[CURRENT] != -* ]]; then\n    _describe command \
         commands\n    return\nfi\ncase $words[2] in\n",
    );
    for command in COMMANDS {
        let _ = writeln!(text, "{}) flags=({}) ;;", command.name, flags(command).join(" "));
    }
    let run = COMMANDS.first().map(flags).unwrap_or_default().join(" ");
    let _ = write!(
        text,
        "*) flags=({run}) ;;\nesac\nif [[ $words[CURRENT] == -* ]]; then\n    compadd -S '' -- \
         $flags\nelse\n    _files\nfi\n"
    );
    text
}

fn fish() -> String {
    let mut text = String::from("# Completion of moongate for fish.\n");
    for command in COMMANDS {
        let _ = writeln!(
            text,
            "complete -c moongate -n __fish_use_subcommand -a {} -d '{}'",
            command.name,
            quoted(command.doc)
        );
        for flag in command.flags {
            let (name, takes) = match flag.strip_suffix('=') {
                Some(name) => (name, " -r"),
                None => (*flag, ""),
            };
            let _ = writeln!(
                text,
                "complete -c moongate -n '__fish_seen_subcommand_from {}' -l {}{takes}",
                command.name,
                name.trim_start_matches('-')
            );
        }
    }
    for flag in static_flags() {
        let name = flag.trim_start_matches('-').trim_end_matches(['=', '.']).to_owned();
        let _ = writeln!(text, "complete -c moongate -o '-{name}' -r");
    }
    text
}

/// What is offered is what begins so; a flag that takes a value gets no space behind it.
const BASH_END: &str = "\
    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))
    if [[ ${COMPREPLY[0]} == *[=.] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o default -F _moongate moongate
";

/// A text within single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "").replace(':', ",")
}

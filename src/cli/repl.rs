//! `moongate repl`: prototypes of rules, middlewares and services, typed or piped in.

use std::io::{self, BufReader, Cursor, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use super::system;
use crate::config::load;
use crate::repl::{Ending, Options, ReplError, Session, follow, interact};

const USAGE: &str = "usage: moongate repl [PATH...] [--json] [--command=LINE...] [--file=LINES] \
                     [static flags]";

/// What the arguments ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    json: bool,
    /// Lines to do, in place of those typed.
    lines: Option<String>,
    /// What is loaded first.
    paths: Vec<String>,
    /// Static flags.
    flags: Vec<String>,
}

/// Follows a terminal, a pipe, a file or the lines among the arguments. Fails when a line did.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let asked = match parse(arguments) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("moongate: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match hold(asked) {
        Ok(Ending::Well) => ExitCode::SUCCESS,
        Ok(Ending::Failed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("moongate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut add = |text: &str| {
        let lines = asked.lines.get_or_insert_default();
        lines.push_str(text);
        lines.push('\n');
    };
    let mut rest = Vec::new();
    for argument in arguments {
        match argument.split_once('=') {
            Some(("--command", line)) => add(line),
            Some(("--file", path)) => {
                let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
                add(&text);
            }
            _ => rest.push(argument.clone()),
        }
    }
    for argument in rest {
        match argument.as_str() {
            "--json" => asked.json = true,
            "--command" | "--file" => return Err(format!("{argument} needs a value")),
            flag if flag.starts_with('-') => asked.flags.push(argument),
            _ => asked.paths.push(argument),
        }
    }
    Ok(asked)
}

fn hold(asked: Asked) -> Result<Ending, ReplError> {
    let root = load(&asked.flags, &system())?.root;
    let file = root.providers.file.clone().unwrap_or_default();
    let script = root.providers.script.clone().unwrap_or_default();
    let configured = [file.filename, file.directory, script.filename];
    let mut session = Session::new(Options { root, json: asked.json })?;
    let mut out = io::stdout();
    let configured = configured.into_iter().filter(|path| !path.is_empty());
    let loads: String =
        configured.chain(asked.paths).map(|path| format!("load {path}\n")).collect();
    let loaded = follow(&mut session, Cursor::new(loads), &mut out)?;
    let ended = match asked.lines {
        Some(lines) => follow(&mut session, Cursor::new(lines), &mut out)?,
        None if io::stdin().is_terminal() => {
            println!("moongate {}; :help says what to type", env!("CARGO_PKG_VERSION"));
            interact(&mut session, history().as_deref(), &mut out)?
        }
        None => follow(&mut session, BufReader::new(io::stdin()), &mut out)?,
    };
    Ok(if loaded == Ending::Well { ended } else { Ending::Failed })
}

/// Where the lines of a terminal are remembered.
fn history() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").filter(|folder| !folder.is_empty());
    let state = state.map(PathBuf::from);
    let state = state.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/state")));
    state.map(|folder| folder.join("moongate/history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let parse = |text: &str| parse(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let asked = parse("a.yaml --json --command=show --command=quit --configFile=x b").unwrap();
        assert_eq!(asked.paths, ["a.yaml", "b"]);
        assert_eq!(asked.flags, ["--configFile=x"]);
        assert_eq!(asked.lines.as_deref(), Some("show\nquit\n"));
        assert!(asked.json);
        assert!(parse("--command").is_err() && parse("--file=/nonexistent").is_err());
    }
}

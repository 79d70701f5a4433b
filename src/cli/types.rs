//! `moongate types`: definitions of the scripting API for editors.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::lua::api::{luals_types, luau_types};

/// Prints the definitions, or writes them into a folder with `--out=FOLDER`.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (mut for_luals, mut folder) = (false, None);
    for argument in arguments {
        match (argument.as_str(), argument.strip_prefix("--out=")) {
            ("--luals", _) => for_luals = true,
            ("--luau", _) => for_luals = false,
            (_, Some(path)) => folder = Some(path),
            _ => {
                eprintln!("usage: moongate types [--luau|--luals] [--out=FOLDER]");
                return ExitCode::from(2);
            }
        }
    }
    let (text, name) = match for_luals {
        true => (luals_types(), "moongate.lua"),
        false => (luau_types(), "moongate.d.luau"),
    };
    let Some(folder) = folder else {
        print!("{text}");
        return ExitCode::SUCCESS;
    };
    let path = Path::new(folder).join(name);
    match fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)) {
        Ok(()) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("moongate: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

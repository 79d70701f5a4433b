//! `moongate eject`: a built-in script as a file of the user's, which takes its place.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::plan;
use crate::lua::{ScriptSource, builtins, dns_builtins, tcp_builtins};

/// Writes a script, and never over a file that is there.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    let (kinds, flags): (Vec<_>, Vec<_>) =
        arguments.iter().cloned().partition(|argument| !argument.starts_with('-'));
    let [kind] = &kinds[..] else {
        eprintln!("usage: moongate eject KIND [--to=FOLDER]; kinds are {}", known().join(", "));
        return ExitCode::from(2);
    };
    match folder(&flags).and_then(|folder| write(kind, &folder)) {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("moongate: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the script goes: `--to`, else the configured `scripts.directory`.
fn folder(flags: &[String]) -> Result<PathBuf, String> {
    if let Some(to) = flags.iter().find_map(|flag| flag.strip_prefix("--to=")) {
        return Ok(to.into());
    }
    let (plan, _) = plan(flags).map_err(|error| error.to_string())?;
    match plan.root.scripts.directory.as_str() {
        "" => Err("there is no scripts.directory; name a folder with --to=FOLDER".to_owned()),
        folder => Ok(folder.into()),
    }
}

fn write(kind: &str, folder: &Path) -> Result<PathBuf, String> {
    let source = find(kind)
        .ok_or_else(|| format!("no script is called {kind:?}; there are {}", known().join(", ")))?;
    // Scripts of TCP routers and of DNS providers belong into folders of their own.
    let name = source.name.strip_prefix("scripts/").unwrap_or(&source.name);
    let path = folder.join(name);
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(wrong)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    file.and_then(|mut file| file.write_all(source.text.as_bytes())).map_err(wrong)?;
    Ok(path)
}

fn find(kind: &str) -> Option<ScriptSource> {
    all().find(|(name, _)| name.eq_ignore_ascii_case(kind)).map(|(_, source)| source)
}

fn known() -> Vec<String> {
    all().map(|(name, _)| name).collect()
}

/// All scripts by the names that users give them; those of TCP routers and of DNS providers are in
/// folders of their own.
fn all() -> impl Iterator<Item = (String, ScriptSource)> {
    let named = |folder: &'static str| {
        move |source: ScriptSource| (format!("{folder}{}", source.kind()), source)
    };
    let http = builtins().map(named(""));
    http.chain(tcp_builtins().map(named("tcp/"))).chain(dns_builtins().map(named("dns/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = write("ADDPREFIX", folder.path()).unwrap();
        assert_eq!(path, folder.path().join("addPrefix.lua"));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, *find("addPrefix").unwrap().text);
        assert!(write("addPrefix", folder.path()).unwrap_err().contains("exists"));
        let path = write("tcp/ipAllowList", folder.path()).unwrap();
        assert_eq!(path, folder.path().join("tcp/ipAllowList.lua"));
        let path = write("dns/cloudflare", folder.path()).unwrap();
        assert_eq!(path, folder.path().join("dns/cloudflare.lua"));
        assert!(write("nothing", folder.path()).unwrap_err().contains("addPrefix"));
    }
}

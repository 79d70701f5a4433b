//! The module `assets`: files that are shipped with a script.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::rc::Weak;

use mlua::{BString, Lua, Value};

use super::{Doc, Function, Module};
use crate::lua::files::{Found, find};
use crate::lua::tools::Tools;
use crate::lua::{ScriptSource, builtins, dns_builtins, tcp_builtins, waiting};

/// A file is at most this long.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) const MODULE: Module = Module {
    name: "assets",
    text: "Files that are shipped with a script, in a folder beside it that is named like it: \
           `gate/` for `gate.lua`.",
    functions: &[Function {
        doc: Doc {
            name: "read",
            signature: "assets.read(path: string) -> string?, string?",
            text: "The bytes of a file in the script's folder, 1 MiB at most; for `setup`. Nil and \
                   the reason else: `nothing` when there is no such file, which names that lead \
                   out of the folder are as well. A file is read anew when the script is.",
            example: "local page = assets.read(\"sorry.html\") or \"sorry\"",
        },
        make: |lua, tools| {
            let tools = std::rc::Rc::downgrade(tools);
            waiting::function(lua, move |lua, path: String| {
                let folder = begin(&lua, &tools);
                async move {
                    let folder = folder?;
                    let read = tokio::task::spawn_blocking(move || read(&folder, &path));
                    Ok(match read.await.map_err(mlua::Error::external)? {
                        Ok(Some(bytes)) => (Some(BString::from(bytes)), None),
                        Ok(None) => (None, Some("nothing".to_owned())),
                        Err(error) => (None, Some(error.to_string())),
                    })
                }
            })
            .map(Value::Function)
        },
    }],
};

/// The folder of the script whose `setup` runs.
fn begin(lua: &Lua, tools: &Weak<Tools>) -> mlua::Result<PathBuf> {
    let tools = tools.upgrade().ok_or_else(|| mlua::Error::runtime("the VM has ended"))?;
    tools.gate.may_wait(lua)?;
    let run = tools.current.borrow().clone();
    let in_setup = run.filter(|run| run.cx.borrow().is_none());
    let run = in_setup.ok_or_else(|| mlua::Error::runtime("assets are read in setup"))?;
    let folder = folder_of(&run.instance.spec().source);
    folder.ok_or_else(|| mlua::Error::runtime("this script is in no file, and so has no assets"))
}

/// The folder of a script, which has one if it is a file of the user's.
fn folder_of(source: &ScriptSource) -> Option<PathBuf> {
    let mut own = builtins().chain(tcp_builtins()).chain(dns_builtins());
    if own.any(|builtin| builtin == *source) {
        return None;
    }
    source.name.strip_suffix(".lua").map(PathBuf::from)
}

fn read(folder: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    let found = match find(folder, path.trim_start_matches('/')) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let Found::File(opened) = found else { return Ok(None) };
    let mut bytes = Vec::new();
    (&*opened.file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let text = format!("longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_binary_is_no_file() {
        let mut source = builtins().next().unwrap();
        assert_eq!(folder_of(&source), None);
        // The same name in the user's folder is.
        source.text = "return {}".into();
        let folder = source.name.strip_suffix(".lua").map(PathBuf::from);
        assert_eq!(folder_of(&source), folder);
    }
}

//! Files of tests and scripts.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;
use std::{fs, io};

use crate::lua::testing::Find;
use crate::lua::{ScriptSource, builtins, dns_builtins, tcp_builtins};

/// Folders deeper than this are not looked into.
const DEPTH_MAX: usize = 16;

/// All files of tests below some paths, in order; a path that is a file is one whatever its name.
///
/// # Errors
/// When a path cannot be read.
pub(super) fn find_tests(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        let wrong = |error: io::Error| format!("{}: {error}", path.display());
        if fs::metadata(path).map_err(wrong)?.is_dir() {
            walk(path, 0, &mut |file| {
                if file.to_string_lossy().ends_with("_test.lua") {
                    found.push(file.to_owned());
                }
            })
            .map_err(wrong)?;
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Looks at all files below a folder, but for hidden ones and the results of builds.
fn walk(folder: &Path, depth: usize, look: &mut dyn FnMut(&Path)) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || matches!(name.as_str(), "target" | "node_modules") {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, look)?;
        } else {
            look(&entry.path());
        }
    }
    Ok(())
}

/// What changes when a script or a test does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<(PathBuf, Option<SystemTime>, u64)>);

impl Fingerprint {
    /// Looks at all Lua files below the paths; a file's neighbours count as well.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut files = Vec::new();
        for path in paths {
            let folder = if path.is_dir() { path.as_path() } else { parent(path) };
            // A folder that cannot be read now may be readable at the next look.
            let _ = walk(folder, 0, &mut |file| {
                if file.extension().is_some_and(|ending| ending == "lua")
                    && let Ok(metadata) = fs::metadata(file)
                {
                    files.push((file.to_owned(), metadata.modified().ok(), metadata.len()));
                }
            });
        }
        files.sort();
        Self(files)
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Finds scripts as tests name them: by path from the test's folder, with or without `.lua`; a
/// built-in one by its kind; or the text itself.
pub(super) fn finder(folder: PathBuf) -> Find {
    Rc::new(move |name| {
        if name.contains('\n') || name.trim_start().starts_with("return") {
            return Ok(ScriptSource { name: "inline".into(), text: name.into() });
        }
        for path in [folder.join(name), folder.join(format!("{name}.lua"))] {
            if path.is_file() {
                let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
                let shown = path.strip_prefix("./").unwrap_or(&path).display().to_string();
                return Ok(ScriptSource { name: shown.into(), text: text.into() });
            }
        }
        let (folder, kind) = name.split_once('/').unwrap_or(("", name));
        let is_it = |source: &ScriptSource| source.kind().eq_ignore_ascii_case(kind);
        let found = match folder {
            "" => builtins().find(is_it),
            "tcp" => tcp_builtins().find(is_it),
            "dns" => dns_builtins().find(is_it),
            _ => None,
        };
        found.ok_or_else(|| format!("there is no script {name:?} beside the test, nor built in"))
    })
}

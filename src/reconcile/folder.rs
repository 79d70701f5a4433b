//! Scripts by kind: those that are part of the binary, and a folder of user scripts, which is
//! followed. A file named like a built-in script replaces it, and gives it back when it goes.
//!
//! Must not know what configuration makes of a kind.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::script;
use super::scripts::{SCRIPT_BYTES_MAX, broken};
use crate::compile::{Script, Scripts, Stamp};
use crate::lua::ScriptSource;

/// A folder with more scripts than this is somebody's mistake.
const FILES_MAX: usize = 4096;

/// What is wrong with a folder of user scripts.
#[derive(Debug, thiserror::Error)]
#[error("scripts.directory: {}: {cause}", path.display())]
pub struct FolderError {
    /// The folder.
    pub path: PathBuf,
    /// The system's words.
    pub cause: io::Error,
}

/// Scripts by kind.
#[derive(Debug, Default)]
pub struct ScriptFolder {
    builtins: Scripts,
    path: Option<PathBuf>,
    files: BTreeMap<PathBuf, File>,
}

#[derive(Debug)]
struct File {
    stamp: Stamp,
    script: Script,
}

impl ScriptFolder {
    /// Built-in scripts alone.
    #[must_use]
    pub fn builtins(sources: impl Iterator<Item = ScriptSource>) -> Self {
        let mut builtins = Scripts::default();
        for source in sources {
            let kind = source.kind().to_ascii_lowercase();
            builtins.kinds.insert(kind, script(&source.name, &source.text));
        }
        Self { builtins, ..Self::default() }
    }

    /// Adds a folder of user scripts.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn with_folder(mut self, path: PathBuf) -> Result<Self, FolderError> {
        match list(&path) {
            Ok(found) => self.take(found),
            Err(cause) => return Err(FolderError { path, cause }),
        }
        self.path = Some(path);
        Ok(self)
    }

    /// Looks at the folder; whether a file was changed, added or removed. A folder that cannot be
    /// read for a while leaves what is in force.
    pub fn follow(&mut self) -> bool {
        let Some(found) = self.path.as_deref().and_then(|path| list(path).ok()) else {
            return false;
        };
        let same = found.len() == self.files.len()
            && found
                .iter()
                .all(|(path, stamp)| self.files.get(path).is_some_and(|file| file.stamp == *stamp));
        if !same {
            self.take(found);
        }
        !same
    }

    /// All scripts by kind: built-in ones, and in front of them the folder's.
    #[must_use]
    pub fn scripts(&self) -> Scripts {
        let mut scripts = self.builtins.clone();
        for file in self.files.values() {
            let kind = file.script.source.kind().to_ascii_lowercase();
            scripts.kinds.insert(kind, file.script.clone());
        }
        scripts.resolve_aliases();
        scripts
    }

    /// The folder's own scripts.
    pub fn user_scripts(&self) -> impl Iterator<Item = &Script> {
        self.files.values().map(|file| &file.script)
    }

    /// Reads what is new among the files that were found.
    fn take(&mut self, found: Vec<(PathBuf, Stamp)>) {
        let mut before = std::mem::take(&mut self.files);
        for (path, stamp) in found {
            let known = before.remove(&path);
            let script = match known {
                Some(known) if known.stamp == stamp => known.script,
                known => self.read(&path, &stamp, known.map(|known| known.script)),
            };
            self.files.insert(path, File { stamp, script });
        }
        for path in before.keys() {
            tracing::info!(script = %path.display(), "a user script was removed");
        }
    }

    fn read(&self, path: &Path, stamp: &Stamp, before: Option<Script>) -> Script {
        let name = path.to_string_lossy();
        let text = match stamp.len > SCRIPT_BYTES_MAX {
            true => Err(format!("longer than {SCRIPT_BYTES_MAX} bytes")),
            false => fs::read_to_string(path).map_err(|error| error.to_string()),
        };
        if let (Ok(text), Some(before)) = (&text, &before)
            && *before.source.text == **text
        {
            return before.clone();
        }
        let loaded = match text {
            Ok(text) => script(&name, &text),
            Err(error) => broken(&name, &error),
        };
        if let Err(error) = &loaded.info {
            tracing::error!(script = %name, %error, "a user script cannot be used");
        }
        if before.is_none() && self.builtins.kind(loaded.source.kind()).is_some() {
            tracing::warn!(script = %name, "a user script replaces a built-in one");
        }
        loaded
    }
}

/// The scripts of a folder with what they are now; tests among them are not scripts.
fn list(folder: &Path) -> io::Result<Vec<(PathBuf, Stamp)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_script = path.extension().is_some_and(|extension| extension == "lua")
            && !path.to_string_lossy().ends_with("_test.lua");
        // A file may go between the two looks, and a link may point nowhere.
        if is_script && let Ok(stamp) = Stamp::of(&path) {
            found.push((path, stamp));
        }
        if found.len() > FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} scripts")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> impl Iterator<Item = ScriptSource> {
        [ScriptSource { name: "scripts/gate.lua".into(), text: "return {}".into() }].into_iter()
    }

    fn texts(folder: &ScriptFolder) -> Vec<String> {
        let scripts = folder.scripts();
        let mut texts: Vec<_> = scripts
            .kinds
            .iter()
            .map(|(kind, script)| {
                let state = if script.info.is_ok() { "" } else { " (broken)" };
                format!("{kind}: {}{state}", script.source.text)
            })
            .collect();
        texts.sort();
        texts
    }

    #[test]
    fn files_come_change_and_go() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let folder = ScriptFolder::builtins(sources());
        let mut folder = folder.with_folder(place.path().to_owned()).unwrap();
        assert_eq!(texts(&folder), ["gate: return {}"]);
        assert!(!folder.follow());

        fs::write(path("Other.lua"), "return { }").unwrap();
        fs::write(path("other_test.lua"), "return 5").unwrap();
        fs::write(path("notes.txt"), "x").unwrap();
        assert!(folder.follow());
        assert!(!folder.follow());
        assert_eq!(texts(&folder), ["gate: return {}", "other: return { }"]);

        fs::write(path("gate.lua"), "return 5").unwrap();
        assert!(folder.follow());
        assert_eq!(texts(&folder), ["gate: return 5 (broken)", "other: return { }"]);

        fs::write(path("gate.lua"), "return {  }").unwrap();
        fs::remove_file(path("Other.lua")).unwrap();
        assert!(folder.follow());
        assert_eq!(texts(&folder), ["gate: return {  }"]);

        fs::remove_file(path("gate.lua")).unwrap();
        assert!(folder.follow());
        assert_eq!(texts(&folder), ["gate: return {}"]);
    }

    #[test]
    fn the_same_text_is_the_same_script() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.lua");
        fs::write(&path, "return {}").unwrap();
        let folder = ScriptFolder::builtins(std::iter::empty());
        let mut folder = folder.with_folder(place.path().to_owned()).unwrap();
        let before = folder.scripts().kind("a").unwrap().source.clone();
        fs::write(place.path().join("new"), "return {}").unwrap();
        fs::rename(place.path().join("new"), &path).unwrap();
        assert!(folder.follow());
        assert!(std::sync::Arc::ptr_eq(&before, &folder.scripts().kind("a").unwrap().source));
    }

    #[test]
    fn a_folder_that_goes_leaves_its_scripts() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("a.lua"), "return {}").unwrap();
        let folder = ScriptFolder::builtins(std::iter::empty());
        let mut folder = folder.with_folder(place.path().to_owned()).unwrap();
        let path = place.path().to_owned();
        drop(place);
        assert!(!folder.follow());
        assert_eq!(texts(&folder), ["a: return {}"]);
        let missing = ScriptFolder::builtins(std::iter::empty()).with_folder(path.clone());
        assert_eq!(missing.unwrap_err().path, path);
    }
}

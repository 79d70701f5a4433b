//! Scripts that configuration names by path or holds inline: read, followed, and put into the
//! catalogue, so that compiling needs no file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;
use serde_json::Value;

use super::folder::ScriptFolder;
use crate::compile::{Catalog, Kinds, Script, Stamp, is_path};
use crate::lua::{ScriptSource, inspect};
use crate::model::Dynamic;
use crate::rule::scripts_of_rule;

/// Scripts in use: those by kind, and those that configuration names by path or holds.
#[derive(Debug, Default)]
pub struct ScriptFiles {
    folders: Folders,
    /// The kinds as providers see them.
    kinds: Arc<Kinds>,
    /// Where relative paths begin, in the order they are tried.
    bases: Vec<PathBuf>,
    files: HashMap<PathBuf, File>,
    inline: HashMap<String, Script>,
}

/// Scripts by kind, of both protocols.
#[derive(Debug, Default)]
pub struct Folders {
    /// Of HTTP routers.
    pub http: ScriptFolder,
    /// Of TCP routers.
    pub tcp: ScriptFolder,
}

/// A script file in use, with what it was when it was read.
#[derive(Debug)]
struct File {
    found: Option<PathBuf>,
    stamp: Option<Stamp>,
    script: Script,
}

/// A script longer than this is none.
pub(super) const SCRIPT_BYTES_MAX: u64 = 1024 * 1024;

impl ScriptFiles {
    /// Scripts by kind are the folders'; relative paths are tried from `bases`.
    #[must_use]
    pub fn new(folders: Folders, bases: Vec<PathBuf>) -> Self {
        let kinds = Arc::new(Kinds::new(folders.http.scripts(), folders.tcp.scripts()));
        Self { folders, kinds, bases, ..Self::default() }
    }

    /// The kinds there are, which follow the folders.
    #[must_use]
    pub fn kinds(&self) -> Arc<Kinds> {
        Arc::clone(&self.kinds)
    }

    /// All scripts that are the user's own.
    pub fn user_scripts(&self) -> impl Iterator<Item = &Script> {
        let folders = self.folders.http.user_scripts().chain(self.folders.tcp.user_scripts());
        folders.chain(self.files.values().map(|file| &file.script)).chain(self.inline.values())
    }

    /// Whether a file in use is no longer what it was, or a folder's scripts are not.
    #[must_use]
    pub fn changed(&mut self) -> bool {
        let folders = [self.folders.http.follow(), self.folders.tcp.follow()];
        if folders.contains(&true) {
            self.kinds.replace(self.folders.http.scripts(), self.folders.tcp.scripts());
            return true;
        }
        self.files.iter().any(|(path, file)| {
            let now =
                file.found.as_deref().map_or_else(|| self.locate(path), |f| Stamp::of(f).ok());
            now != file.stamp
        })
    }

    /// Puts all scripts that there are, and that the configuration names, into the catalogue.
    pub fn load(&mut self, dynamic: &Dynamic, catalog: &mut Catalog) {
        let mut files = HashMap::new();
        let mut inline = HashMap::new();
        for path in elsewhere(dynamic, catalog) {
            let path = PathBuf::from(path);
            let before = self.files.remove(&path);
            files.entry(path.clone()).or_insert_with(|| self.read(&path, before));
        }
        let all = dynamic.http.middlewares.values().chain(dynamic.tcp.middlewares.values());
        for config in all {
            for options in config.kinds.iter().filter_map(|(kind, value)| lua(kind, value)) {
                if let Some(path) = text(options, "script") {
                    let path = PathBuf::from(path);
                    let before = self.files.remove(&path);
                    files.entry(path.clone()).or_insert_with(|| self.read(&path, before));
                }
                if let Some(code) = text(options, "code") {
                    let before = self.inline.remove(code);
                    inline
                        .entry(code.to_owned())
                        .or_insert_with(|| before.unwrap_or_else(|| script("inline", code)));
                }
            }
        }
        self.files = files;
        self.inline = inline;
        let scripts = self.files.iter().map(|(path, file)| (path.clone(), file.script.clone()));
        let files: HashMap<_, _> = scripts.collect();
        let known = self.kinds.known();
        for (all, kinds) in
            [(&mut catalog.scripts, &known.http), (&mut catalog.tcp_scripts, &known.tcp)]
        {
            all.clone_from(kinds);
            all.files.clone_from(&files);
            all.inline.clone_from(&self.inline);
        }
    }

    /// Reads a file, unless it is what it was.
    fn read(&self, path: &Path, before: Option<File>) -> File {
        let found = self.candidates(path).find(|path| path.is_file());
        let stamp = found.as_deref().and_then(|found| Stamp::of(found).ok());
        if let Some(before) = before
            && before.found == found
            && before.stamp == stamp
            && stamp.is_some()
        {
            return before;
        }
        let name = path.display().to_string();
        let read = match (&found, &stamp) {
            (Some(_), Some(stamp)) if stamp.len > SCRIPT_BYTES_MAX => {
                Err(format!("longer than {SCRIPT_BYTES_MAX} bytes"))
            }
            (Some(found), _) => fs::read_to_string(found).map_err(|error| error.to_string()),
            (None, _) => Err("no such file".to_owned()),
        };
        let script = match read {
            Ok(text) => script(&name, &text),
            Err(error) => broken(&name, &error),
        };
        File { found, stamp, script }
    }

    fn locate(&self, path: &Path) -> Option<Stamp> {
        self.candidates(path).find_map(|path| Stamp::of(&path).ok())
    }

    fn candidates<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
        let bases = if path.is_absolute() { &[][..] } else { &self.bases };
        bases.iter().map(move |base| base.join(path)).chain([path.to_owned()])
    }
}

/// Paths of scripts that are named outside of middlewares.
fn elsewhere(dynamic: &Dynamic, catalog: &Catalog) -> Vec<String> {
    let pages = catalog.entrypoints.iter().flat_map(|facts| facts.answers.pages());
    let pages = pages.map(|(_, page)| page.lua.clone());
    let routers = dynamic.http.routers.values();
    let rules = routers.flat_map(|router| scripts_of_rule(&router.rule));
    let balancers = dynamic.http.services.values().filter_map(|s| s.load_balancer.as_ref());
    let balancers = balancers.filter_map(|balancer| Some(balancer.hash_by.as_ref()?.lua.clone()));
    let handshakes = dynamic.tls.options.values().map(|options| options.lua.clone());
    pages.chain(rules).chain(balancers).chain(handshakes).filter(|name| is_path(name)).collect()
}

/// A script with what it declares.
pub(crate) fn script(name: &str, text: &str) -> Script {
    let source = Arc::new(ScriptSource { name: name.into(), text: text.into() });
    let info = inspect(&source).map(Arc::new).map_err(|error| error.to_string());
    Script { source, info }
}

/// A script that cannot be read.
pub(super) fn broken(name: &str, error: &str) -> Script {
    let source = ScriptSource { name: name.into(), text: "".into() };
    Script { source: Arc::new(source), info: Err(format!("{name}: {error}")) }
}

/// The options of a script written as `lua` or `plugin.lua`.
fn lua<'a>(kind: &str, value: &'a Value) -> Option<&'a Value> {
    if kind.eq_ignore_ascii_case("lua") {
        return Some(value);
    }
    if !kind.eq_ignore_ascii_case("plugin") {
        return None;
    }
    let mut plugins = value.as_object()?.iter();
    plugins.find(|(name, _)| name.eq_ignore_ascii_case("lua")).map(|(_, options)| options)
}

fn text<'a>(options: &'a Value, key: &str) -> Option<&'a str> {
    let mut fields = options.as_object()?.iter();
    fields.find(|(name, _)| name.eq_ignore_ascii_case(key))?.1.as_str()
}

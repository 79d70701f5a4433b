//! Dynamic configuration from one file, from a folder of files, or from a script.
//!
//! A file that is broken rejects the whole change, and what was read before stays, as in Traefik.
//! Must not know what is served, nor any middleware: whether options fit is asked of a [`Check`].

mod error;
mod gather;
mod parse;
mod read;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Message, Update, share};
use crate::config;
use crate::model::{Diagnostic, Dynamic, Severity};
use gather::gather;
use parse::Made;
use read::{Content, Found, Stamp, read, stamps};
use watch::Pace;

pub use error::FileError;

/// Looks at one file's configuration; its errors reject the file, its warnings are handed on.
pub type Check = Arc<dyn Fn(&Dynamic) -> Vec<Diagnostic> + Send + Sync>;

/// The provider's name in element names and messages.
const FILE: &str = "file";
/// The same for one of scripts.
const SCRIPT: &str = "script";

/// Reads a file or a folder, and follows its changes.
pub struct FileProvider {
    place: Place,
    follow: bool,
    made: Made,
    check: Check,
    pace: Pace,
    /// What was found last, good or bad; none before the first load.
    seen: Option<Seen>,
    /// Whether a certificate's file has changed since the last good configuration.
    touched: bool,
    /// The last good configuration.
    last: Arc<Dynamic>,
    /// The files of the last good configuration, to read only changed ones anew.
    files: BTreeMap<PathBuf, Parsed>,
    /// Good files that have not settled yet.
    fresh: BTreeMap<PathBuf, Parsed>,
}

/// What was found at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// A hash of all files and of what could not be read.
    files: u64,
    /// A hash of what the file system says of the certificates' files.
    certificates: u64,
}

/// Where the configuration is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Folder(PathBuf),
    /// A file of Lua that returns the configuration.
    Script(PathBuf),
}

/// A file that is good.
#[derive(Debug, Clone)]
struct Parsed {
    hash: u64,
    /// Nothing when the file was so young that it could change without a new one.
    stamp: Option<Stamp>,
    dynamic: Arc<Dynamic>,
    warnings: Vec<Diagnostic>,
}

impl std::fmt::Debug for FileProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileProvider")
            .field("place", &self.place)
            .field("follow", &self.follow)
            .finish_non_exhaustive()
    }
}

impl FileProvider {
    /// A provider that has not read anything yet.
    ///
    /// A folder is read with all below it; its files end in `.yaml`, `.yml` or `.toml`, others are
    /// passed over, `.json` ones too, as in Traefik. A single file may also end in `.json`.
    #[must_use]
    pub fn new(config: &config::FileProvider, check: Check) -> Self {
        let place = if config.directory.is_empty() {
            Place::File(PathBuf::from(&config.filename))
        } else {
            Place::Folder(PathBuf::from(&config.directory))
        };
        let made = match config.debug_log_generated_template {
            true => Made::Logged,
            false => Made::Silent,
        };
        Self { made, ..Self::of(place, config.watch, check) }
    }

    /// A provider whose configuration is what a script returns.
    #[must_use]
    pub fn script(config: &config::ScriptProvider, check: Check) -> Self {
        Self::of(Place::Script(PathBuf::from(&config.filename)), config.watch, check)
    }

    fn of(place: Place, follow: bool, check: Check) -> Self {
        Self {
            place,
            follow,
            made: Made::Silent,
            check,
            pace: Pace::default(),
            seen: None,
            touched: false,
            last: Arc::default(),
            files: BTreeMap::new(),
            fresh: BTreeMap::new(),
        }
    }

    /// Whether it follows changes.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.follow
    }

    /// Reads everything now. Waits for the disk.
    ///
    /// An update that says what the last one said holds the same allocation; unchanged elements
    /// are the same allocations in any case.
    pub fn load(&mut self) -> Message {
        let content = read(&self.place, &self.files);
        self.take(content)
    }

    fn name(&self) -> &'static str {
        match self.place {
            Place::File(_) | Place::Folder(_) => FILE,
            Place::Script(_) => SCRIPT,
        }
    }

    /// Turns what was found into a message and remembers it.
    fn take(&mut self, content: Content) -> Message {
        let (files, certificates) = (content.hash, stamps(&self.last));
        self.touched |= self.seen.is_some_and(|seen| seen.certificates != certificates);
        let parsed = self.parse(content);
        self.fresh.clear();
        let message = match parsed {
            Ok((dynamic, diagnostics)) => {
                self.last = Arc::clone(&dynamic);
                self.touched = false;
                let files = self.files.iter();
                let files = files.map(|(path, file)| (path.clone(), Arc::clone(&file.dynamic)));
                let update = Update { files: files.collect(), ..Update::new(self.name(), dynamic) };
                Message::Update(Update { diagnostics, ..update })
            }
            Err(diagnostics) => Message::Rejected { provider: self.name().into(), diagnostics },
        };
        self.seen = Some(Seen { files, certificates: stamps(&self.last) });
        message
    }

    /// The configuration with its warnings, or all that is wrong.
    fn parse(
        &mut self,
        content: Content,
    ) -> Result<(Arc<Dynamic>, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut wrong = content.wrong;
        let mut files = Vec::new();
        for file in content.files {
            match self.judge(&file) {
                Ok(parsed) => files.push((file.path, parsed)),
                Err(mut errors) => wrong.append(&mut errors),
            }
        }
        if !wrong.is_empty() {
            let is_new = |(path, file): &&(PathBuf, Parsed)| {
                self.files.get(path).is_none_or(|known| known.hash != file.hash)
            };
            wrong.extend(self.waiting(files.iter().filter(is_new).count()));
            return Err(wrong);
        }
        let (mut all, mut warnings) = gather(&files);
        warnings.extend(files.iter().flat_map(|(_, file)| file.warnings.iter().cloned()));
        // A certificate's file that changed is a change, though the configuration reads the same.
        let same = share::share(&mut all, &self.last) && !self.touched;
        self.files = files.into_iter().collect();
        Ok((if same { Arc::clone(&self.last) } else { Arc::new(all) }, warnings))
    }

    /// Says that changes of good files are not applied either.
    fn waiting(&self, count: usize) -> Option<Diagnostic> {
        let reason = format!("files without errors that wait for the others: {count}");
        let source = Some(self.place.path().display().to_string());
        let warning = Diagnostic::warning("providers.file", reason);
        (count > 0).then_some(Diagnostic { source, ..warning })
    }

    /// What a file holds, or all that is wrong with it.
    fn judge(&self, file: &Found) -> Result<Parsed, Vec<Diagnostic>> {
        let known = self.files.get(&file.path).into_iter().chain(self.fresh.get(&file.path));
        if let Some(known) = known.into_iter().find(|known| known.hash == file.hash) {
            return Ok(Parsed { stamp: file.stamp, ..known.clone() });
        }
        let source = Some(file.path.display().to_string());
        let at = |finding: Diagnostic| Diagnostic { source: source.clone(), ..finding };
        let dynamic = parse::parse(&self.place, &file.path, &file.bytes, self.made);
        let dynamic = dynamic.map_err(|error| vec![error.diagnostic(&file.path)])?;
        let findings = (self.check)(&dynamic).into_iter().map(at);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            findings.partition(|finding| finding.severity == Severity::Error);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Parsed { hash: file.hash, stamp: file.stamp, dynamic: Arc::new(dynamic), warnings })
    }
}

#[cfg(test)]
mod tests;

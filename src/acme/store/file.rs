//! Traefik's `acme.json`: one file for all resolvers that name it.
//!
//! It is replaced as a whole, so that it is never half written; only where that is not to be had,
//! as with a single file that is mounted into a container, it is written in its place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{Kept, Store, StoreError};
use crate::message::LocalFuture;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::acme) enum FileError {
    /// It cannot be opened, read or made.
    #[error("{path}: {cause}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// It cannot be written.
    #[error("{path} cannot be written: {cause}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// Others may read the keys in it.
    #[error("{path}: its permissions {mode:o} let others read keys; give it 600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is no JSON, or none of this kind. Its words are not shown, since they may be keys.
    #[error(
        "{path} is no file of accounts and certificates (line {line}, column {column}); it is \
         left as it is"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        line: usize,
        /// Where it is wrong.
        column: usize,
    },
    /// What is kept of one resolver is not what it should be.
    #[error("{path}: what is kept of {resolver:?} cannot be read; it is left as it is")]
    Resolver {
        /// The file.
        path: PathBuf,
        /// The resolver.
        resolver: String,
    },
}

/// A file, open to this process alone.
#[derive(Debug)]
pub(in crate::acme) struct FileStore {
    path: PathBuf,
    entries: RefCell<BTreeMap<String, Entry>>,
}

/// What the file holds of one resolver.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Entry {
    /// Of one that nobody has asked for; it stays as it is.
    Raw(Value),
    /// Of one of ours.
    Kept(Box<Kept>),
}

/// A file of 10,000 certificates has some 150 MB.
const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

impl FileStore {
    /// Opens the file, or makes an empty one.
    pub(in crate::acme) fn open(path: &Path) -> Result<Self, FileError> {
        let failed = |cause| FileError::Open { path: path.to_owned(), cause };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(FileError::Exposed { path: path.to_owned(), mode });
        }
        if metadata.size() > FILE_BYTES_MAX {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        // Another name of the same file is replaced at the place it leads to.
        let path = fs::canonicalize(path).map_err(failed)?;
        let entries = match text.trim_ascii().is_empty() {
            true => BTreeMap::new(),
            false => read(&path, &text)?,
        };
        Ok(Self { path, entries: RefCell::new(entries) })
    }

    /// The place that the file is at.
    pub(in crate::acme) fn path(&self) -> &Path {
        &self.path
    }

    fn kept(&self, resolver: &str) -> Result<Kept, FileError> {
        let mut entries = self.entries.borrow_mut();
        let Some(entry) = entries.get_mut(resolver) else { return Ok(Kept::default()) };
        let kept = match entry {
            Entry::Kept(kept) => return Ok(Kept::clone(kept)),
            Entry::Raw(Value::Null) => Kept::default(),
            Entry::Raw(value) => {
                let kept: Result<Kept, _> = serde_json::from_value(value.take());
                kept.map_err(|_| {
                    let (path, resolver) = (self.path.clone(), resolver.to_owned());
                    FileError::Resolver { path, resolver }
                })?
            }
        };
        *entry = Entry::Kept(Box::new(kept.clone()));
        Ok(kept)
    }

    fn keep(&self, resolver: &str, kept: Kept) -> Result<(), FileError> {
        let mut entries = self.entries.borrow_mut();
        entries.insert(resolver.to_owned(), Entry::Kept(Box::new(kept)));
        let failed = |cause| FileError::Write { path: self.path.clone(), cause };
        let text = serde_json::to_vec_pretty(&*entries).map_err(|e| failed(e.into()))?;
        self.replace(&text).map_err(failed)
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let beside = PathBuf::from(name);
        let written = write(&beside, text).and_then(|()| fs::rename(&beside, &self.path));
        if written.is_ok() {
            return Ok(());
        }
        // It may not be there.
        let _ = fs::remove_file(&beside);
        let file = OpenOptions::new().write(true).open(&self.path)?;
        (&file).write_all(text)?;
        file.set_len(text.len() as u64)?;
        file.sync_all()
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    // One that was left behind may be anybody's.
    let _ = fs::remove_file(path);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn read(path: &Path, text: &[u8]) -> Result<BTreeMap<String, Entry>, FileError> {
    let all: Result<BTreeMap<String, Value>, _> = serde_json::from_slice(text);
    let all = all.map_err(|error| FileError::Corrupt {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })?;
    Ok(all.into_iter().map(|(name, value)| (name, Entry::Raw(value))).collect())
}

impl Store for FileStore {
    fn load<'a>(&'a self, resolver: &'a str) -> LocalFuture<'a, Result<Kept, StoreError>> {
        Box::pin(async move { Ok(self.kept(resolver)?) })
    }

    fn save<'a>(
        &'a self,
        resolver: &'a str,
        kept: Kept,
    ) -> LocalFuture<'a, Result<(), StoreError>> {
        Box::pin(async move { Ok(self.keep(resolver, kept)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acme::store::Domain;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_made_replaced_and_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.json");
        let link = folder.path().join("link.json");
        let store = FileStore::open(&path).unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap().len()), (0o600, 0));
        let mut kept = Kept::default();
        kept.pending.push(super::super::Pending::default());
        store.keep("one", kept.clone()).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let again = FileStore::open(&link).unwrap();
        again.keep("two", Kept::default()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(mode(&path), 0o600);
        let third = FileStore::open(&path).unwrap();
        assert_eq!(third.kept("one").unwrap(), kept);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"two\": {\n    \"Account\": null"), "{text}");
        assert_eq!(Domain::of(&[]).names().count(), 0);
    }

    #[test]
    fn what_cannot_be_used_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.json");
        let check = |text: &str, mode: u32, expect: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let opened = FileStore::open(&path).and_then(|store| store.kept("le"));
            let error = opened.unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        };
        check("{\"le\": ", 0o600, "line 1, column 7");
        check("[\"SECRET\"]", 0o600, "is no file of accounts");
        check("{\"le\": {\"Account\": \"SECRET\"}}", 0o600, "what is kept of \"le\"");
        check("{}", 0o644, "permissions 644");
        let missing = FileStore::open(&folder.path().join("no/acme.json")).unwrap_err();
        assert!(missing.to_string().contains("no/acme.json: No such file"), "{missing}");
    }
}

//! The bytes of a file or of a folder's files, in the order in which Traefik reads them.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{FileError, Parsed, Place};
use crate::model::{Diagnostic, Dynamic};
use crate::value::Format;

/// All that is there at one time.
#[derive(Debug)]
pub(super) struct Content {
    /// The files in their order.
    pub(super) files: Vec<Found>,
    /// What could not be read.
    pub(super) wrong: Vec<Diagnostic>,
    /// Of both; equal when nothing has changed.
    pub(super) hash: u64,
}

/// One file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Nothing when the file is known with this hash.
    pub(super) bytes: Vec<u8>,
    pub(super) hash: u64,
    pub(super) stamp: Option<Stamp>,
}

/// What the file system says of a file: device, file, bytes, content's and file's last change.
pub(super) type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// A file longer than this is no configuration.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// More files than this are no configuration.
const FILES_MAX: usize = 20_000;
/// Folders in folders.
const DEPTH_MAX: usize = 32;

/// A younger file could change once more without a new time.
const YOUNG: Duration = Duration::from_secs(2);

/// Reads a file, or a folder with all below it. Files that are known by the stamp they have are
/// not read again.
pub(super) fn read(place: &Place, known: &BTreeMap<PathBuf, Parsed>) -> Content {
    let mut paths = Vec::new();
    let mut wrong = Vec::new();
    match place {
        Place::File(path) | Place::Script(path) => paths.push(path.clone()),
        Place::Folder(folder) => {
            if let Err((path, error)) = walk(folder, 0, &mut paths) {
                wrong.push(error.diagnostic(&path));
            }
        }
    }
    let mut files = Vec::new();
    for path in paths {
        match file(&path, known.get(&path)) {
            Ok((bytes, hash, stamp)) => files.push(Found { path, bytes, hash, stamp }),
            Err(error) => wrong.push(error.diagnostic(&path)),
        }
    }
    let named: Vec<_> = files.iter().map(|file| (&file.path, file.hash)).collect();
    let reasons: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    let hash = hash(&(named, reasons));
    Content { files, wrong, hash }
}

/// The files of a folder by name, those of a folder within it at its place.
///
/// Links to folders are not followed, as in Traefik. Names that begin with two dots are the inner
/// side of a Kubernetes `ConfigMap`, whose files are linked to by their own names; `.#` is an
/// editor's lock.
fn walk(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), (PathBuf, FileError)> {
    let here = |error: std::io::Error| (folder.to_owned(), FileError::Read(error));
    let entries = fs::read_dir(folder).map_err(here)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(here)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("..") || name.starts_with(".#") {
            continue;
        }
        let path = entry.path();
        if paths.len() >= FILES_MAX || depth >= DEPTH_MAX {
            let error = FileError::TooMany { max_files: FILES_MAX, max_depth: DEPTH_MAX };
            return Err((folder.to_owned(), error));
        }
        let kind = entry.file_type().map_err(here)?;
        if kind.is_dir() {
            walk(&path, depth + 1, paths)?;
        } else if is_configuration(&path) && !(kind.is_symlink() && path.is_dir()) {
            paths.push(path);
        }
    }
    Ok(())
}

/// Whether a folder's file is read.
pub(super) fn is_configuration(path: &Path) -> bool {
    matches!(Format::of(path), Some(Format::Yaml | Format::Toml))
}

fn file(path: &Path, known: Option<&Parsed>) -> Result<(Vec<u8>, u64, Option<Stamp>), FileError> {
    let metadata = fs::metadata(path)?;
    // A pipe would hold up the reader.
    if !metadata.is_file() {
        return Err(FileError::Special);
    }
    let is_old = metadata.modified()?.elapsed().is_ok_and(|age| age > YOUNG);
    let stamp = is_old.then(|| stamp(&metadata));
    if let Some(known) = known
        && stamp.is_some()
        && stamp == known.stamp
    {
        return Ok((Vec::new(), known.hash, stamp));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge { max_bytes: FILE_BYTES_MAX });
    }
    let hash = hash(&bytes);
    Ok((bytes, hash, stamp))
}

fn stamp(m: &fs::Metadata) -> Stamp {
    (m.dev(), m.ino(), m.len(), (m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec()))
}

/// A hash of what the file system says of the certificates' files.
pub(super) fn stamps(dynamic: &Dynamic) -> u64 {
    let mut hasher = DefaultHasher::new();
    for certificate in &dynamic.tls.certificates {
        for path in [&certificate.cert_file, &certificate.key_file] {
            let metadata = if path.contains('\n') { None } else { fs::metadata(path).ok() };
            metadata.as_ref().map(stamp).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

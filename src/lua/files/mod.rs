//! Files below a folder, opened so that no name leads out of it.
//!
//! What waits for the disk runs on threads of its own. Must not know who asks for files, nor Lua.

mod beneath;
mod body;

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

pub(super) use body::FileBody;

/// A file that is open.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    /// The file.
    pub(super) file: Arc<File>,
    /// Its length in bytes.
    pub(super) length: u64,
    /// Seconds from 1970 to its last change.
    pub(super) modified: i64,
    /// Nanoseconds beyond them.
    nanos: i64,
    inode: u64,
}

/// What is at a place.
#[derive(Debug)]
pub(super) enum Found {
    /// A file.
    File(Opened),
    /// A folder.
    Folder,
    /// Nothing that may be opened.
    Nothing,
}

impl Opened {
    fn new(file: File, metadata: &Metadata) -> Self {
        Self {
            file: Arc::new(file),
            length: metadata.len(),
            modified: metadata.mtime(),
            nanos: metadata.mtime_nsec(),
            inode: metadata.ino(),
        }
    }

    /// A text that changes whenever the file does.
    pub(super) fn tag(&self) -> String {
        format!("{:x}-{:x}{:08x}-{:x}", self.inode, self.modified, self.nanos, self.length)
    }
}

/// Looks for what a relative path names below a folder. Names that lead out of it, links among
/// them, name nothing.
///
/// # Errors
/// When the folder cannot be opened, or the system fails.
pub(super) fn find(root: &Path, path: &str) -> io::Result<Found> {
    let folder = File::open(root)?;
    let file = match beneath::open(&folder, path) {
        Ok(file) => file,
        Err(error) if is_nothing(&error) => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok(if metadata.is_dir() {
        Found::Folder
    } else if metadata.is_file() {
        Found::File(Opened::new(file, &metadata))
    } else {
        Found::Nothing
    })
}

/// Whether an error says no more than that there is nothing to see.
fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
    let kinds = [InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied];
    // A link that leads out of the folder, one that leads to itself, and a pipe nobody reads.
    let codes = [libc::EXDEV, libc::ELOOP, libc::ENXIO];
    kinds.contains(&error.kind()) || error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(outer.path().join("secret"), "s").unwrap();
        fs::write(root.join("a.txt"), "abc").unwrap();
        fs::write(root.join("sub/b"), "b").unwrap();
        for (target, link) in [
            (outer.path().join("secret"), "absolute"),
            ("../secret".into(), "relative"),
            ("sub/b".into(), "inside"),
            ("loop".into(), "loop"),
            (outer.path().to_owned(), "outer"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        for (path, expect) in [
            ("a.txt", "file"),
            ("./a.txt", "file"),
            ("sub", "folder"),
            ("", "folder"),
            ("sub/b", "file"),
            ("inside", "file"),
            ("sub/../a.txt", "file"),
            ("absolute", "nothing"),
            ("relative", "nothing"),
            ("outer/secret", "nothing"),
            ("../secret", "nothing"),
            ("sub/../../secret", "nothing"),
            ("loop", "nothing"),
            ("a.txt/x", "nothing"),
            ("none", "nothing"),
            ("a\0b", "nothing"),
            ("/etc/passwd", "nothing"),
        ] {
            let found = match find(&root, path).unwrap() {
                Found::File(_) => "file",
                Found::Folder => "folder",
                Found::Nothing => "nothing",
            };
            assert_eq!(found, expect, "{path}");
            // Where the system cannot do it in one step, links are no way at all.
            let stepwise = beneath::step_by_step(&File::open(&root).unwrap(), path);
            let may = !matches!(expect, "nothing") && !path.contains("..") && path != "inside";
            assert_eq!(stepwise.is_ok(), may, "{path}");
        }
        assert!(find(&outer.path().join("none"), "a").is_err());
    }

    #[test]
    fn a_tag_changes_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let tag = || match find(folder.path(), "a").unwrap() {
            Found::File(opened) => opened.tag(),
            other => panic!("{other:?}"),
        };
        fs::write(folder.path().join("a"), "1").unwrap();
        let before = tag();
        assert_eq!(before, tag());
        fs::write(folder.path().join("b"), "2").unwrap();
        fs::rename(folder.path().join("b"), folder.path().join("a")).unwrap();
        assert_ne!(before, tag());
    }
}

//! Opens a file below a folder, and nowhere else.

use std::fs::File;
use std::io;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, openat};

/// Never waits for the other end of a pipe, and never becomes a terminal.
const FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens what a relative path names. Links are followed as long as they stay below the folder,
/// which Linux checks in the same step.
///
/// # Errors
/// When there is nothing, or it is elsewhere.
pub(super) fn open(folder: &File, path: &str) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        use rustix::io::Errno;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let name = if path.is_empty() { "." } else { path };
        match openat2(folder, name, FLAGS, Mode::empty(), resolve) {
            Ok(file) => return Ok(file.into()),
            // A kernel without it, or a container's filter that does not know it.
            Err(Errno::NOSYS | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    step_by_step(folder, path)
}

/// The same name by name, which follows no link at all.
///
/// # Errors
/// As for [`open`].
pub(super) fn step_by_step(folder: &File, path: &str) -> io::Result<File> {
    let mut at = folder.try_clone()?;
    for component in Path::new(path).components() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => {
                let opened = openat(&at, name, FLAGS | OFlags::NOFOLLOW, Mode::empty());
                at = opened?.into();
            }
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
    }
    Ok(at)
}

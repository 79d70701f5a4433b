//! Databases of what is known about addresses (mmdb), read once for all workers and
//! again when they change.
//!
//! Must not know what the facts are for, nor Lua.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use maxminddb::{MaxMindDbError, Reader};
use parking_lot::Mutex;
use serde_json::Value;

/// Bytes of a database; the largest that are sold have some 500 MiB.
const DATABASE_BYTES_MAX: u64 = 1 << 30;
/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub(super) enum GeoError {
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    File {
        /// Where it is.
        path: String,
        /// The system's words.
        cause: io::Error,
    },
    /// The file is larger than any database.
    #[error("{path}: longer than {DATABASE_BYTES_MAX} bytes")]
    TooLarge {
        /// Where it is.
        path: String,
    },
    /// The file is no database.
    #[error("{path}: {cause}")]
    Broken {
        /// Where it is.
        path: String,
        /// What is wrong.
        cause: MaxMindDbError,
    },
}

/// What changes when the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: u64,
}

/// A database.
#[derive(Debug, Default)]
pub(super) struct Geo {
    reader: ArcSwapOption<Reader<Vec<u8>>>,
    read: Mutex<Option<Stamp>>,
    /// When the file is looked at again, in milliseconds.
    next_look: AtomicU64,
}

impl Geo {
    /// Reads the file, unless it is what was read before.
    ///
    /// # Errors
    /// When it cannot be read, or is no database; what was read before stays.
    pub(super) fn load(&self, path: &Path) -> Result<(), GeoError> {
        let told = || path.display().to_string();
        let file = |cause| GeoError::File { path: told(), cause };
        let mut read = self.read.lock();
        let metadata = fs::metadata(path).map_err(file)?;
        let stamp = Stamp {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            length: metadata.len(),
            inode: metadata.ino(),
        };
        if *read == Some(stamp) {
            return Ok(());
        }
        if stamp.length > DATABASE_BYTES_MAX {
            return Err(GeoError::TooLarge { path: told() });
        }
        let bytes = fs::read(path).map_err(file)?;
        let reader = Reader::from_source(bytes);
        let reader = reader.map_err(|cause| GeoError::Broken { path: told(), cause })?;
        self.reader.store(Some(Arc::new(reader)));
        *read = Some(stamp);
        Ok(())
    }

    /// Whether it is time to look at the file; only one who asks is told so.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let next = self.next_look.load(Ordering::Relaxed);
        millis(now) >= next
            && self
                .next_look
                .compare_exchange(next, millis(now + LOOK), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// What is known about an address.
    pub(super) fn look_up(&self, address: IpAddr) -> Option<Value> {
        let reader = self.reader.load();
        let found = reader.as_ref()?.lookup(address).ok()?;
        found.decode::<Value>().ok().flatten()
    }
}

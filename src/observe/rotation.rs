//! A log's file that is put aside when it grows too large, as Traefik does it: under its name
//! with the time, `router-2006-01-02T15-04-05.000.log`, and with `.gz` once it is compressed.
//!
//! Lines are written on the caller's thread; what is put aside is tidied on another.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::output::append;
use super::stamp::{self, Exact};

/// When a file is put aside, and what becomes of it then.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rotation {
    /// Megabytes before it is put aside; 0 means 100.
    pub megabytes_max: u64,
    /// Days that it is kept; 0 means for ever.
    pub days_max: u64,
    /// Files that are kept; 0 means all.
    pub backups_max: usize,
    /// Whether it is compressed.
    pub compress: bool,
}

/// Megabytes where nothing is said, as in Traefik.
const MEGABYTES: u64 = 100;
const DAY: Duration = Duration::from_hours(24);

/// A file with its size.
#[derive(Debug)]
pub(super) struct Rotated {
    file: File,
    path: PathBuf,
    bytes: u64,
    bytes_max: u64,
    rotation: Rotation,
}

impl Rotated {
    /// Opens a file for appending. Folders that are missing are made.
    pub(super) fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        let megabytes =
            if rotation.megabytes_max == 0 { MEGABYTES } else { rotation.megabytes_max };
        let bytes_max = megabytes.saturating_mul(1024 * 1024);
        Self::limited(path, rotation, bytes_max)
    }

    fn limited(path: &Path, rotation: Rotation, bytes_max: u64) -> io::Result<Self> {
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, path: path.to_owned(), bytes, bytes_max, rotation })
    }

    /// Opens the file anew.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = append(&self.path)?;
        self.bytes = self.file.metadata()?.len();
        Ok(())
    }

    /// Writes a line with its end, to a new file if it finds no room in this one.
    pub(super) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.bytes > 0 && self.bytes + length > self.bytes_max {
            // Where it cannot be put aside it grows on, rather than that a line is lost.
            let _ = self.put_aside();
        }
        self.bytes += length;
        self.file.write_all(line)
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // What is no regular file, such as a pipe, cannot be put aside.
        if !self.file.metadata()?.is_file() {
            self.bytes = 0;
            return Ok(());
        }
        let mut aside = backup(&self.path, now);
        let mut later = now;
        while aside.exists() {
            later += Duration::from_millis(1);
            aside = backup(&self.path, later);
        }
        fs::rename(&self.path, &aside)?;
        self.reopen()?;
        let (path, rotation) = (self.path.clone(), self.rotation);
        let tidy = move || {
            // Nobody is left to be told: the log itself is what failed.
            let _ = tidy(&path, rotation, SystemTime::now());
        };
        thread::Builder::new().name("log-rotation".to_owned()).spawn(tidy).map(drop)
    }
}

/// Stem and ending of a file's name, the latter with its dot.
fn parts(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let ending = text(path.extension());
    let ending = if ending.is_empty() { ending } else { format!(".{ending}") };
    (text(path.file_stem()), ending)
}

/// The name under which a file is put aside.
fn backup(path: &Path, now: Duration) -> PathBuf {
    let (stem, ending) = parts(path);
    let mut time = Vec::new();
    stamp::rfc3339(&mut time, now, Exact::Seconds);
    let time = String::from_utf8_lossy(&time).replace(':', "-");
    let time = time.trim_end_matches('Z');
    path.with_file_name(format!("{stem}-{time}.{:03}{ending}", now.subsec_millis()))
}

/// The length of a time in a name.
const TIME_LENGTH: usize = "2006-01-02T15-04-05.000".len();

/// Compresses what is put aside, and removes what is too old or too much.
fn tidy(path: &Path, rotation: Rotation, now: SystemTime) -> io::Result<()> {
    let mut aside = backups(path)?;
    // The names are in the order of time.
    aside.sort();
    let excess = match rotation.backups_max {
        0 => 0,
        most => aside.len().saturating_sub(most),
    };
    let oldest = now.checked_sub(DAY * u32::try_from(rotation.days_max).unwrap_or(u32::MAX));
    for (place, file) in aside.iter().enumerate() {
        let modified = fs::metadata(file)?.modified()?;
        let is_old = rotation.days_max > 0 && oldest.is_some_and(|oldest| modified < oldest);
        if place < excess || is_old {
            fs::remove_file(file)?;
        } else if rotation.compress && file.extension().is_none_or(|ending| ending != "gz") {
            compress(file)?;
        }
    }
    Ok(())
}

fn backups(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let (stem, ending) = parts(path);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        let time = plain
            .strip_prefix(&stem)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_suffix(&ending));
        let is_time = |time: &str| {
            time.len() == TIME_LENGTH
                && time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'T' | b'.'))
        };
        if time.is_some_and(is_time) {
            all.push(entry.path());
        }
    }
    Ok(all)
}

fn compress(file: &Path) -> io::Result<()> {
    let mut packed = file.as_os_str().to_owned();
    packed.push(".gz");
    let mut unfinished = packed.clone();
    unfinished.push(".part");
    let mut encoder = GzEncoder::new(File::create(&unfinished)?, Compression::default());
    io::copy(&mut File::open(file)?, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::rename(&unfinished, &packed)?;
    fs::remove_file(file)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::Instant;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let all = fs::read_dir(folder).unwrap().flatten();
        let mut names: Vec<_> =
            all.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Waits until the folder holds such names.
    fn until(folder: &Path, is_right: impl Fn(&[String]) -> bool) -> Vec<String> {
        let ends = Instant::now() + Duration::from_secs(10);
        loop {
            let names = names(folder);
            if is_right(&names) {
                return names;
            }
            assert!(Instant::now() < ends, "{names:?}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_file_that_is_full_is_put_aside_and_compressed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("router.log");
        let rotation = Rotation { compress: true, backups_max: 2, ..Rotation::default() };
        let mut log = Rotated::limited(&path, rotation, 10).unwrap();
        for line in ["12345678\n", "a\n", "b\n", "c\n", "d\n", "e\n"] {
            log.write_line(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\nc\nd\ne\n");
        let is_packed = |names: &[String]| {
            names.len() == 2 && names[0].ends_with(".log.gz") && names[0].starts_with("router-20")
        };
        let packed = until(folder.path(), is_packed);
        let file = File::open(folder.path().join(&packed[0])).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "12345678\n");
        for line in ["full....\n", "full....\n", "full....\n", "full....\n"] {
            log.write_line(line.as_bytes()).unwrap();
        }
        until(folder.path(), |names| {
            let is_packed = |name: &&String| Path::new(name).extension().is_some_and(|e| e == "gz");
            names.len() == 3 && names.iter().filter(is_packed).count() == 2
        });
    }

    #[test]
    fn what_is_too_old_is_removed_and_others_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("router.log");
        let old = backup(&path, Duration::from_secs(1));
        for other in ["router.log", "router-x.log", "other-1970-01-01T00-00-01.000.log"] {
            fs::write(folder.path().join(other), "").unwrap();
        }
        fs::write(&old, "").unwrap();
        let rotation = Rotation { days_max: 3, ..Rotation::default() };
        let in_days = |days| SystemTime::now() + DAY * days;
        tidy(&path, rotation, in_days(2)).unwrap();
        assert!(old.exists());
        tidy(&path, rotation, in_days(4)).unwrap();
        assert!(!old.exists());
        assert_eq!(names(folder.path()).len(), 3);
        assert_eq!(old.file_name().unwrap(), "router-1970-01-01T00-00-01.000.log");
    }
}

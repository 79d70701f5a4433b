//! The log of requests: lines are made on the caller's thread and written on another.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::clf;
use super::output::Output;

/// The log of requests, in the common log format with Traefik's four further fields.
///
/// One per process, since it counts the requests of the process. Dropping it writes what waits.
#[derive(Debug)]
pub struct AccessLog {
    output: Output,
    count: AtomicU64,
}

/// One request in the access log.
#[derive(Debug, Clone, Copy)]
pub struct AccessRecord<'a> {
    /// The client's address.
    pub client: IpAddr,
    /// The user that an authentication script accepted.
    pub user: Option<&'a str>,
    /// The method as sent.
    pub method: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'a str,
    /// The status the client got.
    pub status: u16,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// The router, `name@provider`.
    pub router: Option<&'a str>,
    /// The server's URL.
    pub server: Option<&'a str>,
    /// From the request's head to the last byte of the answer.
    pub duration: Duration,
}

impl AccessLog {
    /// Opens the log; `None` writes to standard output. Folders that are missing are made.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or no thread can be started.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        Ok(Self { output: Output::open(path, "access-log")?, count: AtomicU64::new(0) })
    }

    /// Writes a request, which ends now; never waits for the disk on the caller's thread.
    ///
    /// A line is written within about 100 ms. When the disk is too slow lines are dropped, and
    /// their number is logged.
    pub fn record(&self, record: &AccessRecord<'_>) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let now = SystemTime::now();
        let started = now.checked_sub(record.duration).unwrap_or(now);
        self.output.push(&clf::line(record, started, count));
    }

    /// Opens the file anew, after it was renamed by a rotation. What waits goes to the old one.
    pub fn reopen(&self) {
        self.output.reopen();
    }

    /// Writes what waits and ends; waits for the disk, though not for ever. Later requests are not
    /// logged.
    pub fn close(&self) {
        self.output.close();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    fn record(target: &str) -> AccessRecord<'_> {
        AccessRecord {
            client: IpAddr::from([127, 0, 0, 1]),
            user: None,
            method: "GET",
            target,
            protocol: "HTTP/1.1",
            status: 200,
            bytes: 3,
            router: Some("a@file"),
            server: Some("http://127.0.0.1:1"),
            duration: Duration::from_millis(2),
        }
    }

    /// Waits until the file holds so many lines.
    fn lines(path: &Path, count: usize) -> Vec<String> {
        let ends = Instant::now() + Duration::from_secs(10);
        loop {
            let text = fs::read_to_string(path).unwrap_or_default();
            if text.lines().count() >= count {
                return text.lines().map(str::to_owned).collect();
            }
            assert!(Instant::now() < ends, "{text:?} instead of {count} lines");
            std::thread::yield_now();
        }
    }

    #[test]
    fn lines_come_soon_are_appended_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/access.log");
        let log = AccessLog::open(Some(&path)).unwrap();
        let began = Instant::now();
        log.record(&record("/one"));
        assert!(lines(&path, 1)[0].contains("\"GET /one HTTP/1.1\" 200 3 \"-\" \"-\" 1 "));
        // Far more than promised, for a busy machine.
        assert!(began.elapsed() < Duration::from_secs(2));
        drop(log);
        let log = AccessLog::open(Some(&path)).unwrap();
        log.record(&record("/two"));
        log.record(&record("/three"));
        log.close();
        let lines = lines(&path, 0);
        assert_eq!(lines.len(), 3);
        assert!(lines[2].contains("/three HTTP/1.1\" 200 3 \"-\" \"-\" 2 "), "{lines:?}");
        log.record(&record("/late"));
        log.close();
    }

    #[test]
    fn a_rotated_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let old = folder.path().join("access.log.1");
        let log = AccessLog::open(Some(&path)).unwrap();
        log.record(&record("/one"));
        fs::rename(&path, &old).unwrap();
        log.reopen();
        lines(&old, 1);
        let ends = Instant::now() + Duration::from_secs(10);
        while !path.exists() {
            assert!(Instant::now() < ends);
        }
        log.record(&record("/two"));
        assert!(lines(&path, 1)[0].contains("/two"));
        assert_eq!(lines(&old, 1).len(), 1);
        assert!(AccessLog::open(Some(folder.path())).is_err());
    }

    #[test]
    fn many_threads_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = Arc::new(AccessLog::open(Some(&path)).unwrap());
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    for number in 0..2000 {
                        log.record(&record(&format!("/{thread}/{number}")));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        log.close();
        let lines = lines(&path, 0);
        assert_eq!(lines.len(), 8000);
        assert!(lines.iter().all(|line| line.starts_with("127.0.0.1 - - [")));
    }
}

//! The leveled log and the access log: handles and plain records.
//!
//! Must not know requests, services or scripts: what is logged comes as plain values.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// The log of requests.
#[derive(Debug)]
pub struct AccessLog {}

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
    /// Opens the log; `None` writes to standard output.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let _ = path;
        Ok(Self {})
    }

    /// Writes a request; never waits for the disk on the caller's thread.
    pub fn record(&self, record: &AccessRecord<'_>) {
        let _ = record;
    }
}

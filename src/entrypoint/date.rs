//! The `Date` header (RFC 9110, section 6.6.1), formatted once a second.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// A worker's formatted date.
#[derive(Debug, Default)]
pub(super) struct DateLine {
    line: RefCell<(u64, String)>,
}

impl DateLine {
    /// Writes the header's whole line.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut line = self.line.borrow_mut();
        if line.0 != second || line.1.is_empty() {
            *line = (second, format!("Date: {}\r\n", httpdate::fmt_http_date(now)));
        }
        out.extend_from_slice(line.1.as_bytes());
    }
}

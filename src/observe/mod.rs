//! The leveled log and the access log: handles and plain records.
//!
//! Must not know requests, services or scripts: what is logged comes as plain values.

mod access_log;
mod clf;
mod log;
mod log_format;
mod output;

pub use access_log::{AccessLog, AccessRecord};
pub use log::{LogError, LogFile, init, init_file};

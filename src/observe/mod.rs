//! The leveled log, the access log, metrics and traces: handles and plain records.
//!
//! Must not know requests, services or scripts: what is logged comes as plain values.

mod access;
mod entry;
mod log;
mod log_format;
mod log_sender;
pub mod metrics;
mod output;
mod queue;
mod rotation;
mod stamp;
mod tracer;

pub use access::{
    AccessFormat, AccessLog, AccessPlan, AccessRecord, Encrypted, FieldRules, Filters, HeaderMode,
    Origin,
};
pub use entry::{LogEntry, LogValue, Severity};
pub use log::{LogError, LogFile, LogPlan, init, init_file};
pub use log_sender::SENDER;
pub use queue::Queue;
pub use rotation::Rotation;
pub use tracer::{Finished, Tracer};

//! Failures of an exchange, with the server's name in them.

use std::time::Duration;

use super::endpoint::Core;
use crate::message::Failure;

/// The server closed the connection before it answered.
pub(super) fn closed(endpoint: &Core) -> Failure {
    Failure::ServerClosed { server: endpoint.authority.to_string() }
}

/// The connection could not be opened.
pub(super) fn no_connection(endpoint: &Core, cause: &impl ToString) -> Failure {
    Failure::Connect { server: endpoint.authority.to_string(), cause: cause.to_string() }
}

/// The connection was not open in time.
pub(super) fn no_connection_within(endpoint: &Core, limit: Duration) -> Failure {
    Failure::ConnectTimeout { server: endpoint.authority.to_string(), after_ms: millis(limit) }
}

/// The answer's head did not come in time.
pub(super) fn too_late(endpoint: &Core, limit: Duration) -> Failure {
    Failure::AnswerTimeout { server: endpoint.authority.to_string(), after_ms: millis(limit) }
}

/// The answer makes no sense, or the server cannot be trusted.
pub(super) fn bad_answer(endpoint: &Core, cause: String) -> Failure {
    Failure::BadAnswer { server: endpoint.authority.to_string(), cause }
}

fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
}

//! Limits of waiting, from their options to what requests run under.

use crate::message::Timeouts;
use crate::model;
use crate::value::GoDuration;

/// Those of a router or of an entrypoint.
#[must_use]
pub fn timeouts(options: model::Timeouts) -> Timeouts {
    Timeouts {
        request: options.request.map(GoDuration::get),
        backend_request: options.backend_request.map(GoDuration::get),
        idle: options.idle.map(GoDuration::get),
    }
}

/// Those of a service.
pub(super) fn service_timeouts(options: model::ServiceTimeouts) -> Timeouts {
    Timeouts {
        request: None,
        backend_request: options.backend_request.map(GoDuration::get),
        idle: options.idle.map(GoDuration::get),
    }
}

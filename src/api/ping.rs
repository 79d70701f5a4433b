//! `ping@internal`: whether the process serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;

use crate::message::{LocalFuture, Request, Response, plain};
use crate::service::Internal;

/// The health endpoint.
#[derive(Debug)]
pub struct Ping {
    terminating: AtomicBool,
    terminating_status: StatusCode,
}

impl Ping {
    /// Answers 200, and `terminating_status` from the word to stop on.
    #[must_use]
    pub fn new(terminating_status: StatusCode) -> Arc<Self> {
        Arc::new(Self { terminating: AtomicBool::new(false), terminating_status })
    }

    /// The process stops: load balancers in front should send no more.
    pub fn terminate(&self) {
        self.terminating.store(true, Ordering::Relaxed);
    }
}

impl Internal for Ping {
    fn serve(self: Arc<Self>, _request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async move {
            if !self.terminating.load(Ordering::Relaxed) {
                return plain(StatusCode::OK, "OK");
            }
            let status = self.terminating_status;
            plain(status, status.canonical_reason().unwrap_or_default())
        })
    }
}

//! What a script asks of the layers above it.

use crate::message::{LocalFuture, Request, Response};

/// The rest of the way, as a script may call it.
pub trait Host {
    /// Runs what follows the script that stands at `position` in the chain: `ctx.next()`.
    fn next(&self, position: usize, request: Request) -> LocalFuture<'static, Response>;

    /// Sends a request to a service by its name with provider; `None` when there is no such
    /// service in this generation.
    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>>;
}

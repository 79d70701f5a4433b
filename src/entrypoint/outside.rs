//! What scripts work in when no request runs: the way out, and no services.
//!
//! Must not know what they do.

use std::rc::{Rc, Weak};

use super::worker::Shared;
use crate::lua::{Connected, Destination, FetchError, Host, HttpClient};
use crate::message::{Failure, LocalFuture, Request, Response, rescue};
use crate::outbound;

/// A worker's way out.
pub(super) struct Outside(pub(super) Weak<Shared>);

impl Host for Outside {
    fn next(&self, _position: usize, _request: Request) -> LocalFuture<'static, Response> {
        Box::pin(async { rescue(Failure::NoServer) })
    }

    fn service(&self, _name: &str, _request: Request) -> Option<LocalFuture<'static, Response>> {
        None
    }

    fn fetch(
        &self,
        client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        let worker: Rc<Shared> = self.0.upgrade().ok_or_else(|| {
            let reason = "the worker has ended".to_owned();
            FetchError::Client { reason }
        })?;
        outbound::fetch(&worker.pools, &worker.origins, client, origin, request)
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        outbound::connect(to)
    }
}

//! What the worker lends to the services it runs.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use super::Service;
use crate::headers::Headers;
use crate::lua::{Candidate, InstanceId, Pick};
use crate::message::{Exchange, LocalFuture, Request, Response};
use crate::upstream::Pools;

/// A copy of a request that is over, as it is counted.
#[derive(Debug)]
pub struct Copied<'a> {
    /// Its own exchange, with what was noted of it.
    pub exchange: &'a Exchange,
    /// Its method.
    pub method: &'a Method,
    /// Bytes of its body.
    pub received: u64,
    /// The status of its answer.
    pub status: StatusCode,
    /// Bytes of its answer's body.
    pub sent: u64,
    /// The trailers of its answer.
    pub trailers: &'a HeaderMap,
    /// The headers of its answer.
    pub headers: &'a Headers,
}

/// What services need of the worker they run on, for one request.
pub trait Means {
    /// The worker's connections to servers.
    fn pools(&self) -> &Rc<Pools>;

    /// The same for what outlives the request, a copy of it for example.
    fn keep(&self) -> Rc<dyn Means>;

    /// What a script says of a service's servers for a request.
    fn balance(&self, script: &str, request: &Request, servers: &[Candidate<'_>]) -> Option<Pick>;

    /// Counts a copy of a request, whose answer has been read to its end.
    fn copied(&self, copy: &Copied<'_>);

    /// Sends a request through scripts to a service.
    fn pass(
        &self,
        steps: &Arc<[InstanceId]>,
        service: &Arc<Service>,
        request: Request,
    ) -> LocalFuture<'static, Response>;
}

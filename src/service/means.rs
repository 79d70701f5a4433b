//! What the worker lends to the services it runs.

use std::rc::Rc;
use std::sync::Arc;

use super::Service;
use crate::lua::{Candidate, InstanceId, Pick};
use crate::message::{LocalFuture, Request, Response};
use crate::upstream::Pools;

/// What services need of the worker they run on, for one request.
pub trait Means {
    /// The worker's connections to servers.
    fn pools(&self) -> &Rc<Pools>;

    /// The same for what outlives the request, a copy of it for example.
    fn keep(&self) -> Rc<dyn Means>;

    /// What a script says of a service's servers for a request.
    fn balance(&self, script: &str, request: &Request, servers: &[Candidate<'_>]) -> Option<Pick>;

    /// Sends a request through scripts to a service.
    fn pass(
        &self,
        steps: &Arc<[InstanceId]>,
        service: &Arc<Service>,
        request: Request,
    ) -> LocalFuture<'static, Response>;
}

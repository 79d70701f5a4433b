//! An instance of a script on one worker, and the run of its hooks.

use std::rc::Rc;

use super::{Host, InstanceSpec};
use crate::message::{Exchange, Request, Response};

/// Which hooks an instance has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `request`.
    pub request: bool,
    /// `response`.
    pub response: bool,
}

/// What scripts of one request share.
pub struct Context {
    /// The exchange they run in.
    pub exchange: Rc<Exchange>,
    /// The layers above.
    pub host: Rc<dyn Host>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

/// How a request goes on after a hook.
#[derive(Debug)]
pub enum Flow {
    /// To the next script or the service.
    Next(Request),
    /// Back to the client; the response hooks of earlier scripts still run.
    Done(Response),
}

/// A script loaded on a worker with its options.
#[derive(Debug)]
pub struct Instance {
    spec: std::sync::Arc<InstanceSpec>,
}

impl Instance {
    /// What it is an instance of.
    #[must_use]
    pub fn spec(&self) -> &InstanceSpec {
        &self.spec
    }

    /// Its hooks.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        Hooks::default()
    }

    /// Runs the `request` hook. A failure becomes what `onError` says.
    pub async fn request(&self, cx: &Rc<Context>, position: usize, request: Request) -> Flow {
        let _ = (cx, position);
        Flow::Next(request)
    }

    /// Runs the `response` hook. A failure becomes what `onError` says.
    pub async fn response(&self, cx: &Rc<Context>, response: Response) -> Response {
        let _ = cx;
        response
    }

    /// A fresh instance.
    pub(super) fn new(spec: std::sync::Arc<InstanceSpec>) -> Self {
        Self { spec }
    }
}

impl Context {
    /// A fresh context.
    #[must_use]
    pub fn new(exchange: Rc<Exchange>, host: Rc<dyn Host>) -> Self {
        Self { exchange, host }
    }
}

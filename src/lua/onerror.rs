//! What a failure of a script does to the request: `onError`.
//!
//! `skip` restores everything of a request or response but its body: a body that the script
//! replaced is put back, bytes that it has read are gone. A request that `ctx.next()` has sent on
//! already is answered by what that brought.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, StatusCode, Version};

use super::figures::LastFailure;
use super::tools::Tools;
use super::{Context, Flow, InstanceSpec, OnError, ScriptError};
use crate::headers::Headers;
use crate::message::{Body, Failure, Request, Response, Target, plain, rescue};

/// What a message was before the script saw it; kept only where `onError: skip` asks for it.
pub(super) enum Kept {
    /// The head of a request.
    Request(Box<RequestHead>),
    /// The head of a response.
    Response { status: StatusCode, headers: Headers },
}

/// Everything of a request but its body.
pub(super) struct RequestHead {
    method: Method,
    target: Target,
    version: Version,
    host: bytes::Bytes,
    headers: Headers,
}

impl Kept {
    /// Keeps what `skip` needs.
    pub(super) fn of_request(policy: &OnError, request: &Request) -> Option<Self> {
        (*policy == OnError::Skip).then(|| {
            Self::Request(Box::new(RequestHead {
                method: request.method.clone(),
                target: request.target.clone(),
                version: request.version,
                host: request.host.clone(),
                headers: request.headers.clone(),
            }))
        })
    }

    /// Keeps what `skip` needs.
    pub(super) fn of_response(policy: &OnError, response: &Response) -> Option<Self> {
        (*policy == OnError::Skip)
            .then(|| Self::Response { status: response.status, headers: response.headers.clone() })
    }
}

/// A failure of a script that has been logged.
pub(super) struct Rescue<'a> {
    spec: &'a InstanceSpec,
    id: String,
}

impl<'a> Rescue<'a> {
    /// Logs a failure.
    pub(super) fn new(
        spec: &'a InstanceSpec,
        cx: &Rc<Context>,
        tools: &Tools,
        hook: &'static str,
        error: &ScriptError,
    ) -> Self {
        let id = tools.failure_id();
        if let Some(probe) = tools.probe.get() {
            probe.failed(error.to_string());
        }
        let router: Option<Arc<str>> = cx.exchange.record.borrow().router.clone();
        let router = router.as_deref().unwrap_or_default();
        let (script, middleware) = (&*spec.source.name, &*spec.name);
        tracing::error!(id, script, middleware, router, hook, %error, "a script failed");
        tools.scope_of(spec.id).tallies.note(LastFailure {
            at: SystemTime::now(),
            id: id.clone(),
            hook,
            router: router.to_owned(),
            error: error.to_string(),
        });
        Self { spec, id }
    }

    /// A failure that is not logged: that of a script which is not run.
    pub(super) fn unlogged(spec: &'a InstanceSpec, tools: &Tools) -> Self {
        Self { spec, id: tools.failure_id() }
    }

    /// How a request goes on.
    pub(super) fn request(
        self,
        kept: Option<Kept>,
        request: Option<Request>,
        answer: Option<Response>,
    ) -> Flow {
        match (kept, request, answer) {
            (Some(Kept::Request(head)), Some(mut request), _) => {
                request.method = head.method;
                request.target = head.target;
                request.version = head.version;
                request.host = head.host;
                request.headers = head.headers;
                Flow::Next(request)
            }
            (Some(_), _, Some(answer)) => Flow::Done(answer),
            _ => Flow::Done(self.answer()),
        }
    }

    /// How a response goes on; `body` is the one that the script has replaced.
    pub(super) fn response(
        self,
        kept: Option<Kept>,
        body: Option<Body>,
        response: Option<Response>,
    ) -> Response {
        match (kept, response) {
            (Some(Kept::Response { status, headers }), Some(mut response)) => {
                (response.status, response.headers) = (status, headers);
                if let Some(body) = body {
                    response.body = body;
                }
                response
            }
            _ => self.answer(),
        }
    }

    /// The answer to the client when the request does not go on.
    pub(super) fn answer(self) -> Response {
        if let OnError::Answer { status, body } = &self.spec.on_error
            && let Ok(status) = StatusCode::from_u16(*status)
        {
            let mut response = plain(status, body.clone());
            response.failure = Some(Failure::Script { id: self.id });
            return response;
        }
        rescue(Failure::Script { id: self.id })
    }
}

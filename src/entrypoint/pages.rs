//! The entrypoint's pages in the place of plain answers to failures.
//!
//! An answer that a router's own middlewares have made of a failure stays as it is.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use ::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use bytes::Bytes;

use super::handle::Connection;
use crate::lua::{Connected, Destination, FetchError, HttpClient, InstanceId};
use crate::message::{Body, Failure, LocalFuture, Request, Response, rescue};
use crate::middleware::{self, End, Instances};
use crate::snapshot::{Answers, Content};

/// The answer with the entrypoint's page in it, where it has one. `request` is there when a script
/// may have to see it.
pub(super) async fn answer(
    connection: &Connection,
    response: Response,
    request: Option<Request>,
) -> Response {
    let generation = connection.worker.generation();
    let Some(tables) = generation.snapshot.entrypoints.get(connection.place) else {
        return response;
    };
    let page = response.failure.as_ref().and_then(|failure| tables.answers.page(failure));
    let Some(page) = page.filter(|_| is_plain(&response)) else { return response };
    let mut response = response;
    if let Some(status) = page.status {
        response.status = status;
    }
    match &page.content {
        Content::Text { body, kind } => {
            response.headers.insert(CONTENT_TYPE, kind.clone());
            response.headers.insert(CONTENT_LENGTH, body.len().into());
            response.headers.remove(CONTENT_ENCODING);
            response.body = Body::from(Bytes::clone(body));
            response
        }
        Content::Script(id) => match request {
            Some(request) if generation.instances.contains_key(id) => {
                run(&generation.instances, *id, request, response).await
            }
            _ => response,
        },
    }
}

/// A copy of a request for a script of the entrypoint's pages, if it has any.
pub(super) fn spare(connection: &Connection, request: &Request) -> Option<Request> {
    answers(connection)?.runs_scripts().then(|| request.copy())
}

fn answers(connection: &Connection) -> Option<Arc<Answers>> {
    let generation = connection.worker.generation();
    let tables = generation.snapshot.entrypoints.get(connection.place)?;
    Some(Arc::clone(&tables.answers))
}

/// Whether nobody has made anything of the plain answer yet.
fn is_plain(response: &Response) -> bool {
    let Some(failure) = &response.failure else { return false };
    let plain = rescue(failure.clone());
    let same = match (&response.body, &plain.body) {
        (Body::Full(body), Body::Full(plain)) => body == plain,
        (Body::Empty, plain) => plain.is_empty(),
        // Filters work on the plain answer as on any other.
        (Body::Stream(_), _) => true,
        _ => false,
    };
    same && response.status == plain.status
}

/// The script stands before the plain answer as a middleware stands before a service.
async fn run(
    instances: &Rc<Instances>,
    id: InstanceId,
    request: Request,
    response: Response,
) -> Response {
    let failure = response.failure.clone();
    let steps = Arc::from([id]);
    let end = Rc::new(Plain(Cell::new(Some(response))));
    let mut answer = middleware::run(Rc::clone(instances), steps, end, request).await;
    answer.failure = answer.failure.or(failure);
    if let Body::Full(body) = &answer.body {
        answer.headers.insert(CONTENT_LENGTH, body.len().into());
    }
    answer
}

/// What stands behind a page's script: the plain answer, once.
struct Plain(Cell<Option<Response>>);

impl End for Plain {
    fn serve(&self, _request: Request) -> LocalFuture<'static, Response> {
        let answer = self.0.take().unwrap_or_else(|| rescue(Failure::ClientGone));
        Box::pin(std::future::ready(answer))
    }

    fn service(&self, _name: &str, _request: Request) -> Option<LocalFuture<'static, Response>> {
        None
    }

    fn fetch(
        &self,
        _client: &HttpClient,
        _origin: &str,
        _request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        let reason = "a page's script cannot send requests".to_owned();
        Err(FetchError::Client { reason })
    }

    fn connect(&self, _to: &Destination) -> LocalFuture<'static, Connected> {
        let reason = "a page's script cannot open connections".to_owned();
        Box::pin(std::future::ready(Err(FetchError::Client { reason })))
    }
}

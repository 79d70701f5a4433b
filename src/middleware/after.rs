//! The end of a request: the `log` hooks of its scripts run when the answer's body has been handed
//! over, or when the client has gone.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::Instances;
use crate::lua::{Context, Entry, InstanceId};
use crate::message::{Body, BodyError, BodyStream, Request, Response};

/// What is kept of a request until it is over.
pub(super) struct After {
    instances: Rc<Instances>,
    steps: Arc<[InstanceId]>,
    entry: Option<Entry>,
    context: Option<Rc<Context>>,
}

impl After {
    /// For a chain that has such hooks.
    pub(super) fn of(
        instances: &Rc<Instances>,
        steps: &Arc<[InstanceId]>,
        request: &Request,
    ) -> Option<Self> {
        let has_hook = |id| instances.get(id).is_some_and(|found| found.hooks().log);
        if !steps.iter().any(has_hook) {
            return None;
        }
        let entry = Entry {
            method: request.method.clone(),
            host: request.host.clone(),
            uri: request.target.bytes().clone(),
            status: 0,
            duration: std::time::Duration::ZERO,
            bytes: 0,
        };
        let (instances, steps) = (Rc::clone(instances), Arc::clone(steps));
        Some(Self { instances, steps, entry: Some(entry), context: None })
    }

    /// Waits for the end of an answer.
    pub(super) fn follow(mut self, context: &Rc<Context>, mut response: Response) -> Response {
        self.context = Some(Rc::clone(context));
        context.exchange.logging.replace(Some(Rc::default()));
        if let Some(entry) = &mut self.entry {
            entry.status = response.status.as_u16();
        }
        response.body = match response.body {
            Body::Empty => Body::Empty,
            Body::Full(bytes) => {
                self.count(bytes.len());
                Body::Full(bytes)
            }
            Body::Stream(inner) => Body::stream(Followed { inner, after: self }),
        };
        response
    }

    fn count(&mut self, bytes: usize) {
        if let Some(entry) = &mut self.entry {
            entry.bytes += bytes as u64;
        }
    }
}

impl Drop for After {
    fn drop(&mut self) {
        let (Some(mut entry), Some(context)) = (self.entry.take(), self.context.take()) else {
            return;
        };
        entry.duration = context.exchange.started.elapsed();
        let (instances, steps) = (Rc::clone(&self.instances), Arc::clone(&self.steps));
        // The answer does not wait for it.
        tokio::task::spawn_local(async move {
            for id in steps.iter() {
                if let Some(instance) = instances.get(id)
                    && instance.hooks().log
                {
                    instance.log(&context, &entry).await;
                }
            }
            if let Some(logging) = &*context.exchange.logging.borrow() {
                logging.notify_one();
            }
        });
    }
}

/// A body whose end is waited for.
struct Followed {
    inner: BodyStream,
    after: After,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.inner.as_mut().poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let bytes = data.len();
            self.after.count(bytes);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

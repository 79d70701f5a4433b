//! Functions of scripts that run beside a request and may outlive it.
//!
//! Must not know what they do.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::api::RequestObject;
use super::instance::Ended;
use super::onerror::Rescue;
use super::run::{REQUEST_OVER, RequestSlot, Run};
use super::{Context, Instance, ScriptError};
use crate::message::{Exchange, Request};

/// Functions that run beside requests on one worker.
const BESIDE_MAX: u32 = 256;
/// How long one may take, waiting included.
const LIMIT: Duration = Duration::from_mins(1);

impl Run {
    /// Lets a function run beside the request, with a copy of it; whether there is room for it.
    ///
    /// # Errors
    /// When this is no `request` hook, or when its request was sent on already.
    pub(super) fn later(&self, work: mlua::Function) -> mlua::Result<bool> {
        let over = || mlua::Error::runtime(REQUEST_OVER);
        let position = self
            .position
            .ok_or_else(|| mlua::Error::runtime("ctx.later() belongs to request hooks"))?;
        let cx = self.cx.borrow().clone().ok_or_else(over)?;
        let slot = self.request.borrow().clone().ok_or_else(over)?;
        let Some(counted) = Counted::of(&self.tools.beside) else { return Ok(false) };
        let mut request = slot.twin()?;
        let exchange = Rc::new(Exchange::new(Rc::clone(&cx.exchange.client)));
        let mut record = exchange.record.borrow_mut();
        record.router.clone_from(&cx.exchange.record.borrow().router);
        drop(record);
        request.exchange = Rc::clone(&exchange);
        let (instance, cx) = (Rc::clone(&self.instance), cx.host.fork(exchange));
        tokio::task::spawn_local(async move {
            let _counted = counted;
            let done = instance.beside(&cx, position, request, &work);
            match tokio::time::timeout(LIMIT, done).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    Rescue::new(instance.spec(), &cx, instance.tools(), "later", &error);
                }
                Err(_) => tracing::warn!(
                    middleware = &*instance.spec().name,
                    "what ran beside a request took longer than {LIMIT:?}"
                ),
            }
        });
        Ok(true)
    }
}

impl Instance {
    async fn beside(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        position: usize,
        request: Request,
        work: &mlua::Function,
    ) -> Result<(), ScriptError> {
        let loaded = self.loaded().await?;
        let run = self.new_run(Some(cx), &loaded, Some(position));
        let slot = RequestSlot::new(request, Rc::clone(self.tools()));
        run.request.replace(Some(Rc::clone(&slot)));
        let _ended = Ended(&run);
        let done = self.call(&run, work, (RequestObject(Rc::clone(&slot)), &loaded.ctx)).await;
        slot.take();
        done
    }
}

impl RequestSlot {
    /// A copy of the request; with its body when it stays here and can be sent again.
    fn twin(&self) -> mlua::Result<Request> {
        if self.stays.get() { self.send() } else { self.with(|request| Ok(request.copy())) }
    }
}

/// One of those that run.
struct Counted(Rc<Cell<u32>>);

impl Counted {
    fn of(count: &Rc<Cell<u32>>) -> Option<Self> {
        if count.get() >= BESIDE_MAX {
            return None;
        }
        count.set(count.get() + 1);
        Some(Self(Rc::clone(count)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

//! What the objects of one run of a hook point at. It is emptied when the run ends, so that an
//! object which a script keeps says so instead of showing another request.
//!
//! Must not know what scripts do with the objects.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::{AnyUserData, Value};

use super::load::Loaded;
use super::tools::Tools;
use super::{Context, Host, Limits};
use crate::message::{Body, LocalFuture, Request, Response};

/// A request while a script holds it.
pub(super) struct RequestSlot {
    pub(super) request: RefCell<Option<Request>>,
    /// `req.headers` and `req.cookies`, once they have been asked for.
    pub(super) headers: RefCell<Option<AnyUserData>>,
    pub(super) cookies: RefCell<Option<AnyUserData>>,
    pub(super) tools: Rc<Tools>,
}

/// A response while a script holds it.
pub(super) struct ResponseSlot {
    pub(super) response: RefCell<Option<Response>>,
    /// `res.headers` and `res.cookies`, once they have been asked for.
    pub(super) headers: RefCell<Option<AnyUserData>>,
    pub(super) cookies: RefCell<Option<AnyUserData>>,
    /// The body that came, once the script has replaced it.
    pub(super) replaced: RefCell<Option<Body>>,
    pub(super) tools: Rc<Tools>,
}

/// One run of a hook.
pub(super) struct Run {
    /// Empty while `setup` runs and after the run.
    pub(super) cx: RefCell<Option<Rc<Context>>>,
    pub(super) loaded: Rc<Loaded>,
    /// The middleware's name, `ctx.name`.
    pub(super) name: std::sync::Arc<str>,
    /// The limits of the middleware.
    pub(super) limits: Limits,
    /// The place in the chain, for `ctx.next()`; none in a `response` hook.
    pub(super) position: Option<usize>,
    pub(super) request: RefCell<Option<Rc<RequestSlot>>>,
    pub(super) next: RefCell<Next>,
    pub(super) tools: Rc<Tools>,
}

/// How far `ctx.next()` has come.
#[derive(Default)]
pub(super) enum Next {
    /// It was not called.
    #[default]
    Idle,
    /// What follows is running; the driver of the hook polls it, outside of Lua.
    Running(LocalFuture<'static, Response>),
    /// The answer is there and will be handed to the script.
    Answered(Box<Response>),
    /// The script holds the answer.
    Held(Rc<ResponseSlot>),
}

/// Why an object can no longer be used.
pub(super) const REQUEST_OVER: &str =
    "this request is over: req cannot be used after its hook or after ctx.next()";
/// Why an object can no longer be used.
pub(super) const RESPONSE_OVER: &str =
    "this response is over: res cannot be used after it was returned or its hook has ended";

impl RequestSlot {
    pub(super) fn new(request: Request, tools: Rc<Tools>) -> Rc<Self> {
        let (headers, cookies) = (RefCell::default(), RefCell::default());
        Rc::new(Self { request: RefCell::new(Some(request)), headers, cookies, tools })
    }

    /// Looks at the request.
    ///
    /// # Errors
    /// When it is no longer this script's.
    pub(super) fn with<R>(
        &self,
        body: impl FnOnce(&Request) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        match &*self.request.borrow() {
            Some(request) => body(request),
            None => Err(mlua::Error::runtime(REQUEST_OVER)),
        }
    }

    /// Changes the request.
    ///
    /// # Errors
    /// When it is no longer this script's.
    pub(super) fn with_mut<R>(
        &self,
        body: impl FnOnce(&mut Request) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        match &mut *self.request.borrow_mut() {
            Some(request) => body(request),
            None => Err(mlua::Error::runtime(REQUEST_OVER)),
        }
    }

    /// Takes the request out; all objects of it say from now on that it is over.
    pub(super) fn take(&self) -> Option<Request> {
        self.forget_objects();
        self.request.take()
    }

    /// Lets go of the objects that point back here.
    fn forget_objects(&self) {
        self.headers.take();
        self.cookies.take();
    }
}

impl ResponseSlot {
    pub(super) fn new(response: Response, tools: Rc<Tools>) -> Rc<Self> {
        let (headers, cookies) = (RefCell::default(), RefCell::default());
        let (response, replaced) = (RefCell::new(Some(response)), RefCell::default());
        Rc::new(Self { response, headers, cookies, replaced, tools })
    }

    /// Looks at the response.
    ///
    /// # Errors
    /// When it is no longer this script's.
    pub(super) fn with<R>(
        &self,
        body: impl FnOnce(&Response) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        match &*self.response.borrow() {
            Some(response) => body(response),
            None => Err(mlua::Error::runtime(RESPONSE_OVER)),
        }
    }

    /// Changes the response.
    ///
    /// # Errors
    /// When it is no longer this script's.
    pub(super) fn with_mut<R>(
        &self,
        body: impl FnOnce(&mut Response) -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        match &mut *self.response.borrow_mut() {
            Some(response) => body(response),
            None => Err(mlua::Error::runtime(RESPONSE_OVER)),
        }
    }

    /// Takes the response out; all objects of it say from now on that it is over.
    pub(super) fn take(&self) -> Option<Response> {
        self.headers.take();
        self.cookies.take();
        self.response.take()
    }
}

impl Run {
    /// Sends the request on to what follows.
    ///
    /// # Errors
    /// When this is no `request` hook, or when it has been sent on already.
    pub(super) fn begin_next(&self) -> mlua::Result<()> {
        let Some(position) = self.position else {
            return Err(mlua::Error::runtime("ctx.next() belongs to request hooks"));
        };
        let request = self.request.borrow().as_ref().and_then(|slot| slot.take());
        let Some(request) = request else {
            return Err(mlua::Error::runtime("ctx.next() has sent the request on already"));
        };
        let host: Rc<dyn Host> = match &*self.cx.borrow() {
            Some(cx) => Rc::clone(&cx.host),
            None => return Err(mlua::Error::runtime(REQUEST_OVER)),
        };
        self.next.replace(Next::Running(host.next(position, request)));
        Ok(())
    }

    /// Hands the answer of what follows to the script, once.
    pub(super) fn take_answer(&self) -> Option<Rc<ResponseSlot>> {
        let next = self.next.take();
        let Next::Answered(response) = next else {
            self.next.replace(next);
            return None;
        };
        let slot = ResponseSlot::new(*response, Rc::clone(&self.tools));
        self.next.replace(Next::Held(Rc::clone(&slot)));
        Some(slot)
    }

    /// The answer that `ctx.next()` brought, when the script has not passed it on.
    pub(super) fn unreturned(&self) -> Option<Response> {
        match self.next.take() {
            Next::Held(slot) => slot.take(),
            Next::Answered(response) => Some(*response),
            Next::Idle | Next::Running(_) => None,
        }
    }

    /// The table that scripts of one request share.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn vars(&self, lua: &mlua::Lua) -> mlua::Result<Value> {
        let cx = self.cx.borrow();
        let Some(cx) = &*cx else { return Err(mlua::Error::runtime(REQUEST_OVER)) };
        if let Some(table) = cx.vars.get() {
            return Ok(Value::Table(table.clone()));
        }
        let table = lua.create_table()?;
        Ok(Value::Table(cx.vars.get_or_init(|| table).clone()))
    }

    /// Counts a request of the script's own; the context of the run.
    ///
    /// # Errors
    /// In `setup`, after the run, and beyond the limit.
    pub(super) fn begin_fetch(&self) -> mlua::Result<Rc<Context>> {
        let cx = self.cx.borrow().clone();
        let cx = cx.ok_or_else(|| {
            mlua::Error::runtime("requests can be sent while a request is served, not in setup")
        })?;
        let sent = cx.fetches.get();
        if sent >= self.limits.fetches {
            let limit = self.limits.fetches;
            let text = format!("more than {limit} requests were sent for one (limits.fetches)");
            return Err(mlua::Error::runtime(text));
        }
        cx.fetches.set(sent + 1);
        Ok(cx)
    }

    /// Ends the objects of this run.
    pub(super) fn end(&self) {
        self.cx.take();
        self.next.take();
        if let Some(slot) = self.request.take() {
            slot.forget_objects();
        }
    }
}

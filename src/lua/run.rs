//! What the objects of one run of a hook point at. It is emptied when the run ends, so that an
//! object which a script keeps says so instead of showing another request.
//!
//! Must not know what scripts do with the objects.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mlua::Value;

use super::handle::{Handle, Kind, Place};
use super::load::Loaded;
use super::tools::Tools;
use super::waiting::{Came, Job};
use super::{Context, Host, Instance, Limits};
use crate::message::{Body, Kept, LocalFuture, Request, Response, Upgrade};

/// A change of a body that is made when its message leaves the script.
pub(super) type Change = Box<dyn FnOnce(Body) -> Body>;

/// A request while a script holds it.
pub(super) struct RequestSlot {
    pub(super) request: RefCell<Option<Request>>,
    /// Where handles of it point to, once a script has been given one.
    place: Cell<Option<Place>>,
    /// Changes of the body that wait for the end of the hook.
    pub(super) changes: RefCell<Vec<Change>>,
    /// The body, when it is handed out from here.
    pub(super) kept: RefCell<Option<Kept>>,
    /// Whether the request stays here when it is sent on.
    pub(super) stays: Cell<bool>,
    pub(super) tools: Rc<Tools>,
}

/// A response while a script holds it.
pub(super) struct ResponseSlot {
    pub(super) response: RefCell<Option<Response>>,
    /// Where handles of it point to, once a script has been given one.
    place: Cell<Option<Place>>,
    /// The body that came, once the script has replaced it.
    pub(super) replaced: RefCell<Option<Body>>,
    /// Changes of the body that wait for the end of the hook.
    pub(super) changes: RefCell<Vec<Change>>,
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
    /// What the hook waits for outside of Lua; the driver of the hook polls it.
    pub(super) job: RefCell<Option<Job>>,
    /// What that has come to, until the hook takes it.
    pub(super) came: RefCell<Option<Came>>,
    /// Its number among all runs.
    pub(super) number: u64,
    /// How many responses it has handed to the script, and the last of them.
    pub(super) responses: Cell<u32>,
    pub(super) response: Cell<Option<Place>>,
    /// The answer that the script holds.
    pub(super) answer: RefCell<Option<Rc<ResponseSlot>>>,
    pub(super) instance: Rc<Instance>,
    pub(super) tools: Rc<Tools>,
}

/// Responses that one run may hand to its script.
const RESPONSES_MAX: u32 = 4096;

/// Why an object can no longer be used.
pub(super) const REQUEST_OVER: &str =
    "this request is over: req cannot be used after its hook or after ctx.next()";
/// Why a request cannot be sent again.
const BODY_SENT: &str =
    "the body of the request has been sent already; req:buffer() lets it be sent again";
/// Why an object can no longer be used.
pub(super) const RESPONSE_OVER: &str =
    "this response is over: res cannot be used after it was returned or its hook has ended";

impl RequestSlot {
    pub(super) fn new(request: Request, tools: Rc<Tools>) -> Rc<Self> {
        Rc::new(Self {
            request: RefCell::new(Some(request)),
            place: Cell::default(),
            changes: RefCell::default(),
            kept: RefCell::default(),
            stays: Cell::default(),
            tools,
        })
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
        let body = self.take_body();
        self.forget_objects();
        let mut request = self.request.take()?;
        request.body = body.unwrap_or_default();
        Some(request)
    }

    /// The request to send on: itself, or a copy of it when it stays.
    ///
    /// # Errors
    /// When it was sent on already, or its body was and cannot be sent again.
    pub(super) fn send(&self) -> mlua::Result<Request> {
        let sent = || mlua::Error::runtime("ctx.next() has sent the request on already");
        if !self.stays.get() {
            return self.take().ok_or_else(sent);
        }
        if self.kept.borrow().is_none() {
            let body = self.take_body().unwrap_or_default();
            self.kept.replace(Some(Kept::of(body)));
        }
        let body = self.kept.borrow().as_ref().and_then(Kept::body);
        let body = body.ok_or_else(|| mlua::Error::runtime(BODY_SENT))?;
        let mut request = self.request.borrow_mut();
        let request = request.as_mut().ok_or_else(sent)?;
        let mut copy = request.copy();
        copy.body = body;
        copy.upgrade = share(&mut request.upgrade);
        Ok(copy)
    }

    /// Takes the body out, with all changes made.
    pub(super) fn take_body(&self) -> Option<Body> {
        let body = match self.kept.take() {
            Some(kept) => kept.body(),
            None => self.request.borrow_mut().as_mut().map(|r| std::mem::take(&mut r.body)),
        };
        let changes = self.changes.take();
        body.map(|body| changes.into_iter().fold(body, |body, change| change(body)))
    }

    /// What a script holds of it.
    ///
    /// # Errors
    /// When there are too many requests under way.
    pub(super) fn handle(self: &Rc<Self>, kind: Kind) -> mlua::Result<Handle> {
        let place = match self.place.get() {
            Some(place) => place,
            None => self.tools.requests.open(Rc::clone(self), 0).ok_or_else(too_many)?,
        };
        self.place.set(Some(place));
        Ok(place.handle(kind))
    }

    /// Ends what scripts hold of it.
    fn forget_objects(&self) {
        if let Some(place) = self.place.take() {
            self.tools.requests.close(place);
        }
    }
}

fn too_many() -> mlua::Error {
    mlua::Error::runtime("scripts hold too many requests and responses")
}

/// Lets the client's side of an upgrade go with whichever copy of the request needs it first.
fn share(upgrade: &mut Option<Upgrade>) -> Option<Upgrade> {
    let shared = Rc::new(Cell::new(Some(upgrade.take()?)));
    let [own, other] = [Rc::clone(&shared), shared].map(|shared| -> Upgrade {
        Box::pin(async move {
            match shared.take() {
                Some(upgrade) => upgrade.await,
                None => Err(std::io::ErrorKind::ConnectionAborted.into()),
            }
        })
    });
    *upgrade = Some(own);
    Some(other)
}

impl ResponseSlot {
    pub(super) fn new(response: Response, tools: Rc<Tools>) -> Rc<Self> {
        let (place, changes) = (Cell::default(), RefCell::default());
        let (response, replaced) = (RefCell::new(Some(response)), RefCell::default());
        Rc::new(Self { response, place, replaced, changes, tools })
    }

    /// What a script holds of it until the run that is under way has ended.
    ///
    /// # Errors
    /// When no hook runs, or when one makes too many responses.
    pub(super) fn handle(self: &Rc<Self>, kind: Kind) -> mlua::Result<Handle> {
        if let Some(place) = self.place.get() {
            return Ok(place.handle(kind));
        }
        match &*self.tools.current.borrow() {
            Some(run) => Ok(self.open(run)?.handle(kind)),
            None => Err(mlua::Error::runtime("a response can be made while a hook runs")),
        }
    }

    /// Lets scripts hold it until a run has ended.
    ///
    /// # Errors
    /// When the run makes too many responses.
    pub(super) fn open(self: &Rc<Self>, run: &Run) -> mlua::Result<Place> {
        run.begin_response()?;
        let place = self.tools.responses.open(Rc::clone(self), run.number);
        let place = place.ok_or_else(too_many)?;
        run.response.set(Some(place));
        self.place.set(Some(place));
        Ok(place)
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
        let body = self.take_body();
        let mut response = self.take_unchanged()?;
        response.body = body.unwrap_or_default();
        Some(response)
    }

    /// Takes the response out without the changes of its body that are still to be made.
    pub(super) fn take_unchanged(&self) -> Option<Response> {
        if let Some(place) = self.place.take() {
            self.tools.responses.close(place);
        }
        self.changes.take();
        self.response.take()
    }

    /// Takes the body out, with all changes made.
    pub(super) fn take_body(&self) -> Option<Body> {
        let body = self.response.borrow_mut().as_mut().map(|r| std::mem::take(&mut r.body));
        let changes = self.changes.take();
        body.map(|body| changes.into_iter().fold(body, |body, change| change(body)))
    }
}

impl Run {
    /// Sends the request on to what follows.
    ///
    /// # Errors
    /// When this is no `request` hook, or when it has been sent on already.
    pub(super) fn send_next(&self) -> mlua::Result<LocalFuture<'static, Response>> {
        let Some(position) = self.position else {
            return Err(mlua::Error::runtime("ctx.next() belongs to request hooks"));
        };
        let host = self.host()?;
        Ok(host.next(position, self.send()?))
    }

    /// Sends the request to a service; `None` when there is no such service. A name without
    /// provider is looked for at the middleware's own.
    ///
    /// # Errors
    /// When this is no `request` hook, or when it has been sent on already.
    pub(super) fn send_to(
        &self,
        service: &str,
    ) -> mlua::Result<Option<LocalFuture<'static, Response>>> {
        if self.position.is_none() {
            return Err(mlua::Error::runtime("ctx.service() belongs to request hooks"));
        }
        let host = self.host()?;
        let request = self.send()?;
        Ok(match (service.contains('@'), self.name.rsplit_once('@')) {
            (false, Some((_, provider))) => host.service(&format!("{service}@{provider}"), request),
            _ => host.service(service, request),
        })
    }

    fn send(&self) -> mlua::Result<Request> {
        match &*self.request.borrow() {
            Some(slot) => slot.send(),
            None => Err(mlua::Error::runtime(REQUEST_OVER)),
        }
    }

    /// The layers above.
    ///
    /// # Errors
    /// In `setup` and after the run.
    pub(super) fn host(&self) -> mlua::Result<Rc<dyn Host>> {
        match &*self.cx.borrow() {
            Some(cx) => Ok(Rc::clone(&cx.host)),
            None => Err(mlua::Error::runtime(REQUEST_OVER)),
        }
    }

    /// Counts a response that is handed to the script.
    ///
    /// # Errors
    /// When there are too many.
    fn begin_response(&self) -> mlua::Result<()> {
        if self.responses.get() >= RESPONSES_MAX {
            let text = format!("a hook can make {RESPONSES_MAX} responses at most");
            return Err(mlua::Error::runtime(text));
        }
        self.responses.set(self.responses.get() + 1);
        Ok(())
    }

    /// Hands an answer to the script.
    pub(super) fn hold(&self, response: Response) -> Rc<ResponseSlot> {
        let slot = ResponseSlot::new(response, Rc::clone(&self.tools));
        self.answer.replace(Some(Rc::clone(&slot)));
        slot
    }

    /// The answer that `ctx.next()` brought, when the script has not passed it on.
    pub(super) fn unreturned(&self) -> Option<Response> {
        self.answer.take().and_then(|slot| slot.take())
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
        self.job.take();
        self.came.take();
        self.answer.take();
        if let Some(place) = self.response.take() {
            self.tools.responses.close(place);
        }
        if self.responses.take() > 1 {
            self.tools.responses.close_all(self.number);
        }
        if let Some(slot) = self.request.take() {
            slot.forget_objects();
        }
    }
}

//! An instance of a script on one worker, and the run of its hooks.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use mlua::{FromLuaMulti, IntoLua, IntoLuaMulti, Value};

use super::api::{RequestObject, chunk, context};
use super::breaker::Breaker;
use super::call::{Call, Step};
use super::error::blame;
use super::figures::Tally;
use super::guarded::nothing_left;
use super::handle::{Handle, Kind};
use super::load::Loaded;
use super::memory::Growth;
use super::onerror::{Kept, Rescue};
use super::run::{RequestSlot, ResponseSlot, Run};
use super::shared::Scope;
use super::stream::{Filter, Passed};
use super::tools::Tools;
use super::vm::Engine;
use super::{Host, InstanceSpec, OnError, ScriptError};
use crate::message::{Body, BodyError, Exchange, Request, Response, rescue};

/// How long `setup` may take, waiting included.
const SETUP_LIMIT: Duration = Duration::from_secs(5);

/// Which messages an instance has hooks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `request` or `request_body`.
    pub request: bool,
    /// `response` or `response_body`.
    pub response: bool,
    /// `log`.
    pub log: bool,
}

/// What scripts of one request share.
pub struct Context {
    /// The exchange they run in.
    pub exchange: Rc<Exchange>,
    /// The layers above.
    pub host: Rc<dyn Host>,
    /// `ctx.vars`, once a script has asked for it.
    pub(super) vars: OnceCell<mlua::Table>,
    /// Requests that its scripts have sent themselves.
    pub(super) fetches: Cell<u32>,
}

impl Context {
    /// A fresh context.
    #[must_use]
    pub fn new(exchange: Rc<Exchange>, host: Rc<dyn Host>) -> Self {
        Self { exchange, host, vars: OnceCell::new(), fetches: Cell::new(0) }
    }
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
pub struct Instance {
    spec: Arc<InstanceSpec>,
    pub(super) engine: Rc<Engine>,
    hooks: Cell<Hooks>,
    pub(super) breaker: Breaker,
    pub(super) tally: Arc<Tally>,
    /// Keeps the shared state while the script is loaded afresh.
    _scope: Arc<Scope>,
    /// Empty after the script was stopped for its memory; the next request loads it afresh.
    loaded: RefCell<Option<Rc<Loaded>>>,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("spec", &self.spec).finish_non_exhaustive()
    }
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
        self.hooks.get()
    }

    /// Runs the `request` hook. A failure becomes what `onError` says.
    pub async fn request(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        position: usize,
        request: Request,
    ) -> Flow {
        if !self.admits() {
            return self.unrun_request(request);
        }
        let kept = Kept::of_request(&self.spec.on_error, &request);
        let held = Requested(RequestSlot::new(request, Rc::clone(&self.engine.tools)));
        let slot = &held.0;
        let outcome = self.run_request(cx, position, slot).await;
        self.note(outcome.as_ref().map_err(|(error, _)| error));
        match outcome {
            Ok(Some(response)) => Flow::Done(response),
            Ok(None) => match slot.take() {
                Some(request) => Flow::Next(self.filtered_request(cx, request)),
                None => Flow::Done(self.failed(cx, "request", &nothing_left(&self.spec))),
            },
            Err((ScriptError::Body { failure }, _)) => Flow::Done(rescue(failure)),
            Err((error, answer)) => {
                let rescue = Rescue::new(&self.spec, cx, &self.engine.tools, "request", &error);
                rescue.request(kept, slot.take(), answer)
            }
        }
    }

    /// Runs the `response` hook. A failure becomes what `onError` says.
    pub async fn response(self: &Rc<Self>, cx: &Rc<Context>, response: Response) -> Response {
        if !self.admits() {
            return self.unrun_response(response);
        }
        let kept = Kept::of_response(&self.spec.on_error, &response);
        let held = Responded(ResponseSlot::new(response, Rc::clone(&self.engine.tools)));
        let slot = &held.0;
        let outcome = self.run_response(cx, slot).await;
        self.note(outcome.as_ref());
        match outcome {
            Ok(Some(response)) => self.filtered_response(cx, response),
            Ok(None) => match slot.take() {
                Some(response) => self.filtered_response(cx, response),
                None => self.failed(cx, "response", &nothing_left(&self.spec)),
            },
            Err(error) => {
                let rescue = Rescue::new(&self.spec, cx, &self.engine.tools, "response", &error);
                rescue.response(kept, slot.replaced.take(), slot.take_unchanged())
            }
        }
    }

    /// A fresh instance, not loaded yet.
    pub(super) fn new(engine: Rc<Engine>, spec: Arc<InstanceSpec>) -> Self {
        let scope = engine.tools.scope_of(spec.id);
        let (hooks, loaded) = (Cell::default(), RefCell::default());
        let (breaker, tally) = (Breaker::default(), scope.tallies.begin());
        Self { spec, engine, hooks, breaker, tally, _scope: scope, loaded }
    }

    /// Loads the script and runs its `setup`.
    ///
    /// # Errors
    /// When it does not compile, fails or passes a limit.
    pub(super) async fn load(self: &Rc<Self>) -> Result<Rc<Loaded>, ScriptError> {
        let loaded = Rc::new(self.engine.load(&self.spec)?);
        if let Some(setup) = &loaded.setup {
            let run = self.new_run(None, &loaded, None);
            let _ended = Ended(&run);
            let arguments = (&loaded.options, &loaded.ctx);
            let call = self.call(&run, setup, arguments);
            let state = tokio::time::timeout(SETUP_LIMIT, call).await;
            let state = state.unwrap_or_else(|_| Err(self.limit("setup", SETUP_LIMIT)));
            let state = state
                .map_err(|error| ScriptError::Hook { hook: "setup", error: Box::new(error) })?;
            let (script, limits) = (&self.spec.source.name, &self.spec.limits);
            context::set_state(&loaded.ctx, &state)
                .map_err(|error| blame(script, limits, &error))?;
        }
        let request = loaded.request.is_some() || loaded.request_body.is_some();
        let response = loaded.response.is_some() || loaded.response_body.is_some();
        self.hooks.set(Hooks { request, response, log: loaded.log.is_some() });
        self.tally.holds(|| loaded.category.bytes(&self.engine.lua));
        self.loaded.replace(Some(Rc::clone(&loaded)));
        self.begin_timers(&loaded);
        Ok(loaded)
    }

    /// What is loaded; the script is loaded afresh after it was stopped.
    pub(super) async fn loaded(self: &Rc<Self>) -> Result<Rc<Loaded>, ScriptError> {
        let loaded = self.loaded.borrow().clone();
        match loaded {
            Some(loaded) => Ok(loaded),
            None => self.load().await,
        }
    }

    /// What is loaded, if it is.
    pub(super) fn loaded_now(&self) -> Option<Rc<Loaded>> {
        self.loaded.borrow().clone()
    }

    /// The VM it is loaded in.
    pub(super) fn lua(&self) -> &mlua::Lua {
        &self.engine.lua
    }

    /// The response with which the script ends the request, if it does. With an error comes the
    /// answer that `ctx.next()` had brought.
    async fn run_request(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        position: usize,
        slot: &Rc<RequestSlot>,
    ) -> Result<Option<Response>, (ScriptError, Option<Response>)> {
        let loaded = self.loaded().await.map_err(|error| (error, None))?;
        let Some(hook) = &loaded.request else { return Ok(None) };
        let run = self.new_run(Some(cx), &loaded, Some(position));
        run.request.replace(Some(Rc::clone(slot)));
        let arguments = (RequestObject(Rc::clone(slot)), &loaded.ctx);
        let _ended = Ended(&run);
        let answer = match self.call(&run, hook, arguments).await {
            Ok(value) => self.verdict("request", &value),
            Err(error) => Err(error),
        };
        match answer {
            Ok(Some(response)) => Ok(Some(response)),
            Ok(None) => Ok(run.unreturned()),
            Err(error) => Err((error, run.unreturned())),
        }
    }

    async fn run_response(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        slot: &Rc<ResponseSlot>,
    ) -> Result<Option<Response>, ScriptError> {
        let loaded = self.loaded().await?;
        let Some(hook) = &loaded.response else { return Ok(None) };
        let run = self.new_run(Some(cx), &loaded, None);
        let place = slot.open(&run);
        let place = place.map_err(|e| blame(&self.spec.source.name, &self.spec.limits, &e))?;
        let arguments = (place.handle(Kind::Response).value(), &loaded.ctx);
        let _ended = Ended(&run);
        let value = self.call(&run, hook, arguments).await?;
        self.verdict("response", &value)
    }

    pub(super) fn new_run(
        self: &Rc<Self>,
        cx: Option<&Rc<Context>>,
        loaded: &Rc<Loaded>,
        position: Option<usize>,
    ) -> Rc<Run> {
        Rc::new(Run {
            cx: RefCell::new(cx.cloned()),
            loaded: Rc::clone(loaded),
            name: Arc::clone(&self.spec.name),
            limits: self.spec.limits,
            position,
            request: RefCell::default(),
            job: RefCell::default(),
            came: RefCell::default(),
            number: self.engine.tools.run_number(),
            responses: Cell::default(),
            response: Cell::default(),
            answer: RefCell::default(),
            instance: Rc::clone(self),
            tools: Rc::clone(&self.engine.tools),
        })
    }

    /// Runs a hook with an argument beside `ctx`.
    pub(super) async fn run<T: FromLuaMulti + 'static>(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        loaded: &Rc<Loaded>,
        hook: &mlua::Function,
        argument: impl IntoLua,
    ) -> Result<T, ScriptError> {
        let run = self.new_run(Some(cx), loaded, None);
        let _ended = Ended(&run);
        self.call(&run, hook, (argument, &loaded.ctx)).await
    }

    /// What the scripts of a worker share.
    pub(super) fn tools(&self) -> &Rc<Tools> {
        &self.engine.tools
    }

    /// Lets the hook `request_body` work on the body, if there is one.
    fn filtered_request(self: &Rc<Self>, cx: &Rc<Context>, mut request: Request) -> Request {
        let loaded = self.loaded.borrow().clone();
        if let Some(loaded) = loaded
            && let Some(function) = &loaded.request_body
            && !matches!(request.body, Body::Empty)
        {
            request.headers.delete(&CONTENT_LENGTH);
            let filter = self.filter(&loaded, cx, function.clone(), "request_body");
            request.body = filter.apply(std::mem::take(&mut request.body));
        }
        request
    }

    /// Lets the hook `response_body` work on the body, if there is one.
    fn filtered_response(self: &Rc<Self>, cx: &Rc<Context>, mut response: Response) -> Response {
        let loaded = self.loaded.borrow().clone();
        if let Some(loaded) = loaded
            && let Some(function) = &loaded.response_body
            && !matches!(response.body, Body::Empty)
        {
            response.headers.delete(&CONTENT_LENGTH);
            let filter = self.filter(&loaded, cx, function.clone(), "response_body");
            response.body = filter.apply(response.body);
        }
        response
    }

    /// A function that works on a body.
    pub(super) fn filter(
        self: &Rc<Self>,
        loaded: &Rc<Loaded>,
        cx: &Rc<Context>,
        function: mlua::Function,
        hook: &'static str,
    ) -> Filter {
        let (instance, loaded, cx) = (Rc::clone(self), Rc::clone(loaded), Rc::clone(cx));
        Filter { instance, loaded, cx, function, hook }
    }

    /// Calls a function with a chunk of a body, or with its end. `onError: skip` passes on what
    /// came; any other failure ends the body.
    pub(super) async fn pass(
        self: &Rc<Self>,
        filter: &Filter,
        chunk: Option<Bytes>,
        trailers: Option<HeaderMap>,
    ) -> Result<Passed, BodyError> {
        let run = self.new_run(Some(&filter.cx), &filter.loaded, None);
        let _ended = Ended(&run);
        let passed = self.pass_on(&run, filter, chunk.as_ref(), trailers.as_ref()).await;
        passed.or_else(|error| {
            Rescue::new(&self.spec, &filter.cx, &self.engine.tools, filter.hook, &error);
            match self.spec.on_error {
                OnError::Skip => Ok(Passed { data: chunk.unwrap_or_default(), trailers }),
                _ => Err(BodyError::Script),
            }
        })
    }

    async fn pass_on(
        &self,
        run: &Rc<Run>,
        filter: &Filter,
        chunk: Option<&Bytes>,
        trailers: Option<&HeaderMap>,
    ) -> Result<Passed, ScriptError> {
        let Engine { lua, tools, .. } = &*self.engine;
        let blame = |error| blame(&self.spec.source.name, &self.spec.limits, &error);
        let ctx = &filter.loaded.ctx;
        let arguments = chunk::arguments(lua, ctx, chunk, trailers).map_err(blame)?;
        let returned = self.call(run, &filter.function, arguments).await?;
        chunk::passed(tools, returned, chunk, trailers).map_err(blame)
    }

    /// Calls a hook within its limits.
    pub(super) async fn call<T: FromLuaMulti + 'static>(
        &self,
        run: &Rc<Run>,
        hook: &mlua::Function,
        arguments: impl IntoLuaMulti,
    ) -> Result<T, ScriptError> {
        let (lua, limits, loaded) = (&self.engine.lua, &self.spec.limits, &run.loaded);
        let blame = |error: mlua::Error| blame(&self.spec.source.name, limits, &error);
        let used = Growth::allow(lua, limits.memory_bytes).map_err(blame)?;
        let mut call = Call::begin(lua, run, hook, arguments).map_err(blame)?;
        let is_timed = self.tally.is_timed();
        let ended = match self.timed(is_timed, || call.step(lua, run)) {
            Step::Ended(returned) => Ok(returned),
            Step::Failed(error) => Err(error),
            Step::Waits => {
                let driven = poll_fn(|cx| self.timed(is_timed, || call.poll(lua, run, cx)));
                match limits.wait {
                    None => driven.await,
                    Some(wait) => match tokio::time::timeout(wait, driven).await {
                        Ok(result) => result,
                        Err(_) => return Err(self.limit("a hook", wait)),
                    },
                }
            }
        };
        let result = ended.and_then(|returned| call.end(lua, run, returned));
        self.settle(loaded, used, result.map_err(blame))
    }

    /// Computes, and notes for how long where it is asked for.
    fn timed<T>(&self, is_timed: bool, compute: impl FnOnce() -> T) -> T {
        if !is_timed {
            return compute();
        }
        let began = Instant::now();
        let result = compute();
        self.tally.computed(began.elapsed());
        result
    }

    /// Looks at the memory that a run has left behind.
    pub(super) fn settle<T>(
        &self,
        loaded: &Rc<Loaded>,
        used_before: usize,
        result: Result<T, ScriptError>,
    ) -> Result<T, ScriptError> {
        let (lua, share) = (&self.engine.lua, self.spec.limits.memory_bytes);
        self.tally.holds(|| loaded.category.bytes(lua));
        let passed = matches!(&result, Err(ScriptError::Limit { .. }));
        if !loaded.growth.note(lua, used_before, share) && !passed {
            return result;
        }
        let excess = loaded.growth.excess(lua, &loaded.category, share);
        let Ok(Some(held)) = excess else { return result };
        // The run that passed the share fails; the next one finds the script loaded afresh.
        self.loaded.replace(None);
        let limit = format!("it held {held} bytes, its share is {share}; it is loaded afresh");
        Err(ScriptError::Limit { script: self.spec.source.name.to_string(), limit })
    }

    /// What a hook's return value means.
    fn verdict(&self, hook: &str, value: &Value) -> Result<Option<Response>, ScriptError> {
        let wrong = |reason: String| ScriptError::Shape {
            script: self.spec.source.name.to_string(),
            reason: format!("{hook} {reason}"),
        };
        match (value, Handle::of(value)) {
            (Value::Nil, _) => Ok(None),
            (_, Some(handle)) if handle.kind() == Kind::Response => {
                let response = self.engine.tools.responses.get(handle);
                match response.and_then(|slot| slot.take()) {
                    Some(response) => Ok(Some(response)),
                    None => Err(wrong("returned a response that was returned before".to_owned())),
                }
            }
            (_, Some(_)) => Err(wrong("must return nil or a response, not req".to_owned())),
            (other, None) => {
                let got = other.type_name();
                Err(wrong(format!("must return nil or a response such as respond(200), got {got}")))
            }
        }
    }

    fn failed(&self, cx: &Rc<Context>, hook: &'static str, error: &ScriptError) -> Response {
        Rescue::new(&self.spec, cx, &self.engine.tools, hook, error).answer()
    }

    fn limit(&self, what: &str, limit: Duration) -> ScriptError {
        let limit = format!("{what} waited longer than {limit:?}");
        ScriptError::Limit { script: self.spec.source.name.to_string(), limit }
    }
}

/// Ends the objects of a run, also when its future is dropped in the middle.
pub(super) struct Ended<'a>(pub(super) &'a Run);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Ends the objects of a request, also when its future is dropped in the middle.
struct Requested(Rc<RequestSlot>);

impl Drop for Requested {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// Ends the objects of a response, also when its future is dropped in the middle.
struct Responded(Rc<ResponseSlot>);

impl Drop for Responded {
    fn drop(&mut self) {
        self.0.take();
    }
}

//! A script under test in a VM of its own, and the world around it, which the test plays.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{AnyUserData, Function, Lua, Table, UserData, UserDataMethods, Value};

use super::machine::Played;
use super::probe::{Clock, Counting, Probe};
use super::{Coverage, Find, bench, message};
use crate::lua::api::json;
use crate::lua::{
    Admittance, Connected, Context, Destination, Entry, FetchError, Flow, Handshake, Host,
    HttpClient, Instance, InstanceId, InstanceSpec, Limits, Machine, ScriptError, Shared, Task, Vm,
    inspect, limits, on_error, settings,
};
use crate::message::{Client, Exchange, Failure, LocalFuture, Request, Response, rescue};
use crate::schema::Source;

/// What the scripts of one test file have in common.
pub(super) struct Stage {
    find: Find,
    counting: Counting,
    pub(super) clock: Rc<Clock>,
    pub(super) coverage: RefCell<Coverage>,
}

impl Stage {
    pub(super) fn new(find: Find, counting: Counting, clock: Rc<Clock>) -> Self {
        Self { find, counting, clock, coverage: RefCell::default() }
    }

    /// Loads a script with what the test says of it.
    ///
    /// # Errors
    /// When there is no such script, or it cannot be used with these options.
    pub(super) async fn open(
        self: &Rc<Self>,
        lua: &Lua,
        name: &str,
        calls: Table,
    ) -> mlua::Result<AnyUserData> {
        if let Some(now) = calls.raw_get::<Option<f64>>("now")? {
            self.clock.set(now);
        }
        let source = (self.find)(name).map_err(mlua::Error::runtime)?;
        let info = inspect(&source).map_err(mlua::Error::external)?;
        let options = json::from_lua(&calls.raw_get("options")?)?;
        let decoded = info.schema.decode(&options, Source::File).map_err(|problems| {
            let told = problems.iter().map(|p| format!("{}: {}", p.path, p.reason));
            mlua::Error::runtime(told.collect::<Vec<_>>().join("; "))
        })?;
        let kind = |key: &str| json::from_lua(&calls.raw_get(key)?);
        let limits = given(&kind("limits")?, limits)?;
        // Test machines are slow at times; a test that is about the limit names it.
        let cpu =
            if calls.raw_get::<Value>("limits")?.is_nil() { super::TEST_CPU } else { limits.cpu };
        let middleware: String = calls.raw_get("name")?;
        let spec = InstanceSpec {
            id: InstanceId(0),
            name: format!("{middleware}@test").into(),
            source: Arc::new(source),
            options: Arc::new(decoded.options),
            limits: Limits { cpu, ..limits },
            on_error: given(&kind("on_error")?, on_error)?,
        };
        let probe = Rc::new(Probe::new(self.counting, Rc::clone(&self.clock)));
        let shared = Shared::new();
        let vm = Vm::watched(Arc::clone(&shared), Rc::clone(&probe));
        let vm = vm.map_err(mlua::Error::external)?;
        let world = Rc::new(World::new(lua.clone(), calls)?);
        vm.work_in(Rc::new(Side(Rc::clone(&world))));
        let instance = vm.instance(&Arc::new(spec)).await;
        let handle = Handle {
            instance: instance.map_err(mlua::Error::external)?,
            world,
            probe,
            stage: Rc::clone(self),
            shared,
        };
        lua.create_userdata(handle)
    }
}

impl Stage {
    /// Runs a script of the provider `script`.
    ///
    /// # Errors
    /// When there is no such script, or it returns no configuration.
    pub(super) fn settings(
        &self,
        lua: &Lua,
        name: &str,
        variables: HashMap<String, String>,
    ) -> mlua::Result<Value> {
        let source = (self.find)(name).map_err(mlua::Error::runtime)?;
        let environment = Rc::new(move |name: &str| variables.get(name).cloned());
        let told = |error: ScriptError| mlua::Error::runtime(error.to_string());
        json::to_lua(lua, &settings(&source, environment).map_err(told)?)
    }
}

/// Reads what stands beside a middleware's kind.
fn given<T>(
    value: &serde_json::Value,
    read: fn(Option<&serde_json::Value>) -> Result<T, String>,
) -> mlua::Result<T> {
    read(Some(value).filter(|value| !value.is_null())).map_err(mlua::Error::runtime)
}

/// A loaded script, as the harness holds it.
struct Handle {
    instance: Rc<Instance>,
    world: Rc<World>,
    probe: Rc<Probe>,
    stage: Rc<Stage>,
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        for (script, chunk) in self.probe.chunks.take() {
            self.stage.coverage.borrow_mut().count(&script, &chunk);
        }
    }
}

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("send", |lua, this, raw: Table| async move {
            this.send(&lua, message::request(&raw)?).await
        });
        methods.add_async_method("connect", |lua, this, raw: Table| async move {
            let context = this.context(message::exchange(&raw)?);
            let admitted = this.instance.stream(&context).await;
            let result = lua.create_table()?;
            result.raw_set("closed", admitted == Admittance::Closed)?;
            result.raw_set("error", this.probe.failures.borrow_mut().pop())?;
            Ok(result)
        });
        methods.add_async_method("handshake", |lua, this, raw: Table| async move {
            let context = this.context(message::exchange(&raw)?);
            let became = this.instance.handshake(&context, message::offer(&raw)?).await;
            let result = lua.create_table()?;
            result.raw_set("closed", became == Handshake::Closed)?;
            if let Handshake::Named(name) = became {
                result.raw_set("certificate", name)?;
            }
            result.raw_set("error", this.probe.failures.borrow_mut().pop())?;
            Ok(result)
        });
        methods.add_async_method(
            "bench",
            |lua, this, (request, response): (Table, Table)| async move {
                let context = |request: &Request| this.context(Rc::clone(&request.exchange));
                bench::measure(&lua, &this.instance, &context, &request, &response).await
            },
        );
        methods.add_async_method(
            "perform",
            |lua, this, (hook, argument): (String, Value)| async move {
                this.perform(&lua, &hook, &argument).await
            },
        );
        methods.add_method("metrics", |_, this, ()| Ok(this.shared.meters().prometheus()));
        methods.add_method("logs", |lua, this, ()| {
            let lines = lua.create_table()?;
            for line in this.probe.lines.borrow().iter() {
                let row = lua.create_table()?;
                row.raw_set("level", line.level)?;
                row.raw_set("message", &*line.message)?;
                if let Ok(fields) = serde_json::from_str(&line.fields) {
                    row.raw_set("fields", json::to_lua(lua, &fields)?)?;
                }
                lines.raw_push(row)?;
            }
            Ok(lines)
        });
    }
}

impl Handle {
    fn context(&self, exchange: Rc<crate::message::Exchange>) -> Rc<Context> {
        Rc::new(Context::new(exchange, Rc::new(Side(Rc::clone(&self.world)))))
    }

    /// Sends a request through the script, to the test's server and back.
    async fn send(&self, lua: &Lua, request: Request) -> mlua::Result<Table> {
        let began = self.stage.clock.elapsed();
        self.world.reset(lua)?;
        let exchange = Rc::clone(&request.exchange);
        let context = self.context(Rc::clone(&exchange));
        let mut entry = Entry {
            method: request.method.clone(),
            host: request.host.clone(),
            uri: request.target.bytes().clone(),
            status: 0,
            duration: Duration::ZERO,
            bytes: 0,
        };
        let response = self.pass(&context, request).await;
        let result = message::result(lua, response).await?;
        if self.instance.hooks().log {
            entry.status = result.raw_get("status")?;
            entry.bytes = result
                .raw_get::<Option<mlua::LuaString>>("body")?
                .map_or(0, |body| body.as_bytes().len() as u64);
            entry.duration = Duration::from_secs_f64(self.stage.clock.elapsed() - began);
            self.instance.log(&context, &entry).await;
        }
        if let Some(problem) = self.world.problem.take() {
            return Err(mlua::Error::runtime(problem));
        }
        result.raw_set("upstream", self.world.seen.borrow().clone())?;
        result.raw_set("fetched", self.world.fetched.borrow().clone())?;
        result.raw_set("error", self.probe.failures.take().pop())?;
        result.raw_set("took", self.stage.clock.elapsed() - began)?;
        result.raw_set("user", exchange.record.borrow().user.clone())?;
        result.raw_set("vars", vars(lua, &context)?)?;
        // What is held until the exchange ends, such as a place in a limit, ends here.
        exchange.held.take();
        Ok(result)
    }

    /// Runs a hook that works for no request, on a machine that the test plays.
    async fn perform(&self, lua: &Lua, hook: &str, argument: &Value) -> mlua::Result<Table> {
        self.world.reset(lua)?;
        let task = Task::ALL.into_iter().find(|task| task.name() == hook);
        let task = task.ok_or_else(|| mlua::Error::runtime(format!("no task is {hook:?}")))?;
        let context = self.context(Rc::new(Exchange::new(Rc::new(Client::nobody()))));
        let argument = json::from_lua(argument)?;
        let outcome = self.instance.perform(&context, task, &argument).await;
        if let Some(problem) = self.world.problem.take() {
            return Err(mlua::Error::runtime(problem));
        }
        let result = lua.create_table()?;
        result.raw_set("error", outcome.err().map(|error| error.to_string()))?;
        result.raw_set("fetched", self.world.fetched.borrow().clone())?;
        Ok(result)
    }

    async fn pass(&self, context: &Rc<Context>, request: Request) -> Response {
        let hooks = self.instance.hooks();
        let request = match hooks.request {
            false => request,
            true => match self.instance.request(context, 0, request).await {
                Flow::Next(request) => request,
                Flow::Done(response) => return response,
            },
        };
        let response = context.host.next(0, request).await;
        match hooks.response {
            true => self.instance.response(context, response).await,
            false => response,
        }
    }
}

/// `ctx.vars`, as far as it is plain data.
fn vars(lua: &Lua, context: &Context) -> mlua::Result<Value> {
    match context.vars.get() {
        Some(table) => match json::from_lua(&Value::Table(table.clone())) {
            Ok(plain) => json::to_lua(lua, &plain),
            Err(_) => Ok(Value::Nil),
        },
        None => Ok(Value::Nil),
    }
}

/// What the test plays.
struct World {
    lua: Lua,
    calls: Table,
    seen: RefCell<Table>,
    fetched: RefCell<Table>,
    /// What went wrong in the test's own functions.
    problem: Cell<Option<String>>,
}

impl World {
    fn new(lua: Lua, calls: Table) -> mlua::Result<Self> {
        let (seen, fetched) = (lua.create_table()?, lua.create_table()?);
        let (seen, fetched) = (RefCell::new(seen), RefCell::new(fetched));
        Ok(Self { lua, calls, seen, fetched, problem: Cell::default() })
    }

    fn reset(&self, lua: &Lua) -> mlua::Result<()> {
        self.seen.replace(lua.create_table()?);
        self.fetched.replace(lua.create_table()?);
        self.problem.take();
        Ok(())
    }

    /// A server's answer to a request: what a function of the harness says.
    async fn answer(
        &self,
        function: &str,
        name: Option<String>,
        scheme: &str,
        request: Request,
    ) -> mlua::Result<Response> {
        let log = if function == "fetch" { &self.fetched } else { &self.seen };
        let raw = message::seen(&self.lua, scheme, request).await?;
        log.borrow().raw_push(&raw)?;
        let handler: Function = self.calls.raw_get(function)?;
        let answer: Option<Table> = match &name {
            Some(name) => handler.call_async((name.as_str(), &raw)).await?,
            None => handler.call_async(&raw).await?,
        };
        let Some(answer) = answer else {
            let name = name.unwrap_or_default();
            let text = format!("the script asks {name}, which the test says nothing of (fetch)");
            return Err(mlua::Error::runtime(text));
        };
        let delay = message::delay(&answer)?;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        message::response(&answer)
    }

    /// As an answer whatever happens; a problem of the test's own is told when the request ends.
    fn told(&self, answer: mlua::Result<Response>) -> Response {
        answer.unwrap_or_else(|error| {
            self.problem.set(Some(crate::lua::error::words(&error)));
            rescue(Failure::NoServer)
        })
    }
}

/// The world as the script's host.
struct Side(Rc<World>);

impl Host for Side {
    fn next(&self, _position: usize, request: Request) -> LocalFuture<'static, Response> {
        let world = Rc::clone(&self.0);
        Box::pin(async move {
            let scheme = request.exchange.client.scheme();
            world.told(world.answer("upstream", None, scheme, request).await)
        })
    }

    fn service(&self, name: &str, request: Request) -> Option<LocalFuture<'static, Response>> {
        let services: Table = self.0.calls.raw_get("services").ok()?;
        let short = name.strip_suffix("@test").unwrap_or(name).to_owned();
        if !services.contains_key(short.as_str()).ok()? {
            return None;
        }
        let world = Rc::clone(&self.0);
        Some(Box::pin(async move {
            let scheme = request.exchange.client.scheme();
            world.told(world.answer("service", Some(short), scheme, request).await)
        }))
    }

    fn fetch(
        &self,
        _client: &HttpClient,
        origin: &str,
        request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        let Some((scheme, _)) = origin.split_once("://") else {
            return Err(FetchError::Url { reason: format!("{origin} has no scheme") });
        };
        let (world, scheme) = (Rc::clone(&self.0), scheme.to_owned());
        let url = format!("{origin}{}", request.target.as_str());
        Ok(Box::pin(
            async move { world.told(world.answer("fetch", Some(url), &scheme, request).await) },
        ))
    }

    fn fork(&self, exchange: Rc<Exchange>) -> Rc<Context> {
        Rc::new(Context::new(exchange, Rc::new(Self(Rc::clone(&self.0)))))
    }

    fn connect(&self, to: &Destination) -> LocalFuture<'static, Connected> {
        let reason = format!("tests connect to nothing, and so not to {}", to.address);
        Box::pin(std::future::ready(Err(FetchError::Client { reason })))
    }

    fn machine(&self) -> Option<Rc<dyn Machine>> {
        let world = &self.0;
        Some(Rc::new(Played { calls: world.calls.clone() }))
    }
}

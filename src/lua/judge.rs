//! The hooks `match` and `balance`, which look at a request and decide at once: they cannot wait.
//!
//! Must not know rules or services.

use std::rc::Rc;

use mlua::{FromLuaMulti, Function, IntoLuaMulti, Table, Value};

use super::api::RequestObject;
use super::error::blame;
use super::load::Loaded;
use super::memory::Growth;
use super::onerror::Rescue;
use super::run::{RequestSlot, Run};
use super::{Connected, Context, Destination, FetchError, Host, HttpClient, Instance, ScriptError};
use crate::message::{Failure, LocalFuture, Request, Response, rescue};

/// What a script says of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Requests with equal keys go to the same server.
    Key(Vec<u8>),
    /// The server at that place, counted from 0.
    Place(usize),
}

/// A server as `balance` sees it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its URL.
    pub url: &'a str,
    /// Its share.
    pub weight: u32,
    /// Whether requests may be sent to it.
    pub is_up: bool,
}

impl Instance {
    /// What the hook `match` says of a request; no where it fails, which is logged.
    pub fn judge(self: &Rc<Self>, request: Request) -> bool {
        let outcome = self.ask(request, "match", |loaded| loaded.judge.as_ref(), |_, _| Ok(()));
        let outcome = outcome.and_then(|value| match value {
            Value::Nil => Ok(false),
            Value::Boolean(says) => Ok(says),
            other => {
                self.wrong("match", "true or false", &other);
                Err(())
            }
        });
        outcome.unwrap_or_default()
    }

    /// Which server the hook `balance` wants a request to go to; none where it says nothing or
    /// fails, which is logged.
    pub fn balance(self: &Rc<Self>, request: Request, servers: &[Candidate<'_>]) -> Option<Pick> {
        let outcome = self.ask(
            request,
            "balance",
            |loaded| loaded.balance.as_ref(),
            |lua, arguments| {
                arguments.push_back(Value::Table(table(lua, servers)?));
                Ok(())
            },
        );
        let place = |number: i64| {
            let place = usize::try_from(number).ok()?.checked_sub(1)?;
            (place < servers.len()).then_some(Pick::Place(place))
        };
        match outcome {
            Ok(Value::Nil) | Err(()) => None,
            Ok(Value::String(key)) => Some(Pick::Key(key.as_bytes().to_vec())),
            Ok(Value::Integer(number)) => place(number),
            #[allow(clippy::cast_possible_truncation, reason = "a place is a whole number")]
            Ok(Value::Number(number)) if number.fract() == 0.0 => place(number as i64),
            Ok(other) => {
                self.wrong("balance", "a key or a place in servers", &other);
                None
            }
        }
    }

    /// Calls a hook that cannot wait with a request, which is not sent anywhere.
    fn ask(
        self: &Rc<Self>,
        request: Request,
        hook: &'static str,
        pick: impl Fn(&Loaded) -> Option<&Function>,
        more: impl FnOnce(&mlua::Lua, &mut mlua::MultiValue) -> mlua::Result<()>,
    ) -> Result<Value, ()> {
        let cx = Rc::new(Context::new(Rc::clone(&request.exchange), Rc::new(Nobody)));
        let Some(loaded) = self.loaded_now() else {
            // It was stopped for its memory. Loading may wait, which this hook cannot.
            let instance = Rc::clone(self);
            tokio::task::spawn_local(async move {
                if let Err(error) = instance.loaded().await {
                    tracing::error!(%error, hook, "a script could not be loaded afresh");
                }
            });
            return Err(());
        };
        let Some(function) = pick(&loaded) else { return Err(()) };
        let run = self.new_run(Some(&cx), &loaded, None);
        let slot = RequestSlot::new(request, Rc::clone(self.tools()));
        run.request.replace(Some(Rc::clone(&slot)));
        let outcome = self.call_at_once(&run, function, |lua| {
            let object = RequestObject(Rc::clone(&slot));
            let mut arguments = (object, &loaded.ctx).into_lua_multi(lua)?;
            more(lua, &mut arguments)?;
            Ok(arguments)
        });
        run.end();
        slot.take();
        outcome.map_err(|error| {
            Rescue::new(self.spec(), &cx, self.tools(), hook, &error);
        })
    }

    /// Calls a hook within its limits, on the main coroutine, which cannot be suspended.
    fn call_at_once<T: FromLuaMulti>(
        self: &Rc<Self>,
        run: &Rc<Run>,
        hook: &Function,
        arguments: impl FnOnce(&mlua::Lua) -> mlua::Result<mlua::MultiValue>,
    ) -> Result<T, ScriptError> {
        let (lua, limits) = (self.lua(), &self.spec().limits);
        let blame = |error: mlua::Error| blame(&self.spec().source.name, limits, &error);
        let used = Growth::allow(lua, limits.memory_bytes).map_err(blame)?;
        let tools = self.tools();
        let arguments = arguments(lua).map_err(blame)?;
        let outer = tools.current.replace(Some(Rc::clone(run)));
        let called = || tools.gate.run(limits.cpu, || hook.call::<T>(arguments));
        let result = run.loaded.category.within(lua, called).and_then(|value| value);
        tools.current.replace(outer);
        self.settle(&run.loaded, used, result.map_err(blame))
    }

    /// Tells of a value that the hook must not return.
    fn wrong(&self, hook: &'static str, expected: &str, got: &Value) {
        let (script, got) = (&*self.spec().source.name, got.type_name());
        tracing::error!(script, hook, expected, got, "a script returned something else");
    }
}

fn table(lua: &mlua::Lua, servers: &[Candidate<'_>]) -> mlua::Result<Table> {
    let all = lua.create_table_with_capacity(servers.len(), 0)?;
    for server in servers {
        let entry = lua.create_table_with_capacity(0, 3)?;
        entry.raw_set("url", server.url)?;
        entry.raw_set("weight", server.weight)?;
        entry.raw_set("up", server.is_up)?;
        all.raw_push(entry)?;
    }
    Ok(all)
}

/// A request that is looked at goes nowhere.
struct Nobody;

impl Host for Nobody {
    fn next(&self, _position: usize, _request: Request) -> LocalFuture<'static, Response> {
        Box::pin(std::future::ready(rescue(Failure::ClientGone)))
    }

    fn fetch(
        &self,
        _client: &HttpClient,
        _origin: &str,
        _request: Request,
    ) -> Result<LocalFuture<'static, Response>, FetchError> {
        Err(FetchError::Client { reason: "this hook cannot send requests".to_owned() })
    }

    fn connect(&self, _to: &Destination) -> LocalFuture<'static, Connected> {
        let reason = "this hook cannot open connections".to_owned();
        Box::pin(std::future::ready(Err(FetchError::Client { reason })))
    }
}

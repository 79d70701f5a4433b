//! Functions that scripts wait in. What such a function waits for is polled outside of the VM, by
//! whoever drives the hook, and dropped with it.
//!
//! Must not know what is waited for.

use std::rc::Rc;

use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, MultiValue};

use super::raw;
use super::run::Run;
use crate::message::LocalFuture;

/// What a hook waits for.
pub(super) type Job = LocalFuture<'static, Came>;

/// What a job has come to, as the values that the function returns.
pub(super) type Came = Box<dyn FnOnce(&Lua) -> mlua::Result<MultiValue>>;

/// Begins what is waited for, suspends the hook, and returns what came.
const WAIT: &str = r"
local begin, yield, finish = ...
return function(...)
  begin(...)
  yield()
  return finish()
end
";

/// A function that may wait.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn function<A, F, R>(
    lua: &Lua,
    call: impl Fn(Lua, A) -> F + 'static,
) -> mlua::Result<Function>
where
    A: FromLuaMulti,
    F: Future<Output = mlua::Result<R>> + 'static,
    R: IntoLuaMulti + 'static,
{
    let begin = lua.create_function(move |lua, arguments: A| {
        let run = running(lua)?;
        run.tools.gate.may_wait(lua)?;
        let future = call(lua.clone(), arguments);
        run.job.replace(Some(Box::pin(async move {
            let result = future.await;
            let came: Came = Box::new(move |lua| result?.into_lua_multi(lua));
            came
        })));
        Ok(())
    })?;
    let finish = lua.create_function(|lua, ()| {
        let came = running(lua)?.came.take();
        match came {
            Some(came) => came(lua),
            None => Err(mlua::Error::runtime("nothing was waited for")),
        }
    })?;
    let suspend = lua.globals().get::<mlua::Table>("coroutine")?.get::<Function>("yield")?;
    lua.load(WAIT).set_name("=wait").call((begin, suspend, finish))
}

/// The run of the hook that calls.
fn running(lua: &Lua) -> mlua::Result<Rc<Run>> {
    let tools = raw::tools(lua)?;
    let run = tools.current.borrow().clone();
    if run.is_none() {
        tools.gate.may_wait(lua)?;
    }
    run.ok_or_else(|| mlua::Error::runtime("no request runs"))
}

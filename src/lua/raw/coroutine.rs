//! The run of a function on a coroutine that is used again and again.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};

use mlua::{FromLuaMulti, Function, IntoLuaMulti, Lua, Thread, ffi};

/// Coroutines kept for reuse.
const KEPT_MAX: usize = 128;
/// Arguments that a function may be started with.
const ARGUMENTS_MAX: c_int = 8;

/// The coroutines of a VM that are not in use.
#[derive(Default)]
pub(in crate::lua) struct Coroutines {
    idle: RefCell<Vec<Thread>>,
}

/// A coroutine with a function on it. One that is dropped before its end is not used again.
pub(in crate::lua) struct Coroutine {
    thread: Thread,
    /// Values for the next step.
    pushed: c_int,
}

/// How a step has ended.
pub(in crate::lua) enum Outcome {
    /// The function has returned this many values.
    Returned(c_int),
    /// It is suspended; `pending` when a future of the typed binding has it wait.
    Suspended { pending: bool },
    /// It has failed.
    Failed(mlua::Error),
}

impl Coroutines {
    /// Puts a function and its arguments on a coroutine, whose objects are of a memory category.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(in crate::lua) fn begin(
        &self,
        lua: &Lua,
        category: c_int,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> mlua::Result<Coroutine> {
        let idle = self.idle.borrow_mut().pop();
        let thread = match idle {
            Some(thread) => thread,
            None => fresh(lua, function)?,
        };
        let pushed = lua.exec_raw_lua(|raw| {
            let (from, l) = (raw.state(), thread.state());
            // SAFETY: the coroutine is idle, so it has room for 20 values, and so has its caller
            // once that was asked for. Values move between coroutines of one VM.
            unsafe {
                if ffi::lua_checkstack(from, ARGUMENTS_MAX + 1) == 0 {
                    return Err(mlua::Error::StackError);
                }
                let top = ffi::lua_gettop(from);
                raw.push(function)?;
                match arguments.push_into_stack_multi(raw) {
                    Ok(pushed) if pushed <= ARGUMENTS_MAX => {
                        ffi::lua_setmemcat(l, category);
                        ffi::lua_xmove(from, l, pushed + 1);
                        Ok(pushed)
                    }
                    Ok(_) => {
                        ffi::lua_settop(from, top);
                        Err(mlua::Error::StackError)
                    }
                    Err(error) => {
                        ffi::lua_settop(from, top);
                        Err(error)
                    }
                }
            }
        })?;
        Ok(Coroutine { thread, pushed })
    }

    /// Takes what a function has returned and keeps its coroutine for another.
    ///
    /// # Errors
    /// When the values are not of the types asked for.
    pub(in crate::lua) fn end<R: FromLuaMulti>(
        &self,
        lua: &Lua,
        coroutine: Coroutine,
        returned: c_int,
    ) -> mlua::Result<R> {
        let Coroutine { thread, .. } = coroutine;
        let result = lua.exec_raw_lua(|raw| {
            let (to, l) = (raw.state(), thread.state());
            let returned = returned.min(ARGUMENTS_MAX);
            // SAFETY: the coroutine has ended and holds what it returned, nothing else.
            unsafe {
                if ffi::lua_checkstack(to, ARGUMENTS_MAX + 2) == 0 {
                    return Err(mlua::Error::StackError);
                }
                let top = ffi::lua_gettop(to);
                ffi::lua_settop(l, returned);
                ffi::lua_xmove(l, to, returned);
                let result = R::from_stack_multi(returned, raw);
                ffi::lua_settop(to, top);
                result
            }
        });
        let mut idle = self.idle.borrow_mut();
        if idle.len() < KEPT_MAX {
            idle.push(thread);
        }
        result
    }
}

/// A coroutine that has nothing on its stack.
fn fresh(lua: &Lua, function: &Function) -> mlua::Result<Thread> {
    let thread = lua.create_thread(function.clone())?;
    // SAFETY: it has not begun, so there is only the function on it.
    unsafe { ffi::lua_settop(thread.state(), 0) };
    Ok(thread)
}

impl Coroutine {
    /// Where the VM keeps it.
    pub(in crate::lua) fn address(&self) -> *const c_void {
        self.thread.state().cast()
    }

    /// The coroutine as the typed binding knows it.
    pub(in crate::lua) fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Runs it until it ends or is suspended.
    pub(in crate::lua) fn resume(&mut self, lua: &Lua) -> Outcome {
        let l = self.thread.state();
        let pushed = std::mem::take(&mut self.pushed);
        let (status, top) = lua.exec_raw_lua(|raw| {
            // SAFETY: the coroutine is idle or suspended, and the values for it are on its stack.
            // Errors end in the VM and are told by the status.
            unsafe {
                let status = ffi::lua_resume_(l, raw.state(), pushed);
                (status, ffi::lua_gettop(l))
            }
        });
        match status {
            ffi::LUA_OK => Outcome::Returned(top),
            ffi::LUA_YIELD => {
                // SAFETY: it is suspended; what it yielded is on its stack, and is not wanted.
                let pending = unsafe {
                    let pending = Lua::poll_pending().0;
                    let pending = top == 1 && ffi::lua_tolightuserdata(l, 1) == pending;
                    ffi::lua_settop(l, 0);
                    pending
                };
                Outcome::Suspended { pending }
            }
            status => Outcome::Failed(failure(lua, l, status)),
        }
    }
}

/// The error on top of a coroutine that has failed, with where it came from.
fn failure(lua: &Lua, l: *mut ffi::lua_State, status: c_int) -> mlua::Error {
    // SAFETY: the error is on top of the coroutine; the closure owns nothing.
    let value = unsafe {
        lua.exec_raw::<mlua::Value>((), |to| {
            ffi::lua_xmove(l, to, 1);
            if ffi::lua_type(to, -1) != ffi::LUA_TUSERDATA {
                ffi::luaL_tolstring(to, -1, std::ptr::null_mut());
                ffi::lua_remove(to, -2);
                if status != ffi::LUA_ERRMEM {
                    let text = ffi::lua_tolstring(to, -1, std::ptr::null_mut());
                    ffi::luaL_traceback(to, l, text, 0);
                    ffi::lua_remove(to, -2);
                }
            }
        })
    };
    match value {
        Ok(mlua::Value::Error(error)) => *error,
        Ok(mlua::Value::String(text)) if status == ffi::LUA_ERRMEM => {
            mlua::Error::MemoryError(text.to_string_lossy())
        }
        Ok(mlua::Value::String(text)) => mlua::Error::RuntimeError(text.to_string_lossy()),
        Ok(other) => mlua::Error::runtime(format!("an error that is a {}", other.type_name())),
        Err(error) => error,
    }
}

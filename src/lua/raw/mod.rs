//! The VM's C interface, used directly where the typed binding costs more than the script: the run
//! of a hook, the interrupt, and the objects that every script touches.
//!
//! This is the only module with `unsafe` code. What pays for it was measured on a hook that sets
//! two headers: the typed binding takes some 22,000 instructions of it, this one a tenth.
//!
//! What it keeps, in every function that the VM calls:
//!
//! - **No destructor is skipped.** The VM raises errors by unwinding through its callers. All that
//!   owns something lives in a safe inner function which returns a plain number, a handle or a
//!   word (`Step`); only after it has returned does the outer one, which owns nothing, call what
//!   may raise. Text goes from one to the other in a buffer of the VM's state.
//! - **No panic enters the VM.** The inner function runs under `catch_unwind`; a panic becomes an
//!   error of the script.
//! - **Nothing dangles.** Scripts hold handles, not pointers; a handle of a message that is over
//!   finds nothing. Text of a script is borrowed while it lies on the stack of the call that
//!   brought it, and nothing that borrows it can run Lua.
//! - **The state outlives its users.** It is data of the VM, so it is dropped after the VM's
//!   objects; its address is the user data of the VM's main thread, which nothing else sets.
//!
//! Must not know what the functions it calls are for.

#![allow(unsafe_code)]

mod coroutine;
mod functions;
mod interrupt;
mod objects;
mod stack;

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mlua::{Lua, ffi};

use super::error::words;
use super::handle::{Handle, KINDS};
use super::tools::Tools;

pub(super) use coroutine::{Coroutine, Coroutines, Outcome};
pub(super) use functions::{Called, Quick, function, pairs};
pub(super) use interrupt::{bytes_of_category, is_yieldable};
pub(super) use objects::{Dispatch, Entry};
pub(super) use stack::{Arg, Args, Name, Out};

use stack::Value;

/// A value that the VM keeps for the raw functions, by its number in the VM's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept(std::ffi::c_int);

/// A buffer that has grown beyond this is not kept.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// What the raw functions of one VM work with.
struct State {
    tools: Rc<Tools>,
    /// What the objects of each kind can do.
    dispatch: [RefCell<Option<Rc<Dispatch>>>; KINDS.len()],
    functions: RefCell<Vec<Rc<Quick>>>,
    /// The text of an answer or of an error.
    buffer: RefCell<Vec<u8>>,
    /// Whether the metatable of handles is there.
    is_installed: Cell<bool>,
}

/// What a function called by the VM does when all that it owned is gone.
#[derive(Clone, Copy)]
enum Step {
    /// It returns a value.
    Push(Value),
    /// It returns something that the VM keeps.
    Kept(Kept),
    /// It calls a kept function with the same arguments.
    Call(Kept),
    /// It raises an error with the text in the buffer.
    Raise,
}

/// Readies a VM for the raw functions.
///
/// # Errors
/// Never, since the VM is ours.
pub(super) fn prepare(lua: &Lua, tools: &Rc<Tools>) {
    let state = Rc::new(State {
        tools: Rc::clone(tools),
        dispatch: Default::default(),
        functions: RefCell::default(),
        buffer: RefCell::default(),
        is_installed: Cell::default(),
    });
    lua.set_app_data(Rc::clone(tools));
    let address = Rc::as_ptr(&state).cast_mut().cast();
    lua.set_app_data(state);
    lua.exec_raw_lua(|raw| {
        // SAFETY: the main thread is there as long as the VM is, and the state as well: app data
        // of a type that only this module can name is never taken out.
        unsafe {
            let main = ffi::lua_mainthread(raw.state());
            ffi::lua_setthreaddata(main, address);
            let callbacks = ffi::lua_callbacks(main);
            (*callbacks).useratom = Some(interrupt::atom);
            (*callbacks).interrupt = Some(interrupt::interrupt);
        }
    });
}

/// The tools of a VM.
///
/// # Errors
/// When the VM was made without them.
pub(super) fn tools(lua: &Lua) -> mlua::Result<Rc<Tools>> {
    let tools = lua.app_data_ref::<Rc<Tools>>().map(|tools| Rc::clone(&tools));
    tools.ok_or_else(|| mlua::Error::runtime("this is no VM of scripts"))
}

/// The state of a VM, for what is set up from outside of it.
fn state(lua: &Lua) -> mlua::Result<Rc<State>> {
    let state = lua.app_data_ref::<Rc<State>>().map(|state| Rc::clone(&state));
    state.ok_or_else(|| mlua::Error::runtime("this is no VM of scripts"))
}

/// Keeps a value for the raw functions, as long as the VM lives.
///
/// # Errors
/// When there is no memory for it.
fn keep(lua: &Lua, value: impl mlua::IntoLua) -> mlua::Result<Kept> {
    let mut kept = Kept(ffi::LUA_NOREF);
    // SAFETY: the value is on the stack; the closure owns nothing.
    unsafe {
        let number = &raw mut kept.0;
        lua.exec_raw::<()>(value, |l| {
            *number = ffi::lua_ref(l, -1);
            ffi::lua_settop(l, 0);
        })?;
    }
    Ok(kept)
}

impl State {
    /// The state of the VM that calls.
    ///
    /// # Safety
    /// The VM must have been readied by [`prepare`], and the state must not be kept beyond the
    /// call.
    #[inline]
    unsafe fn of<'a>(l: *mut ffi::lua_State) -> &'a Self {
        // SAFETY: `prepare` has set it before the VM could call anything of ours.
        unsafe { &*ffi::lua_getthreaddata(ffi::lua_mainthread(l)).cast::<Self>() }
    }

    /// Runs what owns something; its error or panic becomes text in the buffer.
    #[inline]
    fn inside(&self, body: impl FnOnce(&Self) -> mlua::Result<Step>) -> Step {
        match catch_unwind(AssertUnwindSafe(|| match body(self) {
            Ok(step) => step,
            Err(error) => self.fail(&words(&error)),
        })) {
            Ok(step) => step,
            Err(panic) => {
                // What it carries could panic again when it is dropped here.
                std::mem::forget(panic);
                self.fail("a function of the router failed; its log says more")
            }
        }
    }

    fn fail(&self, text: &str) -> Step {
        if let Ok(mut buffer) = self.buffer.try_borrow_mut() {
            buffer.clear();
            buffer.extend_from_slice(text.as_bytes());
        }
        Step::Raise
    }

    /// Runs a function that answers by a value.
    fn answer(&self, body: impl FnOnce(&mut Out<'_>) -> mlua::Result<()>) -> mlua::Result<Step> {
        let mut buffer = self.buffer.try_borrow_mut().map_err(mlua::Error::external)?;
        let mut out = Out::new(&mut buffer);
        body(&mut out)?;
        Ok(Step::Push(out.value()))
    }

    fn dispatch(&self, handle: Handle) -> mlua::Result<Rc<Dispatch>> {
        let dispatch = self.dispatch.get(handle.number());
        let dispatch = dispatch.and_then(|dispatch| dispatch.borrow().clone());
        dispatch.ok_or_else(|| mlua::Error::runtime("this object has no fields"))
    }
}

/// Does what a step says, as the end of a C function.
///
/// # Safety
/// The caller must own nothing that must be dropped: this raises errors.
unsafe fn finish(l: *mut ffi::lua_State, state: &State, step: Step) -> std::ffi::c_int {
    // SAFETY: a C function has room for 20 values beyond its arguments.
    unsafe {
        match step {
            Step::Push(value) => stack::push(l, state, value),
            Step::Kept(kept) => {
                ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::lua_Integer::from(kept.0));
                1
            }
            Step::Call(kept) => {
                let arguments = ffi::lua_gettop(l);
                ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, ffi::lua_Integer::from(kept.0));
                ffi::lua_insert(l, 1);
                ffi::lua_call(l, arguments, ffi::LUA_MULTRET);
                ffi::lua_gettop(l)
            }
            Step::Raise => {
                ffi::luaL_where(l, 1);
                stack::push_buffer(l, state);
                ffi::lua_concat(l, 2);
                ffi::lua_error(l)
            }
        }
    }
}

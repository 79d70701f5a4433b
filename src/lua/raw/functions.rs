//! Functions that scripts call, without the typed binding.

use std::ffi::c_int;
use std::rc::Rc;

use mlua::{Function, Lua, ffi};

use super::super::tools::Tools;
use super::{Args, Out, State, Step, finish, keep, state};

/// Whether a raw function has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lua) enum Called {
    Answered,
    /// The arguments are for the typed function.
    Declined,
}

/// A raw function.
pub(in crate::lua) type Quick = dyn Fn(&Tools, Args<'_>, &mut Out<'_>) -> mlua::Result<Called>;

/// A function for scripts. What `quick` declines goes to `typed`.
///
/// # Errors
/// When there is no memory for it.
pub(in crate::lua) fn function(
    lua: &Lua,
    quick: impl Fn(&Tools, Args<'_>, &mut Out<'_>) -> mlua::Result<Called> + 'static,
    typed: Option<Function>,
) -> mlua::Result<Function> {
    let state = state(lua)?;
    let typed = typed.map(|typed| keep(lua, typed)).transpose()?;
    let mut functions = state.functions.borrow_mut();
    let number = functions.len();
    functions.push(Rc::new(quick));
    drop(functions);
    let number = i32::try_from(number).map_err(mlua::Error::external)?;
    let typed = typed.map_or(ffi::LUA_NOREF, |typed| typed.0);
    // SAFETY: the closure owns nothing, and the function finds its two numbers where it looks.
    unsafe {
        lua.exec_raw::<Function>((), |l| {
            ffi::lua_pushinteger_(l, number);
            ffi::lua_pushinteger_(l, typed);
            ffi::lua_pushcclosurek(l, call, std::ptr::null(), 2, None);
        })
    }
}

/// What all raw functions are to the VM.
unsafe extern "C-unwind" fn call(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: the VM calls it with the two numbers that `function` has given it; nothing is owned
    // where errors are raised.
    unsafe {
        let state = State::of(l);
        let step = state.inside(|state| called(l, state));
        finish(l, state, step)
    }
}

/// # Safety
/// It must run in the C function [`call`].
unsafe fn called(l: *mut ffi::lua_State, state: &State) -> mlua::Result<Step> {
    // SAFETY: upvalues are numbers, and asking for them raises nothing.
    let (number, typed) = unsafe {
        let number = ffi::lua_tointegerx_(l, ffi::lua_upvalueindex(1), std::ptr::null_mut());
        let typed = ffi::lua_tointegerx_(l, ffi::lua_upvalueindex(2), std::ptr::null_mut());
        (number, typed)
    };
    let function = usize::try_from(number).ok();
    let function = function.and_then(|at| state.functions.borrow().get(at).map(Rc::clone));
    let function = function.ok_or_else(|| mlua::Error::runtime("there is no such function"))?;
    let mut declined = false;
    let step = state.answer(|out| {
        // SAFETY: nothing changes the stack before the function returns.
        let arguments = unsafe { Args::new(l, 0) };
        declined = function(&state.tools, arguments, out)? == Called::Declined;
        Ok(())
    })?;
    if declined {
        return Ok(Step::Call(super::Kept(typed)));
    }
    Ok(step)
}

/// `pairs` of scripts: Luau's own takes tables only, but headers and cookies can be walked as well.
///
/// # Errors
/// When there is no memory for it.
pub(in crate::lua) fn pairs(lua: &Lua) -> mlua::Result<Function> {
    let globals = lua.globals();
    let next = globals.raw_get::<Function>("next")?;
    // SAFETY: the closure owns nothing, and the function finds `next` where it looks.
    unsafe {
        lua.exec_raw::<Function>(next, |l| {
            ffi::lua_pushcclosurek(l, walk, c"pairs".as_ptr(), 1, None);
        })
    }
}

/// Begins a walk.
unsafe extern "C-unwind" fn walk(l: *mut ffi::lua_State) -> c_int {
    // SAFETY: the VM calls it with `next`, which `pairs` has given it; nothing is owned.
    unsafe {
        match ffi::lua_type(l, 1) {
            ffi::LUA_TTABLE => {
                ffi::lua_pushvalue(l, ffi::lua_upvalueindex(1));
                ffi::lua_pushvalue(l, 1);
                ffi::lua_pushnil(l);
                3
            }
            ffi::LUA_TLIGHTUSERDATA | ffi::LUA_TUSERDATA => {
                ffi::lua_getfield(l, 1, c"pairs".as_ptr());
                ffi::lua_pushvalue(l, 1);
                ffi::lua_call(l, 1, 1);
                1
            }
            _ => {
                ffi::luaL_checktype(l, 1, ffi::LUA_TTABLE);
                0
            }
        }
    }
}

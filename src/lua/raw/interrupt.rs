//! What the VM calls by itself: at every call and turn of a loop, and for the number of a name.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;

use mlua::{Lua, ffi};

use super::super::atoms::NO_ATOM;
use super::super::gate::Turn;
use super::State;

/// Whether the coroutine that runs can be suspended where it is.
pub(in crate::lua) fn is_yieldable(lua: &Lua) -> bool {
    // SAFETY: it only compares two numbers of the coroutine.
    lua.exec_raw_lua(|raw| unsafe { ffi::lua_isyieldable(raw.state()) != 0 })
}

/// The bytes of the objects of a category, those that are not collected yet among them.
pub(in crate::lua) fn bytes_of_category(lua: &Lua, category: c_int) -> usize {
    // SAFETY: the VM reads a counter; categories are numbers below 256, which `Category` keeps.
    lua.exec_raw_lua(|raw| unsafe { ffi::lua_totalbytes(raw.state(), category) })
}

/// The limit on computing.
pub(super) unsafe extern "C-unwind" fn interrupt(l: *mut ffi::lua_State, gc: c_int) {
    if gc >= 0 {
        // The collector cannot be stopped.
        return;
    }
    // SAFETY: the VM calls it while the coroutine `l` runs; nothing is owned where errors are
    // raised.
    unsafe {
        let state = State::of(l);
        if state.tools.gate.is_quiet() {
            return;
        }
        match look(l, state) {
            Turn::GoOn => {}
            Turn::Yield => {
                if ffi::lua_isyieldable(l) != 0 {
                    ffi::lua_yield(l, 0);
                }
            }
            Turn::Stop => {
                ffi::lua_rawcheckstack(l, 2);
                ffi::lua_pushstring(l, c"computed longer than its limit".as_ptr());
                ffi::lua_error(l)
            }
        }
    }
}

#[cold]
unsafe fn look(l: *mut ffi::lua_State, state: &State) -> Turn {
    let gate = &state.tools.gate;
    // SAFETY: level 0 is the function that runs, and asking for its line allocates nothing.
    let line = || unsafe {
        let mut at = std::mem::zeroed::<ffi::lua_Debug>();
        let found = ffi::lua_getinfo(l, 0, c"l".as_ptr(), &raw mut at) != 0;
        found.then(|| usize::try_from(at.currentline).ok()).flatten()
    };
    let looked = catch_unwind(AssertUnwindSafe(|| gate.look(l.cast::<c_void>(), line)));
    looked.unwrap_or(Turn::Stop)
}

/// The number of a name.
pub(super) unsafe extern "C-unwind" fn atom(
    l: *mut ffi::lua_State,
    text: *const c_char,
    length: usize,
) -> i16 {
    // SAFETY: the VM hands over text of that length.
    let (state, text) = unsafe { (State::of(l), slice::from_raw_parts(text.cast::<u8>(), length)) };
    catch_unwind(AssertUnwindSafe(|| state.tools.atoms.number(text))).unwrap_or(NO_ATOM)
}

//! A VM as scripts find it: the standard functions that are safe, the scripting API, read-only.
//!
//! Must not know any script.

use std::rc::Rc;

use mlua::{Lua, LuaOptions, StdLib, Table, Value};

use super::api;
use super::memory::VM_BYTES_MAX;
use super::testing::Counting;
use super::tools::Tools;

/// Coroutines kept for reuse.
const THREADS_KEPT: usize = 128;

/// Global functions of Luau that scripts do not get: they load code, reach into other scripts'
/// environments, or turn optimisations off.
const REMOVED: [&str; 8] =
    ["loadstring", "require", "getfenv", "setfenv", "newproxy", "collectgarbage", "gcinfo", "_G"];

/// A fresh VM with the API in it.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn vm(tools: &Rc<Tools>) -> mlua::Result<Lua> {
    let libraries = StdLib::COROUTINE
        | StdLib::TABLE
        | StdLib::OS
        | StdLib::STRING
        | StdLib::UTF8
        | StdLib::BIT
        | StdLib::MATH
        | StdLib::BUFFER;
    let options = LuaOptions::new().thread_pool_size(THREADS_KEPT);
    let lua = Lua::new_with(libraries, options)?;
    let counting = tools.probe.get().map_or(Counting::Nothing, |probe| probe.counting);
    let compiler = mlua::chunk::Compiler::new().set_optimization_level(2).set_debug_level(1);
    lua.set_compiler(match counting {
        // Inlined functions would be counted where they are called.
        Counting::Lines => compiler.set_optimization_level(1).set_coverage_level(1),
        Counting::Nothing => compiler,
    });
    let globals = lua.globals();
    for name in REMOVED {
        globals.raw_set(name, Value::Nil)?;
    }
    let os: Table = globals.raw_get("os")?;
    os.raw_set("difftime", Value::Nil)?;
    api::install(&lua, tools)?;
    lua.load(GUARDS).set_name("=guards").exec()?;
    lua.sandbox(true)?;
    lua.set_memory_limit(VM_BYTES_MAX)?;
    let gate = Rc::clone(&tools.gate);
    lua.set_interrupt(move |lua| gate.interrupt(lua));
    Ok(lua)
}

/// The globals of one script: its own table before the shared ones.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn environment(lua: &Lua) -> mlua::Result<Table> {
    let environment = lua.create_table()?;
    let meta = lua.create_table()?;
    meta.raw_set("__index", lua.globals())?;
    meta.raw_set("__metatable", false)?;
    meta.set_readonly(true);
    environment.set_metatable(Some(meta))?;
    environment.set_safeenv(true);
    Ok(environment)
}

/// Standard functions that Luau cannot interrupt, and that would take far longer than any hook
/// may: they refuse amounts that no script needs.
const GUARDS: &str = r"
local error, find, split = error, string.find, string.split
local move, sort = table.move, table.sort
local function search(s, what)
  if #what > 64 and #s * #what > 1e8 then error('the text is too long to be searched', 3) end
end
function string.find(s, pattern, ...)
  search(s, pattern)
  return find(s, pattern, ...)
end
function string.split(s, separator)
  if separator then search(s, separator) end
  return split(s, separator)
end
function table.sort(t, less)
  -- A comparator is interrupted like any other function.
  if less then return sort(t, less) end
  if #t > 1e5 then error('table.sort without a function sorts at most 100000 elements', 2) end
  return sort(t)
end
function table.move(from, first, last, to, into)
  if last - first > 1e5 then error('table.move moves at most 100000 elements', 2) end
  if into then return move(from, first, last, to, into) end
  return move(from, first, last, to)
end
";

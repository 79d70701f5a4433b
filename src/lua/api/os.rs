//! What there is of the module `os`: the clock.

use std::rc::Rc;

use mlua::{Function as LuaFunction, Lua, MultiValue, Table, Value};

use super::{Doc, Function, Module};
use crate::lua::tools::Tools;

pub(super) const MODULE: Module = Module {
    name: "os",
    text: "The clock. Files, processes and the environment are out of reach.",
    functions: &[
        Function {
            doc: Doc {
                name: "time",
                signature: "os.time(t: table?) -> number",
                text: "Seconds since 1970, now or at the date of a table.",
                example: "if expires < os.time() then return respond(401) end",
            },
            make: |lua, tools| clocked(lua, tools, "time"),
        },
        Function {
            doc: Doc {
                name: "clock",
                signature: "os.clock() -> number",
                text: "Seconds of a clock that only goes forward, for measuring.",
                example: "local began = os.clock()",
            },
            make: |lua, tools| clocked(lua, tools, "clock"),
        },
        Function {
            doc: Doc {
                name: "date",
                signature: "os.date(format: string?, time: number?) -> string | table",
                text: "A date as text, or as a table for the formats `*t` and `!*t`; a leading \
                       `!` means UTC.",
                example: "local day = os.date(\"!%Y-%m-%d\")",
            },
            make: |lua, tools| clocked(lua, tools, "date"),
        },
    ],
};

fn standard(lua: &Lua, name: &str) -> mlua::Result<LuaFunction> {
    lua.globals().raw_get::<Table>("os")?.raw_get(name)
}

/// Luau's own function, or in tests of scripts one that goes by their clock.
fn clocked(lua: &Lua, tools: &Rc<Tools>, name: &'static str) -> mlua::Result<Value> {
    let standard = standard(lua, name)?;
    let Some(probe) = tools.probe.get() else { return Ok(Value::Function(standard)) };
    let clock = Rc::clone(&probe.clock);
    let function = lua.create_function(move |lua, arguments: MultiValue| {
        let given = |place: usize| arguments.get(place).cloned().unwrap_or(Value::Nil);
        match (name, given(0), given(1)) {
            ("time", Value::Nil, _) => Ok(Value::Number(clock.now().floor())),
            ("clock", ..) => Ok(Value::Number(clock.elapsed())),
            ("date", format, Value::Nil) => {
                let format =
                    if format.is_nil() { Value::String(lua.create_string("%c")?) } else { format };
                standard.call((format, clock.now().floor()))
            }
            _ => standard.call(arguments),
        }
    })?;
    Ok(Value::Function(function))
}

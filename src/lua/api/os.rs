//! What there is of the module `os`: the clock.

use mlua::{Lua, Table, Value};

use super::{Doc, Function, Module};

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
            make: |lua, _| standard(lua, "time"),
        },
        Function {
            doc: Doc {
                name: "clock",
                signature: "os.clock() -> number",
                text: "Seconds of a clock that only goes forward, for measuring.",
                example: "local began = os.clock()",
            },
            make: |lua, _| standard(lua, "clock"),
        },
        Function {
            doc: Doc {
                name: "date",
                signature: "os.date(format: string?, time: number?) -> string | table",
                text: "A date as text, or as a table for the formats `*t` and `!*t`; a leading \
                       `!` means UTC.",
                example: "local day = os.date(\"!%Y-%m-%d\")",
            },
            make: |lua, _| standard(lua, "date"),
        },
    ],
};

fn standard(lua: &Lua, name: &str) -> mlua::Result<Value> {
    lua.globals().raw_get::<Table>("os")?.raw_get(name)
}

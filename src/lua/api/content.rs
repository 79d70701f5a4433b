//! The module `content`: what bytes are.

use mlua::{LuaString, Value};

use super::{Doc, Function, Module};
use crate::content::sniff;

pub(super) const MODULE: Module = Module {
    name: "content",
    text: "What bytes are.",
    functions: &[Function {
        doc: Doc {
            name: "sniff",
            signature: "content.sniff(bytes: string) -> string",
            text: "The media type that the first 512 bytes look like, as browsers and Go guess \
                   it; `text/plain; charset=utf-8` or `application/octet-stream` when nothing \
                   else fits.",
            example: "local kind = content.sniff((res:peek(512)))",
        },
        make: |lua, _| {
            lua.create_function(|_, bytes: LuaString| Ok(sniff(&bytes.as_bytes())))
                .map(Value::Function)
        },
    }],
};

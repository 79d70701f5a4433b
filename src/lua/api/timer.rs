//! The module `timer`: work that no request asks for.

use std::rc::Rc;

use mlua::{Function as LuaFunction, Table, Value};

use super::http::each_option;
use super::time::duration;
use super::{Doc, Function, Module};
use crate::lua::timers::{Timer, Where};

pub(super) const MODULE: Module = Module {
    name: "timer",
    text: "Work that no request asks for.",
    functions: &[Function {
        doc: Doc {
            name: "every",
            signature: "timer.every(interval: string | number, work: (ctx) -> (), options: \
                        table?)",
            text: "Calls a function again and again, with the interval between the end of one \
                   call and the next. It is called in `setup`, and ends with the script: a \
                   reload that changes the middleware begins anew. Of all workers one calls the \
                   function, or each with the option `each = true`. The function may wait for a \
                   minute at most; when it fails, that is logged and it is called again.",
            example: "timer.every(\"1m\", function() cache:set(\"list\", fetch_list()) end)",
        },
        make: |lua, tools| {
            let tools = Rc::downgrade(tools);
            lua.create_function(move |_, (every, work, options): Arguments| {
                let every = duration(&every, "timer.every")?;
                let mut place = Where::OneWorker;
                if let Some(options) = options {
                    each_option("timer.every", &options, "each", |name, value| {
                        if name == "each" && value.as_boolean() == Some(true) {
                            place = Where::EachWorker;
                        }
                        Ok(name == "each")
                    })?;
                }
                let run = tools.upgrade().and_then(|tools| tools.current.borrow().clone());
                let in_setup = run.filter(|run| run.cx.borrow().is_none());
                let run =
                    in_setup.ok_or_else(|| mlua::Error::runtime("timers are begun in setup"))?;
                Timer { every, place, work }.add_to(&run.loaded)
            })
            .map(Value::Function)
        },
    }],
};

/// An interval, a function, and options.
type Arguments = (Value, LuaFunction, Option<Table>);

//! `ctx`: what a hook gets beside the message. A script has one, which speaks of the run that
//! uses it.

use std::rc::{Rc, Weak};

use mlua::{Lua, LuaString, Table, Value};

use super::{Doc, Form, ResponseObject, Section, later};
use crate::lua::run::Run;
use crate::lua::tools::Tools;
use crate::message::Response;

/// A field of `ctx`.
struct Field {
    doc: Doc,
    value: Source,
}

/// Where a field's value comes from.
#[derive(Clone, Copy)]
enum Source {
    /// It is put in when the script is loaded.
    Fixed,
    /// It is looked up in the run that asks.
    Live(fn(&Lua, &Run) -> mlua::Result<Value>),
}

const FIELDS: &[Field] = &[
    Field {
        doc: Doc {
            name: "options",
            signature: "ctx.options: table",
            text: "The middleware's options, checked by the schema, with defaults filled in. \
                   Read-only.",
            example: "local prefix = ctx.options.prefix",
        },
        value: Source::Fixed,
    },
    Field {
        doc: Doc {
            name: "state",
            signature: "ctx.state: any",
            text: "What `setup` returned; the same value in all hooks of a worker.",
            example: "local key = ctx.state.key",
        },
        value: Source::Fixed,
    },
    Field {
        doc: Doc {
            name: "name",
            signature: "ctx.name: string",
            text: "The middleware's name with its provider, such as `auth@file`.",
            example: "log.info(ctx.name)",
        },
        value: Source::Fixed,
    },
    Field {
        doc: Doc {
            name: "next",
            signature: "ctx.next() -> res",
            text: "Sends the request on to what follows, waits, and returns the response. It \
                   belongs to `request` hooks and can be called once, or as often as needed after \
                   `req:keep()`. The script may change the response; it should return it.",
            example: "local res = ctx.next(); res.headers[\"X-Via\"] = \"me\"; return res",
        },
        value: Source::Fixed,
    },
    Field {
        doc: Doc {
            name: "service",
            signature: "ctx.service(name: string) -> res?",
            text: "Sends the request to a service instead of what follows, as `ctx.next()` does. \
                   A name without provider is one of the middleware's own provider. Nil when \
                   there is no such service.",
            example: "return ctx.service(\"maintenance@file\") or respond(503)",
        },
        value: Source::Fixed,
    },
    Field {
        doc: Doc {
            name: "later",
            signature: "ctx.later(work: (req, ctx) -> ()) -> boolean",
            text: "Lets a function run beside the request, for a minute at most; the client does \
                   not wait for it. It gets a copy of the request, with the body when \
                   `req:keep()` was called before, and may send it on with `ctx.next()` or \
                   `ctx.service()`. False when too many of them run already.",
            example: "ctx.later(function(req, ctx) ctx.service(\"shadow\") end)",
        },
        value: Source::Fixed,
    },
    Field {
        doc: Doc {
            name: "vars",
            signature: "ctx.vars: table",
            text: "A table that all scripts of one request share.",
            example: "ctx.vars.user = \"anna\"",
        },
        value: Source::Live(|lua, run| run.vars(lua)),
    },
    Field {
        doc: Doc {
            name: "router",
            signature: "ctx.router: string?",
            text: "The name of the router that took the request, with its provider.",
            example: "log.info(ctx.router or \"no router\")",
        },
        value: Source::Live(|lua, run| {
            let cx = run.cx.borrow();
            let router = cx.as_ref().and_then(|cx| cx.exchange.record.borrow().router.clone());
            match router {
                Some(router) => lua.create_string(&*router).map(Value::String),
                None => Ok(Value::Nil),
            }
        }),
    },
];

/// Those fields that are functions, which all scripts share.
const FUNCTIONS: [&str; 3] = ["next", "service", "later"];

/// What users read about it.
pub(super) fn section() -> Section {
    let entries = FIELDS.iter().map(|field| &field.doc).collect();
    let text = "What a hook gets beside the message.";
    Section { name: "ctx", text, entries, form: Form::Object }
}

/// `ctx` of a script.
///
/// # Errors
/// When there is no memory for it.
pub(in crate::lua) fn table(
    lua: &Lua,
    tools: &Rc<Tools>,
    name: &str,
    options: &Value,
) -> mlua::Result<Table> {
    let meta = match tools.ctx.get() {
        Some(meta) => meta.clone(),
        None => {
            let meta = metatable(lua, tools)?;
            tools.ctx.get_or_init(|| meta).clone()
        }
    };
    let ctx = lua.create_table()?;
    ctx.raw_set("options", options)?;
    ctx.raw_set("name", name)?;
    for name in FUNCTIONS {
        ctx.raw_set(name, meta.raw_get::<Value>(name)?)?;
    }
    ctx.set_metatable(Some(meta))?;
    ctx.set_readonly(true);
    Ok(ctx)
}

/// Puts what `setup` returned into `ctx`.
///
/// # Errors
/// When there is no memory for it.
pub(in crate::lua) fn set_state(ctx: &Table, state: &Value) -> mlua::Result<()> {
    ctx.set_readonly(false);
    let set = ctx.raw_set("state", state);
    ctx.set_readonly(true);
    set
}

/// The metatable of every `ctx`, with the function that `ctx.next` is.
fn metatable(lua: &Lua, tools: &Rc<Tools>) -> mlua::Result<Table> {
    let meta = lua.create_table()?;
    meta.raw_set("__metatable", false)?;
    meta.raw_set("next", next(lua, tools)?)?;
    meta.raw_set("service", service(lua, tools)?)?;
    meta.raw_set("later", later::function(lua, tools)?)?;
    let tools = Rc::downgrade(tools);
    let index = lua.create_function(move |lua, (_, name): (Value, LuaString)| {
        let field = FIELDS.iter().find(|field| name == field.doc.name);
        let Some(field) = field else {
            let name = name.to_string_lossy();
            return Err(mlua::Error::runtime(format!("ctx has no field {name:?}")));
        };
        let Source::Live(look) = field.value else { return Ok(Value::Nil) };
        let run = tools.upgrade().and_then(|tools| tools.current.borrow().clone());
        match run {
            Some(run) => look(lua, &run),
            None => Ok(Value::Nil),
        }
    })?;
    meta.raw_set("__index", index)?;
    meta.set_readonly(true);
    Ok(meta)
}

/// One function serves all requests: it acts on the hook that calls it.
fn next(lua: &Lua, tools: &Rc<Tools>) -> mlua::Result<Value> {
    let tools = Rc::downgrade(tools);
    lua.create_async_function(move |lua, ()| {
        let begun = running(&tools, &lua).and_then(|run| {
            let answer = run.outside(run.send_next()?);
            Ok((Rc::downgrade(&run), answer))
        });
        async move {
            let (run, answer) = begun?;
            held(&run, answer.await)
        }
    })
    .map(Value::Function)
}

fn service(lua: &Lua, tools: &Rc<Tools>) -> mlua::Result<Value> {
    let tools = Rc::downgrade(tools);
    lua.create_async_function(move |lua, name: LuaString| {
        let begun = running(&tools, &lua).and_then(|run| {
            let answer = run.send_to(&name.to_str()?)?.map(|answer| run.outside(answer));
            Ok((Rc::downgrade(&run), answer))
        });
        async move {
            let (run, answer) = begun?;
            match answer {
                Some(answer) => held(&run, answer.await).map(Some),
                None => Ok(None),
            }
        }
    })
    .map(Value::Function)
}

/// The run that asks, which may wait.
fn running(tools: &Weak<Tools>, lua: &Lua) -> mlua::Result<Rc<Run>> {
    let tools = tools.upgrade().ok_or_else(|| mlua::Error::runtime("the VM has ended"))?;
    tools.gate.may_wait(lua)?;
    let run = tools.current.borrow().clone();
    run.ok_or_else(|| mlua::Error::runtime("no request runs"))
}

/// Weak: the run itself must be able to end while a script waits.
fn held(run: &Weak<Run>, answer: Response) -> mlua::Result<ResponseObject> {
    let run = run.upgrade().ok_or_else(|| mlua::Error::runtime("the request has ended"))?;
    Ok(ResponseObject(run.hold(answer)))
}

//! The module `log`.

use std::rc::Rc;

use mlua::{LuaString, Table, Value};
use serde_json::Value as Json;

use super::{Doc, Function, Module, json};
use crate::lua::testing::LogLine;
use crate::lua::tools::{Mode, Tools};

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

pub(super) const MODULE: Module = Module {
    name: "log",
    text: "Lines in Moongate's log, with the middleware's name. `fields` is a table that is \
           written beside the message.",
    functions: &[
        Function {
            doc: Doc {
                name: "debug",
                signature: "log.debug(message: string, fields: table?)",
                text: "Writes a line for who looks for an error.",
                example: "log.debug(\"looked up\", { user = \"anna\" })",
            },
            make: |lua, tools| line(lua, tools, Level::Debug),
        },
        Function {
            doc: Doc {
                name: "info",
                signature: "log.info(message: string, fields: table?)",
                text: "Writes a line about the normal course of things.",
                example: "log.info(\"ready\")",
            },
            make: |lua, tools| line(lua, tools, Level::Info),
        },
        Function {
            doc: Doc {
                name: "warn",
                signature: "log.warn(message: string, fields: table?)",
                text: "Writes a line about something that should be looked at.",
                example: "log.warn(\"the key is old\", { days = 90 })",
            },
            make: |lua, tools| line(lua, tools, Level::Warn),
        },
        Function {
            doc: Doc {
                name: "error",
                signature: "log.error(message: string, fields: table?)",
                text: "Writes a line about a failure. The request goes on.",
                example: "log.error(\"no answer\", { service = \"users\" })",
            },
            make: |lua, tools| line(lua, tools, Level::Error),
        },
        Function {
            doc: Doc {
                name: "field",
                signature: "log.field(name: string, value: string | number | boolean)",
                text: "Sets a field of the request's line in the access log, in the format `json` \
                       and where it is sent to a collector; in a `log` hook as well. A field of \
                       the log's own name stays what it is. A request has 64 of them at most.",
                example: "log.field(\"tenant\", \"acme\")",
            },
            make: field,
        },
    ],
};

/// Bytes of a field's name, and of its text.
const NAME_BYTES_MAX: usize = 128;
const TEXT_BYTES_MAX: usize = 4096;

fn field(lua: &mlua::Lua, tools: &Rc<Tools>) -> mlua::Result<Value> {
    let tools = Rc::clone(tools);
    lua.create_function(move |_, (name, value): (LuaString, Value)| {
        let name = name.to_string_lossy();
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let reason = format!("log.field: a name has 1 to {NAME_BYTES_MAX} bytes");
            return Err(mlua::Error::runtime(reason));
        }
        let value = match json::from_lua(&value)? {
            Json::String(mut text) => {
                text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
                Json::String(text)
            }
            value @ (Json::Number(_) | Json::Bool(_)) => value,
            _ => {
                let reason = "log.field: a value is a string, a number or a boolean";
                return Err(mlua::Error::runtime(reason));
            }
        };
        let run = tools.current.borrow();
        let Some(cx) = run.as_ref().and_then(|run| run.cx.borrow().clone()) else {
            return Err(mlua::Error::runtime("log.field: there is no request"));
        };
        if !cx.exchange.record.borrow_mut().set_field(&name, value) {
            return Err(mlua::Error::runtime("log.field: the request has too many fields"));
        }
        Ok(())
    })
    .map(Value::Function)
}

fn line(lua: &mlua::Lua, tools: &Rc<Tools>, level: Level) -> mlua::Result<Value> {
    let tools = Rc::clone(tools);
    lua.create_function(move |_, (message, fields): (Value, Option<Table>)| {
        write(&tools, level, &message.to_string()?, fields.as_ref())
    })
    .map(Value::Function)
}

/// Writes a line.
///
/// # Errors
/// When the fields cannot be written as JSON.
pub(super) fn write(
    tools: &Tools,
    level: Level,
    message: &str,
    fields: Option<&Table>,
) -> mlua::Result<()> {
    if tools.mode == Mode::Inert {
        return Ok(());
    }
    let run = tools.current.borrow();
    let middleware = run.as_ref().map_or("", |run| &*run.name);
    let fields = match fields {
        Some(fields) => json::from_lua(&Value::Table(fields.clone()))?.to_string(),
        None => String::new(),
    };
    if let Some(probe) = tools.probe.get() {
        let level = level.name();
        probe.log(LogLine { level, message: message.to_owned(), fields });
        return Ok(());
    }
    match level {
        Level::Debug => tracing::debug!(middleware, fields, "{message}"),
        Level::Info => tracing::info!(middleware, fields, "{message}"),
        Level::Warn => tracing::warn!(middleware, fields, "{message}"),
        Level::Error => tracing::error!(middleware, fields, "{message}"),
    }
    Ok(())
}

//! The module `store`: values that all workers see.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, LuaString, Table, UserData, UserDataRegistry, Value};

use super::members::Others;
use super::time::duration;
use super::{Doc, Function, Member, Module, Object, once};
use crate::lua::shared::{Opened, SharedError, Step, Store, Stored, Used};
use crate::value::parse_size;

/// Bytes of a store that says nothing.
const BYTES_DEFAULT: usize = 1 << 20;

pub(super) const MODULE: Module = Module {
    name: "store",
    text: "Values by key that all workers see. A store belongs to the middleware that opens it: \
           two middlewares never meet in one, and a middleware that a reload leaves alone keeps \
           what it has stored.",
    functions: &[Function {
        doc: Doc {
            name: "open",
            signature: "store.open(name: string, options: { max: string | number }?) -> store",
            text: "Opens a store of the middleware. `max` is its size, such as \"4MiB\", 1 MiB \
                   unless set; when it is full, what was not used for the longest time makes \
                   room.",
            example: "local seen = store.open(\"seen\", { max = \"4MiB\" })",
        },
        make: |lua, tools| {
            let tools = Rc::downgrade(tools);
            lua.create_function(move |_, (name, options): (LuaString, Option<Table>)| {
                let bytes = bytes_of("store.open", options.as_ref())?;
                let scope = tools.upgrade().ok_or_else(ended)?.scope()?;
                let opened = scope.open(&name.to_string_lossy(), bytes, || Store::new(bytes));
                opened.map(StoreObject).map_err(refused)
            })
            .map(Value::Function)
        },
    }],
};

/// What a function says whose VM has ended.
pub(super) fn ended() -> mlua::Error {
    mlua::Error::runtime("the VM has ended")
}

/// What a script is told that cannot open something.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err takes")]
pub(super) fn refused(error: SharedError) -> mlua::Error {
    mlua::Error::runtime(error.to_string())
}

/// The size of what is opened, from the option `max`.
///
/// # Errors
/// When it is no size.
pub(super) fn bytes_of(what: &str, options: Option<&Table>) -> mlua::Result<usize> {
    match options.map(|options| options.get::<Value>("max")).transpose()? {
        None | Some(Value::Nil) => Ok(BYTES_DEFAULT),
        Some(other) => {
            let bytes = parse_size(&other.to_string()?).ok();
            let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
            let wrong = || format!("{what}: max is a size such as \"4MiB\"");
            bytes.ok_or_else(|| mlua::Error::runtime(wrong()))
        }
    }
}

/// An open store.
pub(super) struct StoreObject(pub(super) Arc<Opened<Store>>);

/// What the methods that set something may be given.
type Given = (LuaString, Value, Option<Value>);

pub(super) const STORE: Object<StoreObject> = Object {
    name: "store",
    text: "A store that `store.open` has opened. Keys are strings; values are strings, numbers \
           and booleans. A `ttl` is a duration such as \"5m\", or a number of seconds; without \
           one a value stays until it must make room.",
    members: &[
        Member {
            doc: Doc {
                name: "get",
                signature: "store:get(key: string) -> any",
                text: "The value of a key, nil without one.",
                example: "local user = seen:get(token)",
            },
            add: |registry| {
                registry.method("get", |lua, store, key: LuaString| {
                    let value = store.0.get(&key.as_bytes(), store.0.now());
                    value.map(|value| to_lua(lua, &value)).transpose()
                });
            },
        },
        Member {
            doc: Doc {
                name: "set",
                signature: "store:set(key: string, value: any, ttl: string | number | nil)",
                text: "Sets the value of a key; nil removes it.",
                example: "seen:set(token, user, \"5m\")",
            },
            add: |registry| {
                registry.method("set", |_, store, (key, value, ttl): Given| {
                    let (now, ttl) = (store.0.now(), lifetime(ttl)?);
                    match from_lua(&value)? {
                        Some(value) => store.0.set(&key.as_bytes(), value, now, ttl).map_err(wrong),
                        None => {
                            store.0.remove(&key.as_bytes(), now);
                            Ok(())
                        }
                    }
                });
            },
        },
        Member {
            doc: Doc {
                name: "add",
                signature: "store:add(key: string, value: any, ttl: string | number | nil) -> \
                            boolean",
                text: "Sets the value of a key that has none; of all that try at once, one is \
                       told true.",
                example: "if seen:add(\"warned\", true, \"1m\") then log.warn(\"full\") end",
            },
            add: |registry| {
                registry.method("add", |_, store, (key, value, ttl): Given| {
                    let value = from_lua(&value)?;
                    let (now, ttl) = (store.0.now(), lifetime(ttl)?);
                    store.0.swap(&key.as_bytes(), None, value, now, ttl).map_err(wrong)
                });
            },
        },
        Member {
            doc: Doc {
                name: "incr",
                signature: "store:incr(key: string, by: number?, options: { ttl: string | number \
                            | nil, max: number? }?) -> number?, number?",
                text: "Adds to a number, 1 unless told, and returns the sum; one that is not \
                       there is 0, and `ttl` is how long it lives then. A sum above `max` is not \
                       made: then nil is returned, and what the number is.",
                example: "local tries = seen:incr(user, 1, { ttl = \"1m\" })",
            },
            add: |registry| {
                registry.method("incr", incr);
            },
        },
        Member {
            doc: Doc {
                name: "cas",
                signature: "store:cas(key: string, old: any, new: any, ttl: string | number | \
                            nil) -> boolean",
                text: "Sets the value of a key when it is `old` (nil: when there is none); \
                       whether it was.",
                example: "if states:cas(\"state\", \"open\", \"trying\") then try() end",
            },
            add: |registry| {
                registry.method(
                    "cas",
                    |_, store, (key, old, new, ttl): (LuaString, Value, Value, Option<Value>)| {
                        let (old, new) = (from_lua(&old)?, from_lua(&new)?);
                        let (now, ttl) = (store.0.now(), lifetime(ttl)?);
                        store.0.swap(&key.as_bytes(), old.as_ref(), new, now, ttl).map_err(wrong)
                    },
                );
            },
        },
        once::MEMBER,
        Member {
            doc: Doc {
                name: "del",
                signature: "store:del(key: string) -> boolean",
                text: "Removes a key; whether it was there.",
                example: "seen:del(token)",
            },
            add: |registry| {
                registry.method("del", |_, store, key: LuaString| {
                    Ok(store.0.remove(&key.as_bytes(), store.0.now()))
                });
            },
        },
        Member {
            doc: Doc {
                name: "ttl",
                signature: "store:ttl(key: string) -> number?",
                text: "The seconds that a key still has: nil without a value, `math.huge` when \
                       it has no end.",
                example: "local left = seen:ttl(token)",
            },
            add: |registry| {
                registry.method("ttl", |_, store, key: LuaString| {
                    let left = store.0.ttl(&key.as_bytes(), store.0.now());
                    Ok(left.map(|left| left.map_or(f64::INFINITY, |left| left.as_secs_f64())))
                });
            },
        },
        Member {
            doc: Doc {
                name: "used",
                signature: "store:used() -> { entries: number, bytes: number, evicted: number }",
                text: "How full the store is, and how many values had to make room since it was \
                       opened first.",
                example: "if seen:used().evicted > 0 then log.warn(\"the store is too small\") end",
            },
            add: |registry| {
                registry.method("used", |lua, store, ()| used(lua, store.0.used()));
            },
        },
    ],
};

impl UserData for StoreObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        STORE.register(registry, &Others::NONE);
    }
}

fn incr(
    _: &Lua,
    store: &StoreObject,
    (key, by, options): (LuaString, Option<f64>, Option<Table>),
) -> mlua::Result<(Option<f64>, Option<f64>)> {
    let mut step = Step { by: by.unwrap_or(1.0), max: f64::INFINITY, ttl: None };
    if let Some(options) = options {
        step.max = options.get::<Option<f64>>("max")?.unwrap_or(f64::INFINITY);
        step.ttl = lifetime(options.get("ttl")?)?;
    }
    let grown = store.0.grow(&key.as_bytes(), step, store.0.now()).map_err(wrong)?;
    Ok(match grown {
        Ok(sum) => (Some(sum), None),
        Err(number) => (None, Some(number)),
    })
}

/// What a table holds, for scripts.
pub(super) fn used(lua: &Lua, used: Used) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("entries", used.entries)?;
    table.raw_set("bytes", used.bytes)?;
    table.raw_set("evicted", used.evicted)?;
    Ok(table)
}

fn lifetime(ttl: Option<Value>) -> mlua::Result<Option<Duration>> {
    let ttl = ttl.filter(|ttl| !ttl.is_nil());
    ttl.map(|ttl| duration(&ttl, "a ttl")).transpose()
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err takes")]
pub(super) fn wrong(error: crate::lua::shared::StoreError) -> mlua::Error {
    mlua::Error::runtime(format!("store: {error}"))
}

pub(super) fn to_lua(lua: &Lua, value: &Stored) -> mlua::Result<Value> {
    Ok(match value {
        Stored::Text(text) => Value::String(lua.create_string(text)?),
        Stored::Number(number) => Value::Number(*number),
        Stored::Boolean(boolean) => Value::Boolean(*boolean),
    })
}

pub(super) fn from_lua(value: &Value) -> mlua::Result<Option<Stored>> {
    Ok(Some(match value {
        Value::Nil => return Ok(None),
        Value::String(text) => Stored::Text(text.as_bytes().to_vec().into()),
        Value::Boolean(boolean) => Stored::Boolean(*boolean),
        Value::Number(number) => Stored::Number(*number),
        #[allow(clippy::cast_precision_loss, reason = "numbers of scripts are floats")]
        Value::Integer(number) => Stored::Number(*number as f64),
        other => {
            let got = other.type_name();
            let text = format!("store: a value is text, a number or a boolean, not {got}");
            return Err(mlua::Error::runtime(text));
        }
    }))
}

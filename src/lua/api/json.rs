//! The module `json`, and how values cross between JSON and Lua.

use mlua::{Lua, LuaString, Table, Value};
use serde_json::Value as Json;

use super::{Doc, Function, Module};

/// Values nested deeper than this are refused, tables that contain themselves among them.
const DEPTH_MAX: usize = 64;

/// Values in one piece of JSON; more would take longer than a hook may.
const VALUES_MAX: usize = 100_000;

/// Text that is read at once.
const TEXT_BYTES_MAX: usize = 4 << 20;

pub(super) const MODULE: Module = Module {
    name: "json",
    text: "JSON text. A list stays a list, also an empty one; `null` inside of a list or an \
           object is absent in Lua.",
    functions: &[
        Function {
            doc: Doc {
                name: "decode",
                signature: "json.decode(text: string) -> any, string?",
                text: "Reads JSON. Returns nil and a reason when the text is none.",
                example: "local user, why = json.decode(text)",
            },
            make: |lua, _| {
                lua.create_function(|lua, text: LuaString| {
                    if text.as_bytes().len() > TEXT_BYTES_MAX {
                        let reason = format!("the text is longer than {TEXT_BYTES_MAX} bytes");
                        return Ok((Value::Nil, Some(reason)));
                    }
                    match serde_json::from_slice::<Json>(&text.as_bytes()) {
                        Ok(json) => Ok((to_lua(lua, &json)?, None)),
                        Err(error) => Ok((Value::Nil, Some(error.to_string()))),
                    }
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "encode",
                signature: "json.encode(value: any) -> string",
                text: "Writes JSON. A table with the keys 1 to n is a list, an empty one an \
                       object unless `json.list` has marked it.",
                example: "return respond(200, json.encode({ ok = true }))",
            },
            make: |lua, _| {
                lua.create_function(|_, value: Value| Ok(from_lua(&value)?.to_string()))
                    .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "list",
                signature: "json.list(t: table) -> table",
                text: "Marks a table as a list, for one that may be empty, and returns it.",
                example: "local users = json.list({})",
            },
            make: |lua, _| {
                lua.create_function(|lua, table: Table| {
                    table.set_metatable(Some(list_mark(lua)?))?;
                    Ok(table)
                })
                .map(Value::Function)
            },
        },
    ],
};

/// The metatable that marks lists.
fn list_mark(lua: &Lua) -> mlua::Result<Table> {
    if let Value::Table(mark) = lua.named_registry_value(LIST)? {
        return Ok(mark);
    }
    let mark = lua.create_table()?;
    mark.raw_set("__metatable", false)?;
    mark.set_readonly(true);
    lua.set_named_registry_value(LIST, &mark)?;
    Ok(mark)
}

/// Where the VM keeps [`list_mark`].
const LIST: &str = "moongate.list";

/// A JSON value as a Lua value.
///
/// # Errors
/// When there is no memory for it.
pub(in crate::lua) fn to_lua(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(bool) => Value::Boolean(*bool),
        Json::Number(number) => match number.as_f64() {
            Some(number) => Value::Number(number),
            None => Value::Nil,
        },
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (item, place) in items.iter().zip(1..) {
                table.raw_seti(place, to_lua(lua, item)?)?;
            }
            table.set_metatable(Some(list_mark(lua)?))?;
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (name, value) in fields {
                table.raw_set(&**name, to_lua(lua, value)?)?;
            }
            Value::Table(table)
        }
    })
}

/// A Lua value as JSON.
///
/// # Errors
/// When it holds something that JSON cannot, or is nested too deeply.
pub(in crate::lua) fn from_lua(value: &Value) -> mlua::Result<Json> {
    convert(value, 0, &mut 0)
}

fn convert(value: &Value, depth: usize, count: &mut usize) -> mlua::Result<Json> {
    *count += 1;
    if *count > VALUES_MAX {
        return Err(too_many());
    }
    if depth > DEPTH_MAX {
        return Err(mlua::Error::runtime("the value is nested too deeply, or contains itself"));
    }
    match value {
        Value::Nil => Ok(Json::Null),
        Value::Boolean(bool) => Ok(Json::Bool(*bool)),
        Value::Integer(number) => Ok(Json::from(*number)),
        Value::Number(number) => Ok(number_of(*number)),
        Value::String(text) => Ok(Json::String(text.to_string_lossy())),
        Value::Table(table) => convert_table(table, depth, count),
        other => {
            let kind = other.type_name();
            Err(mlua::Error::runtime(format!("a {kind} cannot be written as JSON")))
        }
    }
}

fn too_many() -> mlua::Error {
    mlua::Error::runtime(format!("JSON of more than {VALUES_MAX} values"))
}

/// Whole numbers are written without a fraction, as far as they are exact.
fn number_of(number: f64) -> Json {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        return Json::from(number as i64);
    }
    serde_json::Number::from_f64(number).map_or(Json::Null, Json::Number)
}

fn convert_table(table: &Table, depth: usize, count: &mut usize) -> mlua::Result<Json> {
    let len = table.raw_len();
    let mut pairs_count = 0;
    for pair in table.pairs::<Value, Value>() {
        pair?;
        pairs_count += 1;
        if *count + pairs_count > VALUES_MAX {
            return Err(too_many());
        }
    }
    // Only lists that JSON or `json.list` made have a metatable that can be seen here.
    let marked = table.metatable().is_some();
    if pairs_count == len && (len > 0 || marked) {
        let items = table.sequence_values::<Value>().map(|item| convert(&item?, depth + 1, count));
        return items.collect::<mlua::Result<Vec<_>>>().map(Json::Array);
    }
    let mut fields = serde_json::Map::new();
    let mut pairs = Vec::with_capacity(pairs_count.min(VALUES_MAX));
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let key = match &key {
            Value::String(key) => key.to_string_lossy(),
            Value::Integer(_) | Value::Number(_) => key.to_string()?,
            other => {
                let kind = other.type_name();
                return Err(mlua::Error::runtime(format!("a {kind} cannot be a key in JSON")));
            }
        };
        pairs.push((key, value));
    }
    // A table has no order of its own; sorted, equal tables give equal text.
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    for (key, value) in pairs {
        fields.insert(key, convert(&value, depth + 1, count)?);
    }
    Ok(Json::Object(fields))
}

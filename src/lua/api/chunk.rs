//! What a function that works on a body is called with, and what its answer means.
//!
//! It gets `(chunk, ctx)`, and at the end `(nil, ctx, trailers)`. It returns the new chunk, "" for
//! none and nil for an unchanged one, and at the end new trailers beside it.

use bytes::Bytes;
use http::HeaderMap;
use mlua::{IntoLuaMulti, Lua, LuaString, MultiValue, Table, Value};

use super::headers::value_of;
use crate::lua::stream::Passed;
use crate::lua::tools::Tools;

/// What the function is called with.
///
/// # Errors
/// When there is no memory for it.
pub(in crate::lua) fn arguments(
    lua: &Lua,
    ctx: &Table,
    chunk: Option<&Bytes>,
    trailers: Option<&HeaderMap>,
) -> mlua::Result<MultiValue> {
    let chunk = chunk.map(|chunk| lua.create_string(chunk)).transpose()?;
    let trailers = trailers.map(|trailers| table(lua, trailers)).transpose()?;
    (chunk, ctx, trailers).into_lua_multi(lua)
}

/// What the function has answered.
///
/// # Errors
/// When it is no chunk or no trailers.
pub(in crate::lua) fn passed(
    tools: &Tools,
    returned: MultiValue,
    chunk: Option<&Bytes>,
    trailers: Option<&HeaderMap>,
) -> mlua::Result<Passed> {
    let mut returned = returned.into_iter();
    let data = match returned.next().unwrap_or(Value::Nil) {
        Value::Nil => chunk.cloned().unwrap_or_default(),
        Value::String(text) => Bytes::copy_from_slice(&text.as_bytes()),
        other => {
            let got = other.type_name();
            let text = format!("a chunk is answered by a string or nil, not by a {got}");
            return Err(mlua::Error::runtime(text));
        }
    };
    let trailers = match returned.next() {
        Some(Value::Table(table)) => Some(map(tools, &table)?),
        _ => trailers.cloned(),
    };
    Ok(Passed { data, trailers: trailers.filter(|trailers| !trailers.is_empty()) })
}

/// Trailers by name; the values of a name are joined with a comma.
fn table(lua: &Lua, trailers: &HeaderMap) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for name in trailers.keys() {
        let values: Vec<_> =
            trailers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
        table.raw_set(name.as_str(), lua.create_string(values.join(&b", "[..]))?)?;
    }
    Ok(table)
}

fn map(tools: &Tools, table: &Table) -> mlua::Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for pair in table.pairs::<LuaString, Value>() {
        let (name, value) = pair?;
        map.append(tools.header_name(&name.as_bytes())?, value_of(&value)?);
    }
    Ok(map)
}

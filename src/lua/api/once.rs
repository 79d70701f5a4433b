//! `store:once`: a value that is computed by one and used by all.

use std::sync::Arc;
use std::time::Duration;

use mlua::{Function as LuaFunction, Lua, LuaString, Table, UserDataRef, Value};

use super::http::each_option;
use super::store::{StoreObject, from_lua, to_lua, wrong};
use super::time::duration;
use super::turns::{TurnObject, entered, holder};
use super::{Doc, Member};
use crate::lua::{raw, waiting};

/// How long others wait for a value unless said otherwise.
const WAIT: Duration = Duration::from_secs(30);

pub(super) const MEMBER: Member<StoreObject> = Member {
    doc: Doc {
        name: "once",
        signature: "store:once(key: string, options: table, fill: () -> (any, string?)) -> any, \
                    string?",
        text: "The value of a key, which `fill` computes where there is none; of all requests on \
               all workers one does, and the others wait for it. What `fill` returns is kept, but \
               for nil, which is returned with the reason behind it. Options: `ttl`, how long a \
               value is good; `stale` (0), how long after that it is still used while one request \
               computes it anew, and when that fails; `wait` (\"30s\"), how long others wait. For \
               hooks of requests.",
        example: "local keys, why = cache:once(\"keys\", { ttl = \"5m\", stale = \"1h\" }, fetch)",
    },
    add: |members| members.lua_method("once", make),
};

/// What it does, on top of functions of ours. Nothing of it is per byte.
const ONCE: &str = r#"
local peek, enter, keep = ...
return function(store, key, options, fill)
  local value, is_fresh = peek(store, key, options)
  if is_fresh then return value end
  local turn, waited = enter(store, key, options, value ~= nil)
  if not turn then
    if value ~= nil then return value end
    return nil, "nobody has computed it in time"
  end
  if waited then
    local newer, is_new = peek(store, key, options)
    if is_new then
      turn:leave()
      return newer
    end
  end
  local ended, filled, why = pcall(fill)
  if ended and filled ~= nil then keep(store, key, options, filled) end
  turn:leave()
  if ended and filled ~= nil then return filled end
  if value ~= nil then
    log.warn("store:once keeps what is stale", { key = key, reason = tostring(why or filled) })
    return value
  end
  if not ended then error(filled, 0) end
  return nil, why
end
"#;

fn make(lua: &Lua) -> mlua::Result<LuaFunction> {
    let peek = lua.create_function(|lua, (store, key, options): Asked| {
        let (options, now) = (Options::read(&options)?, store.0.now());
        let key = key.as_bytes();
        let left = store.0.ttl(&key, now);
        let is_fresh = left.is_some_and(|left| left.is_none_or(|left| left > options.stale));
        let value = store.0.get(&key, now).map(|value| to_lua(lua, &value)).transpose()?;
        Ok((value, is_fresh))
    })?;
    let enter = waiting::function(lua, |lua, (store, key, options, has_stale): Entering| {
        let begun = Options::read(&options).and_then(|options| {
            let exchange = holder(&lua, &*raw::tools(&lua)?)?;
            // With something stale at hand nobody waits.
            let wait = if has_stale { Duration::ZERO } else { options.wait };
            Ok((exchange, wait))
        });
        let (store, key) = (Arc::clone(&store.0), key.as_bytes().to_vec());
        async move {
            let (exchange, wait) = begun?;
            let came: (Option<TurnObject>, bool) =
                entered(&exchange, store.turns(), &key, wait).await;
            Ok(came)
        }
    })?;
    let keep = lua.create_function(|_, (store, key, options, value): Keeping| {
        let options = Options::read(&options)?;
        let Some(value) = from_lua(&value)? else { return Ok(()) };
        let ttl = Some(options.ttl.saturating_add(options.stale));
        store.0.set(&key.as_bytes(), value, store.0.now(), ttl).map_err(wrong)
    })?;
    let log: Table = lua.globals().get("log")?;
    let environment = lua.create_table()?;
    for name in ["pcall", "error", "tostring"] {
        environment.raw_set(name, lua.globals().get::<Value>(name)?)?;
    }
    environment.raw_set("log", log)?;
    lua.load(ONCE).set_name("=once").set_environment(environment).call((peek, enter, keep))
}

type Store = UserDataRef<StoreObject>;
type Asked = (Store, LuaString, Table);
type Entering = (Store, LuaString, Table, bool);
type Keeping = (Store, LuaString, Table, Value);

struct Options {
    ttl: Duration,
    stale: Duration,
    wait: Duration,
}

impl Options {
    fn read(table: &Table) -> mlua::Result<Self> {
        let mut options = Self { ttl: Duration::ZERO, stale: Duration::ZERO, wait: WAIT };
        each_option("store:once", table, "ttl, stale, wait", |name, value| {
            let place = match name {
                "ttl" => &mut options.ttl,
                "stale" => &mut options.stale,
                "wait" => &mut options.wait,
                _ => return Ok(false),
            };
            *place = duration(&value, name)?;
            Ok(true)
        })?;
        if options.ttl.is_zero() {
            return Err(mlua::Error::runtime("store:once: ttl is missing"));
        }
        Ok(options)
    }
}

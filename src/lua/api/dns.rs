//! The module `dns`: names of the domain name system, and who holds them.

use std::rc::{Rc, Weak};
use std::time::Duration;

use mlua::{Lua, LuaString, Table, Value};

use super::http::each_option;
use super::time::duration;
use super::{Doc, Function, Module};
use crate::lua::dns::{Change, Key, Name, Server};
use crate::lua::tools::Tools;
use crate::lua::{Host, waiting};

/// How long a server may take unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) const MODULE: Module = Module {
    name: "dns",
    text: "Names of the domain name system, and the name servers that hold them.",
    functions: &[
        Function {
            doc: Doc {
                name: "parents",
                signature: "dns.parents(name: string) -> {string}",
                text: "A name and all that it lies in but the top level, without the dot at the \
                       end: the zones that may hold it, the nearest first.",
                example: "for _, zone in dns.parents(\"_acme-challenge.a.example.\") do end",
            },
            make: |lua, _| {
                lua.create_function(|lua, name: LuaString| {
                    let name = bare(&name);
                    lua.create_sequence_from(parents(&name).map(str::to_owned))
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "relative",
                signature: "dns.relative(name: string, zone: string) -> string",
                text: "A name within a zone, as the zone's file has it: `@` for the zone itself. \
                       Dots at the ends mean nothing. A name outside of the zone is an error.",
                example: "dns.relative(\"_acme-challenge.a.example.com.\", \"example.com\")",
            },
            make: |lua, _| {
                lua.create_function(|_, (name, zone): (LuaString, LuaString)| {
                    let (name, zone) = (bare(&name), bare(&zone));
                    relative(&name, &zone).map(str::to_owned).ok_or_else(|| {
                        mlua::Error::runtime(format!("{name:?} is not within {zone:?}"))
                    })
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "zone",
                signature: "dns.zone(server: string, name: string, options: table?) -> string?, \
                            string?",
                text: "Asks a name server, `host` or `host:port`, which of its zones holds a name. \
                       Nil and the reason else. Options: `key`, a table with `name`, `secret` (in \
                       base64) and `algorithm` (`hmac-sha1`, `hmac-sha256`, `hmac-sha384`, \
                       `hmac-sha512`) with which messages are signed; `timeout` (\"10s\").",
                example: "local zone, why = dns.zone(\"192.0.2.53\", challenge.fqdn)",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                waiting::function(lua, move |lua, (host, name, options): Asked| {
                    let begun = begin(&lua, &tools, &host, options.as_ref());
                    let name = Name::parse(&name).map_err(mlua::Error::external);
                    async move {
                        let ((host, server), name) = (begun?, name?);
                        Ok(match server.zone(&*host, &name).await {
                            Ok(zone) => (Some(zone.to_string()), None),
                            Err(error) => (None, Some(error.to_string())),
                        })
                    }
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "update",
                signature: "dns.update(server: string, zone: string, changes: {table}, options: \
                            table?) -> boolean, string?",
                text: "Changes TXT records of a zone at a name server (RFC 2136), all of them or \
                       none. A change is `{ add = NAME, text = TEXT, ttl = SECONDS }`, or \
                       `{ remove = NAME, text = TEXT }`; other records of the name stay. False and \
                       the reason when it was not done. Options are those of `dns.zone`.",
                example: "dns.update(server, zone, { { remove = name, text = value } }, options)",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                waiting::function(lua, move |lua, (host, zone, list, options): Changed| {
                    let begun = begin(&lua, &tools, &host, options.as_ref());
                    let zone = Name::parse(&zone).map_err(mlua::Error::external);
                    let list: mlua::Result<Vec<Change>> =
                        list.sequence_values().map(|table| change(&table?)).collect();
                    async move {
                        let ((host, server), zone, list) = (begun?, zone?, list?);
                        Ok(match server.update(&*host, &zone, &list).await {
                            Ok(()) => (true, None),
                            Err(error) => (false, Some(error.to_string())),
                        })
                    }
                })
                .map(Value::Function)
            },
        },
    ],
};

/// A server, a name, and options.
type Asked = (String, String, Option<Table>);
/// A server, a zone, changes, and options.
type Changed = (String, String, Table, Option<Table>);

/// A server as a script names it, and the way to it.
fn begin(
    lua: &Lua,
    tools: &Weak<Tools>,
    host: &str,
    options: Option<&Table>,
) -> mlua::Result<(Rc<dyn Host>, Server)> {
    let tools = tools.upgrade().ok_or_else(|| mlua::Error::runtime("the VM has ended"))?;
    tools.gate.may_wait(lua)?;
    let run = tools.current.borrow().clone();
    let run = run.ok_or_else(|| mlua::Error::runtime("no script runs"))?;
    let (mut timeout, mut key) = (TIMEOUT, None);
    if let Some(options) = options {
        each_option("dns", options, "key, timeout", |name, value| {
            match (name, value) {
                ("timeout", value) => timeout = duration(&value, "timeout")?,
                ("key", Value::Table(table)) => key = Some(read_key(&table)?),
                ("key", _) => return Err(mlua::Error::runtime("dns: key must be a table")),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
    }
    Ok((run.host()?, Server::new(host, key, timeout)))
}

fn read_key(table: &Table) -> mlua::Result<Key> {
    let text = |name: &str| table.raw_get::<Option<String>>(name).map(Option::unwrap_or_default);
    let key = Key::new(&text("name")?, &text("algorithm")?, &text("secret")?);
    key.map_err(mlua::Error::external)
}

fn change(table: &Table) -> mlua::Result<Change> {
    let name = |key: &str| match table.raw_get::<Option<String>>(key)? {
        Some(name) => Name::parse(&name).map(Some).map_err(mlua::Error::external),
        None => Ok(None),
    };
    let text = table.raw_get::<LuaString>("text")?.as_bytes().to_vec();
    match (name("add")?, name("remove")?) {
        (Some(name), None) => Ok(Change::Add { name, seconds: table.raw_get("ttl")?, text }),
        (None, Some(name)) => Ok(Change::Remove { name, text }),
        _ => Err(mlua::Error::runtime("dns.update: a change has either `add` or `remove`")),
    }
}

/// A name in lower case, without the dot at its end.
fn bare(name: &LuaString) -> String {
    name.to_string_lossy().trim_end_matches('.').to_ascii_lowercase()
}

/// The name itself and what it lies in, as long as there are two labels.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    let all = std::iter::successors(Some(name), |name| Some(name.split_once('.')?.1));
    all.take_while(|name| name.contains('.'))
}

fn relative<'a>(name: &'a str, zone: &str) -> Option<&'a str> {
    if name == zone {
        return Some("@");
    }
    name.strip_suffix(zone)?.strip_suffix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_in_zones() {
        let all: Vec<_> = parents("_acme-challenge.a.example.com").collect();
        assert_eq!(all, ["_acme-challenge.a.example.com", "a.example.com", "example.com"]);
        assert_eq!(parents("com").count(), 0);
        assert_eq!(relative("a.b.c", "b.c"), Some("a"));
        assert_eq!(relative("b.c", "b.c"), Some("@"));
        assert_eq!(relative("ab.c", "b.c"), None);
        assert_eq!(relative("a.b", "c"), None);
    }
}

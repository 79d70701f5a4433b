//! The module `dns`: names of the domain name system.

use mlua::{LuaString, Value};

use super::{Doc, Function, Module};

pub(super) const MODULE: Module = Module {
    name: "dns",
    text: "Names of the domain name system.",
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
    ],
};

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

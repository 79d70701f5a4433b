//! The module `url`, and how paths are spelled: as Go's `net/url` spells them, so that rewritten
//! paths reach servers as they do behind Traefik.

use std::borrow::Cow;

use mlua::{BString, Lua, LuaString, Table, Value};

use super::{Doc, Function, Module, resolve};
use crate::lua::raw::{self, Args, Called, Out};
use crate::lua::tools::Tools;

pub(super) const MODULE: Module = Module {
    name: "url",
    text: "URLs and their escapes.",
    functions: &[
        Function {
            doc: Doc {
                name: "parse",
                signature: "url.parse(url: string) -> table?, string?",
                text: "Takes an absolute URL apart: `scheme`, `host` (with port), `hostname`, \
                       `port` (number or nil), `path` (with its escapes), `query` and `fragment` \
                       (nil when absent). Returns nil and a reason when it is no such URL.",
                example: "local target, why = url.parse(\"https://a.example/x\")",
            },
            make: |lua, _| {
                lua.create_function(|lua, text: LuaString| match parse(lua, &text.as_bytes())? {
                    Ok(table) => Ok((Some(table), None)),
                    Err(reason) => Ok((None, Some(reason))),
                })
                .map(Value::Function)
            },
        },
        resolve::RESOLVE,
        Function {
            doc: Doc {
                name: "encode",
                signature: "url.encode(text: string) -> string",
                text: "Escapes everything but letters, digits and `-._~`, for a query's names \
                       and values.",
                example: "req.query = \"q=\" .. url.encode(\"a&b\")",
            },
            make: |lua, _| {
                lua.create_function(|_, text: LuaString| {
                    Ok(BString::from(escape(&text.as_bytes(), &UNRESERVED)))
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "decode",
                signature: "url.decode(text: string) -> string?",
                text: "Decodes percent escapes; nil when one is broken. A plus sign stays.",
                example: "local name = url.decode(\"caf%C3%A9\")",
            },
            make: |lua, _| {
                let decode = |_: &Tools, args: Args<'_>, out: &mut Out<'_>| {
                    let text = args.at(0).text()?;
                    match text.contains(&b'%') {
                        true => out.maybe(decode(&text, Plus::Kept).as_deref()),
                        false => out.text(&text),
                    }
                    Ok(Called::Answered)
                };
                raw::function(lua, decode, None).map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "encode_path",
                signature: "url.encode_path(path: string) -> string",
                text: "Escapes what cannot stand in a path; slashes stay.",
                example: "local raw = url.encode_path(\"/a b\")",
            },
            make: |lua, _| {
                let encode = |_: &Tools, args: Args<'_>, out: &mut Out<'_>| {
                    out.text(encode_path(&args.at(0).text()?).as_bytes());
                    Ok(Called::Answered)
                };
                raw::function(lua, encode, None).map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "parse_query",
                signature: "url.parse_query(query: string) -> table",
                text: "The parameters of a query, each with the list of its values. Plus signs \
                       mean spaces. Parameters with broken escapes are left out.",
                example: "local page = url.parse_query(req.query or \"\").page[1]",
            },
            make: |lua, _| {
                lua.create_function(|lua, query: LuaString| parse_query(lua, &query.as_bytes()))
                    .map(Value::Function)
            },
        },
    ],
};

/// What a plus sign means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// Itself.
    Kept,
    /// A space, as in forms.
    Space,
}

/// Host and port of an authority; brackets of an IPv6 address stay.
pub(super) fn split_host(host: &[u8]) -> (&[u8], Option<&[u8]>) {
    let after_address = host.iter().rposition(|&b| b == b']').map_or(0, |at| at + 1);
    let rest = host.get(after_address..).unwrap_or_default();
    match rest.iter().position(|&b| b == b':') {
        Some(colon) => {
            let (name, port) = host.split_at(after_address + colon);
            (name, port.get(1..).filter(|port| !port.is_empty()))
        }
        None => (host, None),
    }
}

/// Decodes escapes; `None` when one is broken.
pub(super) fn decode(text: &[u8], plus: Plus) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus == Plus::Space => out.push(b' '),
            _ => out.push(byte),
        }
    }
    Some(out)
}

/// A path with its escapes decoded, when it has any.
pub(super) fn decode_path(path: &str) -> Option<Vec<u8>> {
    path.contains('%').then(|| decode(path.as_bytes(), Plus::Kept)).flatten()
}

/// Escapes a path as Go does when it knows no other spelling.
pub(super) fn encode_path(path: &[u8]) -> String {
    ascii(escape(path, &STANDS_IN_PATH))
}

/// Whether `raw` is a spelling of `path` that Go would keep.
pub(super) fn spells(raw: &str, path: &[u8]) -> bool {
    let raw = raw.as_bytes();
    raw.iter().all(|&byte| STANDS_IN_SPELLING[usize::from(byte)])
        && match raw.contains(&b'%') {
            true => decode(raw, Plus::Kept).is_some_and(|decoded| decoded == path),
            false => raw == path,
        }
}

/// A location or a query as a script wrote it, with what cannot be sent escaped.
pub(super) fn escape_location(url: &[u8]) -> Vec<u8> {
    escape(url, &STANDS_IN_LOCATION)
}

/// Bytes that stand for themselves.
type Plain = [bool; 256];

static UNRESERVED: Plain = plain(b"-._~");
static STANDS_IN_PATH: Plain = plain(b"-._~$&+,/:;=@");
static STANDS_IN_SPELLING: Plain = plain(b"-._~!$&'()*+,;=:@[]%/");
static STANDS_IN_LOCATION: Plain = plain(b"-._~!#$%&'()*+,/:;=?@[]");

/// Letters, digits and these.
const fn plain(others: &[u8]) -> Plain {
    let mut plain = [false; 256];
    let mut byte = 0_u8;
    while byte.is_ascii() {
        plain[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = true;
        at += 1;
    }
    plain
}

fn escape(text: &[u8], plain: &Plain) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    // Most texts are fine as they are, and are looked through faster than they are put together.
    if text.iter().all(|&byte| plain[usize::from(byte)]) {
        return text.to_vec();
    }
    let mut out = Vec::with_capacity(text.len() + 8);
    for &byte in text {
        if plain[usize::from(byte)] {
            out.push(byte);
        } else {
            let digit = |half: u8| HEX[usize::from(half)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

/// What was escaped, as text.
fn ascii(escaped: Vec<u8>) -> String {
    String::from_utf8(escaped).unwrap_or_default()
}

fn parse(lua: &Lua, text: &[u8]) -> mlua::Result<Result<Table, &'static str>> {
    let Some(parts) = Parts::split(text) else { return Ok(Err("this is no absolute URL")) };
    if let Err(reason) = parts.check() {
        return Ok(Err(reason));
    }
    let (hostname, port) = split_host(parts.host);
    let port = port.and_then(|port| std::str::from_utf8(port).ok()?.parse::<u16>().ok());
    let table = lua.create_table()?;
    let string = |part: &[u8]| lua.create_string(part);
    table.raw_set("scheme", String::from_utf8_lossy(parts.scheme).to_ascii_lowercase())?;
    table.raw_set("host", string(parts.host)?)?;
    table.raw_set("hostname", string(hostname)?)?;
    table.raw_set("port", port)?;
    table.raw_set("path", string(parts.path)?)?;
    table.raw_set("query", parts.query.map(string).transpose()?)?;
    table.raw_set("fragment", parts.fragment.map(string).transpose()?)?;
    Ok(Ok(table))
}

struct Parts<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    path: &'a [u8],
    query: Option<&'a [u8]>,
    fragment: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a [u8]) -> Option<Self> {
        let at = text.windows(3).position(|three| three == b"://")?;
        let (scheme, rest) = (text.get(..at)?, text.get(at + 3..)?);
        let (rest, fragment) = cut(rest, b'#');
        let (rest, query) = cut(rest, b'?');
        let slash = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        let host = authority.rsplit(|&b| b == b'@').next().unwrap_or(authority);
        Some(Self { scheme, host, path, query, fragment })
    }

    fn check(&self) -> Result<(), &'static str> {
        let is_scheme = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
        if !self.scheme.first().is_some_and(u8::is_ascii_alphabetic)
            || !self.scheme.iter().all(is_scheme)
        {
            return Err("the scheme is wrong");
        }
        let (hostname, port) = split_host(self.host);
        if port.is_some_and(|port| !port.iter().all(u8::is_ascii_digit)) {
            return Err("the port is no number");
        }
        let is_host = |b: &u8| !b.is_ascii_control() && !b" \"<>\\^`{|}".contains(b);
        if !hostname.iter().all(is_host) {
            return Err("the host holds a character that a host cannot hold");
        }
        if decode(self.path, Plus::Kept).is_none() {
            return Err("the path has a broken escape");
        }
        Ok(())
    }
}

fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&b| b == at) {
        Some(place) => (&text[..place], text.get(place + 1..)),
        None => (text, None),
    }
}

fn parse_query(lua: &Lua, query: &[u8]) -> mlua::Result<Table> {
    let all = lua.create_table()?;
    for parameter in query.split(|&b| b == b'&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = cut(parameter, b'=');
        let decoded = |part: &[u8]| decode(part, Plus::Space);
        let (Some(name), Some(value)) = (decoded(name), decoded(value.unwrap_or_default())) else {
            continue;
        };
        let name: Cow<'_, [u8]> = name.into();
        let name = lua.create_string(&*name)?;
        let values = match all.raw_get::<Option<Table>>(&name)? {
            Some(values) => values,
            None => {
                let values = lua.create_table()?;
                all.raw_set(name, &values)?;
                values
            }
        };
        values.raw_set(values.raw_len() + 1, lua.create_string(value)?)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_paths_as_go_does() {
        for (path, expect) in [
            ("/a b", "/a%20b"),
            ("/a/b;c,d", "/a/b;c,d"),
            ("/a?b#c", "/a%3Fb%23c"),
            ("/a!(b)*", "/a%21%28b%29%2A"),
            ("/100%", "/100%25"),
        ] {
            assert_eq!(encode_path(path.as_bytes()), expect, "{path}");
        }
        for (raw, path, expect) in [
            ("/a%2Fb", "/a/b", true),
            ("/a!b", "/a!b", true),
            ("//secret", "/secret", false),
            ("/sp ace", "/sp ace", false),
            ("/a%zz", "/a%zz", false),
        ] {
            assert_eq!(spells(raw, path.as_bytes()), expect, "{raw}");
        }
    }

    #[test]
    fn splits_hosts() {
        let check = |host: &str, name: &str, port: Option<&str>| {
            let got = split_host(host.as_bytes());
            assert_eq!(got, (name.as_bytes(), port.map(str::as_bytes)), "{host}");
        };
        check("a.test", "a.test", None);
        check("a.test:80", "a.test", Some("80"));
        check("a.test:", "a.test", None);
        check("[::1]:80", "[::1]", Some("80"));
        check("[::1]", "[::1]", None);
    }
}

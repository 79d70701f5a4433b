//! `req.cookies` and `res.cookies`.

use std::fmt::Write as _;
use std::rc::Rc;

use http::HeaderValue;
use http::header::{COOKIE, SET_COOKIE};
use mlua::{BString, Lua, LuaString, MultiValue, Table, Value};

use super::members::{Handled, Members, QuickOthers};
use super::{Doc, Member, Object};
use crate::lua::handle::{Handle, Kind};
use crate::lua::raw::Out;
use crate::lua::run::{REQUEST_OVER, RESPONSE_OVER, RequestSlot, ResponseSlot};
use crate::lua::tools::Tools;
use crate::value::GoDuration;

/// The cookies that the client sent.
pub(super) struct RequestCookies(pub(super) Rc<RequestSlot>);

/// The cookies that the answer sets.
pub(super) struct ResponseCookies(pub(super) Rc<ResponseSlot>);

pub(super) const REQUEST_COOKIES: Object<RequestCookies> = Object {
    name: "req.cookies",
    text: "The cookies that the client sent, as they were sent. `req.cookies[\"name\"]` is the \
           first of that name, or nil; `pairs(req.cookies)` walks over all.",
    members: &[Member {
        doc: Doc {
            name: "pairs",
            signature: "cookies:pairs() -> iterator",
            text: "What `pairs(req.cookies)` walks with.",
            example: "for name, value in pairs(req.cookies) do log.debug(name) end",
        },
        add: |members| {
            members.method("pairs", |lua, cookies, ()| {
                let all = cookies.0.with(|request| {
                    let lines = request.headers.values(&COOKIE);
                    let all = lines.iter().flat_map(|line| crumbs(line));
                    let owned = all.map(|(n, v)| (BString::from(n), BString::from(v)));
                    Ok(owned.collect::<Vec<_>>())
                })?;
                let mut all = all.into_iter();
                lua.create_function_mut(move |_, _: MultiValue| {
                    Ok(all.next().map_or((None, None), |(n, v)| (Some(n), Some(v))))
                })
            });
        },
    }],
};

pub(super) const RESPONSE_COOKIES: Object<ResponseCookies> = Object {
    name: "res.cookies",
    text: "The cookies that the answer sets.",
    members: &[Member {
        doc: Doc {
            name: "set",
            signature: "cookies:set(name: string, value: string, attributes: table?)",
            text: "Adds a `Set-Cookie` line. Attributes: `path`, `domain`, `max_age` (seconds or \
                   a duration such as \"30m\"), `same_site` (\"Lax\", \"Strict\", \"None\"), \
                   `secure`, `http_only`.",
            example: "res.cookies:set(\"arm\", \"a\", { path = \"/\", max_age = \"24h\" })",
        },
        add: |members| {
            members.method(
                "set",
                |_, cookies, (name, value, more): (LuaString, LuaString, Option<Table>)| {
                    let line = cookie(&name.as_bytes(), &value.as_bytes(), more.as_ref())?;
                    cookies.0.with_mut(|response| {
                        response.headers.push(SET_COOKIE, line);
                        Ok(())
                    })
                },
            );
        },
    }],
};

impl Handled for RequestCookies {
    fn find(tools: &Tools, handle: Handle) -> mlua::Result<Self> {
        let slot = match handle.kind() {
            Kind::RequestCookies => tools.requests.get(handle),
            _ => return Err(mlua::Error::runtime("these are no cookies of a request")),
        };
        slot.map(Self).ok_or_else(|| mlua::Error::runtime(REQUEST_OVER))
    }
}

impl RequestCookies {
    fn get(&self, name: &[u8], out: &mut Out<'_>) -> mlua::Result<()> {
        self.0.with(|request| {
            let lines = request.headers.values(&COOKIE);
            let found = lines
                .iter()
                .find_map(|line| crumbs(line).find(|(n, _)| *n == name).map(|(_, value)| value));
            match found {
                Some(value) => out.text(value),
                None => out.nil(),
            }
            Ok(())
        })
    }
}

impl Handled for ResponseCookies {
    fn find(tools: &Tools, handle: Handle) -> mlua::Result<Self> {
        let slot = match handle.kind() {
            Kind::ResponseCookies => tools.responses.get(handle),
            _ => return Err(mlua::Error::runtime("these are no cookies of a response")),
        };
        slot.map(Self).ok_or_else(|| mlua::Error::runtime(RESPONSE_OVER))
    }
}

/// Puts the cookies of requests and responses into a VM.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let others = QuickOthers {
        get: |cookies: &RequestCookies, name, out| cookies.get(name.bytes(), out),
        set: QuickOthers::NONE.set,
    };
    let mut members = Members::handled();
    REQUEST_COOKIES.collect(&mut members);
    members.install_handled(lua, Kind::RequestCookies, &others)?;
    let mut members = Members::handled();
    RESPONSE_COOKIES.collect(&mut members);
    members.install_handled(lua, Kind::ResponseCookies, &QuickOthers::NONE)
}

/// Names and values of a `Cookie` line; quotes around a value are not part of it.
fn crumbs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|&b| b == b';').filter_map(|crumb| {
        let crumb = crumb.trim_ascii();
        let equals = crumb.iter().position(|&b| b == b'=')?;
        let (name, value) = (crumb.get(..equals)?, crumb.get(equals + 1..)?);
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some((name, bare.unwrap_or(value)))
    })
}

fn cookie(name: &[u8], value: &[u8], more: Option<&Table>) -> mlua::Result<HeaderValue> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(mlua::Error::runtime("a cookie's name cannot hold that character"));
    }
    if !value.iter().all(|&b| b.is_ascii_graphic() && !b"\",;\\".contains(&b)) {
        return Err(mlua::Error::runtime("a cookie's value cannot hold that character; encode it"));
    }
    let mut line = format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
    for pair in more.into_iter().flat_map(Table::pairs::<String, Value>) {
        let (key, value) = pair?;
        attribute(&mut line, &key, &value)?;
    }
    HeaderValue::from_str(&line).map_err(|_| mlua::Error::runtime("a cookie's attribute is wrong"))
}

fn attribute(line: &mut String, key: &str, value: &Value) -> mlua::Result<()> {
    let text = value.to_string()?;
    if text.contains(';') {
        return Err(mlua::Error::runtime(format!("the cookie's {key} cannot hold a semicolon")));
    }
    // Writing to a string cannot fail.
    let _ = match (key, value) {
        ("path", _) => write!(line, "; Path={text}"),
        ("domain", _) => write!(line, "; Domain={text}"),
        ("same_site", _) => write!(line, "; SameSite={text}"),
        ("max_age", _) => {
            let age = GoDuration::parse(&text)
                .map_err(|error| mlua::Error::runtime(format!("the cookie's max_age: {error}")))?;
            write!(line, "; Max-Age={}", age.get().as_secs())
        }
        ("secure", Value::Boolean(true)) => write!(line, "; Secure"),
        ("http_only", Value::Boolean(true)) => write!(line, "; HttpOnly"),
        ("secure" | "http_only", Value::Boolean(false)) => Ok(()),
        _ => {
            let known = "path, domain, max_age, same_site, secure, http_only";
            let wrong = format!("unknown attribute {key:?} of a cookie; known are {known}");
            return Err(mlua::Error::runtime(wrong));
        }
    };
    Ok(())
}

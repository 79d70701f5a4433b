//! Global functions: answers a script makes itself, and `print`.

use std::rc::Rc;

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use mlua::{LuaString, Table, Value, Variadic};

use super::headers::value_of;
use super::{Doc, Function, Module, ResponseObject, log};
use crate::lua::handle::Kind;
use crate::lua::raw::{self, Arg, Args, Called, Out};
use crate::lua::run::ResponseSlot;
use crate::lua::tools::Tools;
use crate::message::{Response, plain};

pub(super) const MODULE: Module = Module {
    name: "",
    text: "Functions without a module. A hook that returns a response ends the request with it.",
    functions: &[
        Function {
            doc: Doc {
                name: "respond",
                signature: "respond(status: number, body: string?, headers: table?) -> res",
                text: "Makes a response. Without a `Content-Type` among the headers a body is sent \
                       as plain text. The header table holds one value, or a list of values, per \
                       name.",
                example: "return respond(403, \"no entry\\n\", { [\"X-Reason\"] = \"closed\" })",
            },
            make: |lua, tools| {
                let owned = Rc::clone(tools);
                let quick = move |_: &Tools, args: Args<'_>, out: &mut Out<'_>| {
                    if !args.at(2).is_nil() {
                        return Ok(Called::Declined);
                    }
                    let (status, body) =
                        (status_of(args.at(0).integer()?)?, args.at(1).optional()?);
                    let response = answer(status, body.as_deref());
                    let slot = ResponseSlot::new(response, Rc::clone(&owned));
                    out.handle(slot.handle(Kind::Response)?);
                    Ok(Called::Answered)
                };
                let tools = Rc::clone(tools);
                let typed = lua.create_function(
                    move |_, (status, body, headers): (i64, Option<LuaString>, Option<Table>)| {
                        let body = body.as_ref().map(LuaString::as_bytes);
                        let mut response = answer(status_of(status)?, body.as_deref());
                        if let Some(headers) = headers {
                            fill(&mut response, &headers, &tools)?;
                        }
                        Ok(ResponseObject(ResponseSlot::new(response, Rc::clone(&tools))))
                    },
                )?;
                raw::function(lua, quick, Some(typed)).map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "redirect",
                signature: "redirect(url: string, status: number?) -> res",
                text: "Makes a redirection. Without a status it is 302 for a GET request and 307 \
                       for any other. Bytes that a URL cannot hold are escaped. The body is the \
                       status's text.",
                example: "return redirect(\"https://\" .. req.hostname .. req.uri, 308)",
            },
            make: |lua, tools| {
                let owned = Rc::clone(tools);
                let quick = move |tools: &Tools, args: Args<'_>, out: &mut Out<'_>| {
                    let status = match args.at(1) {
                        Arg::Nil if is_get(tools) => StatusCode::FOUND,
                        Arg::Nil => StatusCode::TEMPORARY_REDIRECT,
                        status => status_of(status.integer()?)?,
                    };
                    let response = redirection(&args.at(0).text()?, status)?;
                    let slot = ResponseSlot::new(response, Rc::clone(&owned));
                    out.handle(slot.handle(Kind::Response)?);
                    Ok(Called::Answered)
                };
                raw::function(lua, quick, None).map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "status_text",
                signature: "status_text(status: number) -> string?",
                text: "The name of a status, such as \"Not Found\", as Go writes it; nil for one \
                       that has none.",
                example: "return respond(503, status_text(503))",
            },
            make: |lua, _| {
                lua.create_function(|_, status: i64| Ok(status_text(status_of(status)?)))
                    .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "print",
                signature: "print(...)",
                text: "Writes its arguments to the log, as `log.info` does.",
                example: "print(req.method, req.path)",
            },
            make: |lua, tools| {
                let tools = Rc::clone(tools);
                lua.create_function(move |_, values: Variadic<Value>| {
                    let words: mlua::Result<Vec<_>> = values.iter().map(Value::to_string).collect();
                    log::write(&tools, log::Level::Info, &words?.join(" "), None)
                })
                .map(Value::Function)
            },
        },
    ],
};

/// An answer with a body of plain text, or without one.
fn answer(status: StatusCode, body: Option<&[u8]>) -> Response {
    match body.filter(|body| !body.is_empty()) {
        Some(body) => {
            let mut response = plain(status, String::new());
            response.body = bytes::Bytes::copy_from_slice(body).into();
            response
        }
        None => Response::new(status),
    }
}

/// A status from a script.
///
/// # Errors
/// When it is none that can be sent.
pub(super) fn status_of(status: i64) -> mlua::Result<StatusCode> {
    let code = u16::try_from(status).ok().filter(|code| (200..1000).contains(code));
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    code.ok_or_else(|| mlua::Error::runtime(format!("{status} is not a status, use 200 to 999")))
}

fn fill(response: &mut Response, headers: &Table, tools: &Tools) -> mlua::Result<()> {
    fill_headers(&mut response.headers, headers, tools)
}

/// Puts what a table says into headers: one value, or a list of values, per name.
///
/// # Errors
/// When a name or a value cannot be a header's.
pub(super) fn fill_headers(
    map: &mut HeaderMap,
    headers: &Table,
    tools: &Tools,
) -> mlua::Result<()> {
    for pair in headers.pairs::<LuaString, Value>() {
        let (name, value) = pair?;
        let name = tools.header_name(&name.as_bytes())?;
        map.remove(&name);
        let Value::Table(values) = value else {
            map.append(name, value_of(&value)?);
            continue;
        };
        for value in values.sequence_values::<Value>() {
            map.append(name.clone(), value_of(&value?)?);
        }
    }
    Ok(())
}

fn is_get(tools: &Tools) -> bool {
    let current = tools.current.borrow();
    let slot = current.as_ref().and_then(|run| run.request.borrow().clone());
    slot.is_some_and(|slot| slot.with(|request| Ok(request.method == Method::GET)).unwrap_or(false))
}

/// The name of a status. Two have newer names than Go gives them.
fn status_text(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Some("Request Entity Too Large"),
        StatusCode::RANGE_NOT_SATISFIABLE => Some("Requested Range Not Satisfiable"),
        _ => status.canonical_reason(),
    }
}

fn redirection(url: &[u8], status: StatusCode) -> mlua::Result<Response> {
    let escaped = super::url::escape_location(url);
    let location = HeaderValue::from_maybe_shared(bytes::Bytes::from(escaped))
        .map_err(|_| mlua::Error::runtime("the URL cannot be sent in a header"))?;
    let mut response = plain(status, status.canonical_reason().unwrap_or_default());
    response.headers.set(LOCATION, location);
    Ok(response)
}

//! `res`: the response as a script sees and changes it.

use std::rc::Rc;

use mlua::{FromLua, IntoLua, Lua, Value};

use super::answer::status_of;
use super::bodies::Bodies;
use super::body::{Held, forget_length};
use super::members::{Handled, Members, QuickOthers};
use super::{Doc, Member, Object};
use crate::lua::handle::{Handle, Kind};
use crate::lua::raw;
use crate::lua::run::{RESPONSE_OVER, ResponseSlot};
use crate::lua::tools::Tools;
use crate::message::{Failure, Response};

/// `res` of one run, or a response that a script made.
pub(in crate::lua) struct ResponseObject(pub(in crate::lua) Rc<ResponseSlot>);

pub(super) const OBJECT: Object<ResponseObject> = Object {
    name: "res",
    text: "A response: what came back, or what `respond` made. It can be used until its hook \
           ends.",
    members: &[
        Member {
            doc: Doc {
                name: "status",
                signature: "res.status: number",
                text: "The status; assigning changes it, and the reason phrase becomes the \
                       standard one.",
                example: "if res.status == 404 then res.status = 410 end",
            },
            add: |members| {
                members.read("status", |res, out| {
                    res.0.with(|response| {
                        out.number(f64::from(response.status.as_u16()));
                        Ok(())
                    })
                });
                members.write("status", |res, status| {
                    let status = status_of(status.integer()?)?;
                    res.0.with_mut(|response| {
                        response.status = status;
                        Ok(())
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "headers",
                signature: "res.headers: headers",
                text: "The headers.",
                example: "res.headers[\"Server\"] = nil",
            },
            add: |members| {
                members.read("headers", |res, out| {
                    out.handle(res.0.handle(Kind::ResponseHeaders)?);
                    Ok(())
                });
            },
        },
        Member {
            doc: Doc {
                name: "cookies",
                signature: "res.cookies: res.cookies",
                text: "The cookies that the answer sets.",
                example: "res.cookies:set(\"seen\", \"1\", { path = \"/\" })",
            },
            add: |members| {
                members.read("cookies", |res, out| {
                    out.handle(res.0.handle(Kind::ResponseCookies)?);
                    Ok(())
                });
            },
        },
        Member {
            doc: Doc {
                name: "body",
                signature: "res.body = string",
                text: "Assigning replaces the body, as `res:replace` does.",
                example: "res.body = \"gone\\n\"",
            },
            add: |members| {
                members.write("body", |res, body| {
                    let body = body.text()?;
                    res.0.with_mut(|response| {
                        forget_length(&mut response.headers);
                        Ok(())
                    })?;
                    res.0.exchange(bytes::Bytes::copy_from_slice(&body).into());
                    Ok(())
                });
            },
        },
        Member {
            doc: Doc {
                name: "error",
                signature: "res.error: string?",
                text: "Why there is no answer of a server, nil when there is one. No server has \
                       seen the request: `connect`, `connect_timeout`, `no_server`, `no_router`, \
                       `router_disabled`. \
                       It may have seen it: `closed`, `timeout`, `bad_answer`. Not the server's \
                       doing: `bad_request`, `client_gone`, `body_too_large`, `script`.",
                example: "if res.error == \"connect\" then return respond(503) end",
            },
            add: |members| {
                members.getter("error", |_, res| {
                    let word = |response: &Response| response.failure.as_ref().map(Failure::word);
                    res.0.with(|response| Ok(word(response)))
                });
            },
        },
    ],
};

impl Handled for ResponseObject {
    fn find(tools: &Tools, handle: Handle) -> mlua::Result<Self> {
        let slot = match handle.kind() {
            Kind::Response => tools.responses.get(handle),
            _ => return Err(mlua::Error::runtime("this is no response")),
        };
        slot.map(Self).ok_or_else(|| mlua::Error::runtime(RESPONSE_OVER))
    }
}

impl IntoLua for ResponseObject {
    fn into_lua(self, _: &Lua) -> mlua::Result<Value> {
        Ok(self.0.handle(Kind::Response)?.value())
    }
}

impl FromLua for ResponseObject {
    fn from_lua(value: Value, lua: &Lua) -> mlua::Result<Self> {
        let handle = Handle::of(&value).ok_or_else(|| mlua::Error::runtime("this is no response"));
        Self::find(&*raw::tools(lua)?, handle?)
    }
}

/// Puts `res` into a VM.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let mut members = Members::handled();
    OBJECT.collect(&mut members);
    Bodies::OBJECT.collect(&mut members);
    members.install_handled(lua, Kind::Response, &QuickOthers::NONE)
}

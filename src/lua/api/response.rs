//! `res`: the response as a script sees and changes it.

use std::rc::Rc;

use mlua::{LuaString, UserData, UserDataRegistry};

use super::answer::status_of;
use super::bodies::Bodies;
use super::body::{Held, forget_length};
use super::cookies::ResponseCookies;
use super::headers::Headers;
use super::members::{Members, Others};
use super::{Doc, Member, Object};
use crate::lua::run::ResponseSlot;
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
                members
                    .getter("status", |_, res| res.0.with(|response| Ok(response.status.as_u16())));
                members.setter("status", |_, res, status: i64| {
                    let status = status_of(status)?;
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
                members.getter("headers", |lua, res| {
                    let mut cached = res.0.headers.borrow_mut();
                    if let Some(headers) = &*cached {
                        return Ok(headers.clone());
                    }
                    let headers = lua.create_userdata(Headers::Response(Rc::clone(&res.0)))?;
                    Ok(cached.insert(headers).clone())
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
                members.getter("cookies", |lua, res| {
                    let mut cached = res.0.cookies.borrow_mut();
                    if let Some(cookies) = &*cached {
                        return Ok(cookies.clone());
                    }
                    let cookies = lua.create_userdata(ResponseCookies(Rc::clone(&res.0)))?;
                    Ok(cached.insert(cookies).clone())
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
                members.setter("body", |_, res, body: LuaString| {
                    res.0.with_mut(|response| {
                        forget_length(&mut response.headers);
                        Ok(())
                    })?;
                    res.0.exchange(bytes::Bytes::copy_from_slice(&body.as_bytes()).into());
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

impl UserData for ResponseObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        let mut members = Members::new();
        OBJECT.collect(&mut members);
        Bodies::OBJECT.collect(&mut members);
        members.install(registry, &Others::NONE);
    }
}

//! `res`: the response as a script sees and changes it.

use std::rc::Rc;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use mlua::{LuaString, UserData, UserDataRegistry};

use super::answer::status_of;
use super::cookies::ResponseCookies;
use super::headers::Headers;
use super::members::Others;
use super::{Doc, Member, Object};
use crate::lua::run::ResponseSlot;

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
                text: "Assigning replaces the body; its length is told anew. A response that was \
                       compressed needs its `Content-Encoding` removed as well. Bodies cannot be \
                       read yet.",
                example: "res.body = \"gone\\n\"",
            },
            add: |members| {
                members.setter("body", |_, res, body: LuaString| {
                    let body = bytes::Bytes::copy_from_slice(&body.as_bytes());
                    res.0.with_mut(|response| {
                        response.headers.remove(CONTENT_LENGTH);
                        response.headers.remove(TRANSFER_ENCODING);
                        let old = std::mem::replace(&mut response.body, body.into());
                        // The body that came is what `onError: skip` puts back.
                        res.0.replaced.borrow_mut().get_or_insert(old);
                        Ok(())
                    })
                });
            },
        },
    ],
};

impl UserData for ResponseObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        OBJECT.register(registry, &Others::NONE);
    }
}

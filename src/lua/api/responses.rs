//! The module `responses`: whole answers that all workers see.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use mlua::{BString, Lua, LuaString, Table, UserData, UserDataRef, UserDataRegistry, Value};

use super::members::Others;
use super::store::{bytes_of, refused, used};
use super::time::duration;
use super::{Doc, Function, Member, Module, Object, ResponseObject};
use crate::lua::run::ResponseSlot;
use crate::lua::shared::{Opened, Shelf, ShelvedAnswer};
use crate::lua::tools::Tools;
use crate::message::{Body, Response};

pub(super) const MODULE: Module = Module {
    name: "responses",
    text: "Whole answers by key that all workers see, kept without bringing their bodies into \
           the script. They belong to the middleware that opens them, as stores do.",
    functions: &[Function {
        doc: Doc {
            name: "open",
            signature: "responses.open(name: string, options: { max: string | number }?) -> \
                        responses",
            text: "Opens a place for answers. `max` is its size, 1 MiB unless set; when it is \
                   full, what was not used for the longest time makes room. One answer may take \
                   a sixteenth of it.",
            example: "local kept = responses.open(\"kept\", { max = \"64MiB\" })",
        },
        make: |lua, tools| {
            let tools = Rc::clone(tools);
            lua.create_function(move |_, (name, options): (LuaString, Option<Table>)| {
                let bytes = bytes_of("responses.open", options.as_ref())?;
                let open = || Shelf::new(bytes);
                let shelf = tools.scope()?.open(&name.to_string_lossy(), bytes, open);
                Ok(Responses { shelf: shelf.map_err(refused)?, tools: Rc::clone(&tools) })
            })
            .map(Value::Function)
        },
    }],
};

/// What `responses.open` opens.
pub(super) struct Responses {
    shelf: Arc<Opened<Shelf>>,
    tools: Rc<Tools>,
}

pub(super) const RESPONSES: Object<Responses> = Object {
    name: "responses",
    text: "A place for answers that `responses.open` has opened.",
    members: &[
        Member {
            doc: Doc {
                name: "put",
                signature: "responses:put(key: string, res: res, note: string, ttl: string | \
                            number) -> boolean",
                text: "Keeps a response as it is now, with a note, for a while. Its body must be \
                       at hand, as it is after `res:buffer({ memory = math.huge })`; false when \
                       it is not, or when it does not fit.",
                example: "if res:buffer() then kept:put(req.url, res, \"\", \"1m\") end",
            },
            add: |members| members.method("put", put),
        },
        Member {
            doc: Doc {
                name: "get",
                signature: "responses:get(key: string) -> res?, string?",
                text: "A response of its own like the one that is kept, and its note; nil when \
                       there is none.",
                example: "local res, note = kept:get(req.url)",
            },
            add: |members| {
                members.method("get", |_, this, key: LuaString| {
                    let Some(found) = this.shelf.get(&key.as_bytes(), this.shelf.now()) else {
                        return Ok((None, None));
                    };
                    let response = Response {
                        status: found.status,
                        headers: found.headers.clone().into(),
                        body: found.body.clone().into(),
                        failure: None,
                    };
                    let slot = ResponseSlot::new(response, Rc::clone(&this.tools));
                    Ok((Some(ResponseObject(slot)), Some(BString::from(&*found.note))))
                });
            },
        },
        Member {
            doc: Doc {
                name: "del",
                signature: "responses:del(key: string) -> boolean",
                text: "Removes a response; whether it was there.",
                example: "kept:del(req.url)",
            },
            add: |members| {
                members.method("del", |_, this, key: LuaString| {
                    Ok(this.shelf.remove(&key.as_bytes(), this.shelf.now()))
                });
            },
        },
        Member {
            doc: Doc {
                name: "used",
                signature: "responses:used() -> { entries: number, bytes: number, evicted: \
                            number }",
                text: "How full it is, and how many responses had to make room.",
                example: "log.debug(\"kept\", { bytes = kept:used().bytes })",
            },
            add: |members| {
                members.method("used", |lua, this, ()| used(lua, this.shelf.used()));
            },
        },
    ],
};

impl UserData for Responses {
    fn register(registry: &mut UserDataRegistry<Self>) {
        RESPONSES.register(registry, &Others::NONE);
    }
}

fn put(
    _: &Lua,
    this: &Responses,
    (key, res, note, ttl): (LuaString, UserDataRef<ResponseObject>, LuaString, Value),
) -> mlua::Result<bool> {
    let ttl = duration(&ttl, "a ttl")?;
    let answer = res.0.with(|response| {
        let body = match &response.body {
            Body::Empty => Bytes::new(),
            Body::Full(bytes) => bytes.clone(),
            Body::Stream(_) => return Ok(None),
        };
        let (status, headers) = (response.status, response.headers.clone().into());
        Ok(Some(ShelvedAnswer { status, headers, body, note: note.as_bytes().to_vec().into() }))
    })?;
    let Some(answer) = answer else { return Ok(false) };
    Ok(this.shelf.put(&key.as_bytes(), answer, this.shelf.now(), ttl))
}

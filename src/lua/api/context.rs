//! `ctx`: what a hook gets beside the message.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use mlua::{UserData, UserDataFields, UserDataRegistry};

use super::{Doc, Member, Object, ResponseObject};
use crate::lua::run::Run;

/// `ctx` of one run.
pub(in crate::lua) struct ContextObject(pub(in crate::lua) Rc<Run>);

pub(super) const OBJECT: Object<ContextObject> = Object {
    name: "ctx",
    text: "What a hook gets beside the message.",
    members: &[
        Member {
            doc: Doc {
                name: "options",
                signature: "ctx.options: table",
                text: "The middleware's options, checked by the schema, with defaults filled in. \
                       Read-only.",
                example: "local prefix = ctx.options.prefix",
            },
            add: |registry| {
                registry.add_field_method_get("options", |_, ctx| Ok(ctx.0.loaded.options.clone()));
            },
        },
        Member {
            doc: Doc {
                name: "state",
                signature: "ctx.state: any",
                text: "What `setup` returned; the same value in all hooks of a worker.",
                example: "local key = ctx.state.key",
            },
            add: |registry| {
                registry.add_field_method_get("state", |_, ctx| {
                    Ok(ctx.0.loaded.state.borrow().clone())
                });
            },
        },
        Member {
            doc: Doc {
                name: "vars",
                signature: "ctx.vars: table",
                text: "A table that all scripts of one request share.",
                example: "ctx.vars.user = \"anna\"",
            },
            add: |registry| {
                registry.add_field_method_get("vars", |lua, ctx| ctx.0.vars(lua));
            },
        },
        Member {
            doc: Doc {
                name: "name",
                signature: "ctx.name: string",
                text: "The middleware's name with its provider, such as `auth@file`.",
                example: "log.info(ctx.name)",
            },
            add: |registry| {
                registry.add_field_method_get("name", |lua, ctx| lua.create_string(&*ctx.0.name));
            },
        },
        Member {
            doc: Doc {
                name: "router",
                signature: "ctx.router: string?",
                text: "The name of the router that took the request, with its provider.",
                example: "log.info(ctx.router)",
            },
            add: |registry| {
                registry.add_field_method_get("router", |lua, ctx| {
                    let cx = ctx.0.cx.borrow();
                    let router =
                        cx.as_ref().and_then(|cx| cx.exchange.record.borrow().router.clone());
                    router.map(|router| lua.create_string(&*router)).transpose()
                });
            },
        },
        Member {
            doc: Doc {
                name: "next",
                signature: "ctx.next() -> res",
                text: "Sends the request on to what follows, waits, and returns the response. \
                       It belongs to `request` hooks and can be called once. The script may \
                       change the response; it should return it.",
                example: "local res = ctx.next(); res.headers[\"X-Via\"] = \"me\"; return res",
            },
            add: |registry| {
                registry.add_field_method_get("next", |lua, ctx| {
                    let tools = Rc::clone(&ctx.0.tools);
                    // One function serves all requests: it acts on the hook that calls it.
                    if let Some(next) = tools.next.get() {
                        return Ok(next.clone());
                    }
                    let shared = Rc::downgrade(&tools);
                    let next = lua.create_async_function(move |lua, ()| {
                        let begun = shared.upgrade().map(|tools| -> mlua::Result<Rc<Run>> {
                            tools.gate.may_wait(&lua)?;
                            let run = tools.current.borrow().clone();
                            let run = run.ok_or_else(|| mlua::Error::runtime("no request runs"))?;
                            run.begin_next()?;
                            Ok(run)
                        });
                        async move {
                            let Some(begun) = begun else {
                                return Err(mlua::Error::runtime("the VM has ended"));
                            };
                            // Weak: the run itself must be able to end while this waits.
                            let run = Rc::downgrade(&begun?);
                            let slot = poll_fn(move |_| match run.upgrade() {
                                Some(run) => match run.take_answer() {
                                    Some(slot) => Poll::Ready(slot),
                                    None => Poll::Pending,
                                },
                                None => Poll::Pending,
                            });
                            Ok(ResponseObject(slot.await))
                        }
                    })?;
                    Ok(tools.next.get_or_init(|| next).clone())
                });
            },
        },
    ],
};

impl UserData for ContextObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        OBJECT.register(registry);
    }
}

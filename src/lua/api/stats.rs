//! The module `stats`: rolling statistics of answers, over all workers.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{LuaString, UserData, UserDataRegistry, Value};

use super::members::Others;
use super::store::{ended, refused};
use super::time::duration;
use super::{Doc, Function, Member, Module, Object};
use crate::lua::shared::{Opened, Window};

/// What a window is counted as: its slots with the statuses and latencies of a busy service.
const WINDOW_BYTES: usize = 64 * 1024;

pub(super) const MODULE: Module = Module {
    name: "stats",
    text: "Rolling statistics of answers over all workers. They belong to the middleware that \
           makes them, as stores do.",
    functions: &[Function {
        doc: Doc {
            name: "window",
            signature: "stats.window(name: string?) -> window",
            text: "Statistics of the middleware: statuses of the last ten seconds, latencies of \
                   the last minute.",
            example: "local answers = stats.window(ctx.router)",
        },
        make: |lua, tools| {
            let tools = Rc::downgrade(tools);
            lua.create_function(move |_, name: Option<LuaString>| {
                let name = name.map(|name| name.to_string_lossy()).unwrap_or_default();
                let scope = tools.upgrade().ok_or_else(ended)?.scope()?;
                let opened = scope.open(&name, WINDOW_BYTES, Window::default);
                opened.map(WindowObject).map_err(refused)
            })
            .map(Value::Function)
        },
    }],
};

/// Rolling statistics.
pub(super) struct WindowObject(Arc<Opened<Window>>);

pub(super) const WINDOW: Object<WindowObject> = Object {
    name: "window",
    text: "Statistics that `stats.window` has made.",
    members: &[
        Member {
            doc: Doc {
                name: "record",
                signature: "window:record(status: number, latency: string | number)",
                text: "Notes an answer. The latency is a duration such as \"20ms\", or a number \
                       of seconds.",
                example: "answers:record(res.status, os.clock() - began)",
            },
            add: |registry| {
                registry.method("record", |_, window, (status, latency): (u16, Value)| {
                    let latency = duration(&latency, "a latency")?;
                    window.0.record(status, latency, window.0.now());
                    Ok(())
                });
            },
        },
        Member {
            doc: Doc {
                name: "ratio",
                signature: "window:ratio(from: number, to: number, of_from: number, of_to: \
                            number) -> number",
                text: "How many answers had a status from `from` to below `to`, in parts of \
                       those from `of_from` to below `of_to`; 0 when there were none of those.",
                example: "if answers:ratio(500, 600, 0, 600) > 0.5 then open() end",
            },
            add: |registry| {
                registry.method(
                    "ratio",
                    |_, window, (from, to, of_from, of_to): (u16, u16, u16, u16)| {
                        Ok(window.0.ratio(from..to, of_from..of_to, window.0.now()))
                    },
                );
            },
        },
        Member {
            doc: Doc {
                name: "count",
                signature: "window:count() -> number",
                text: "How many answers were noted.",
                example: "if answers:count() < 20 then return end",
            },
            add: |registry| {
                registry.method("count", |_, window, ()| Ok(window.0.count(window.0.now())));
            },
        },
        Member {
            doc: Doc {
                name: "latency",
                signature: "window:latency(percent: number) -> number",
                text: "The seconds that so many percent of the answers did not pass, to one part \
                       in a hundred.",
                example: "local slowest = answers:latency(99)",
            },
            add: |registry| {
                registry.method("latency", |_, window, percent: f64| {
                    Ok(window.0.latency(percent, window.0.now()).as_secs_f64())
                });
            },
        },
        Member {
            doc: Doc {
                name: "reset",
                signature: "window:reset()",
                text: "Forgets everything.",
                example: "answers:reset()",
            },
            add: |registry| {
                registry.method("reset", |_, window, ()| {
                    window.0.reset();
                    Ok(())
                });
            },
        },
    ],
};

impl UserData for WindowObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        WINDOW.register(registry, &Others::NONE);
    }
}

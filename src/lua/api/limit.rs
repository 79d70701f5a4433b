//! The module `limit`: token buckets, counters of requests under way and turns, over all workers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{LuaString, Table, UserData, UserDataRegistry, Value};

use super::members::Others;
use super::store::{ended, refused};
use super::time::duration;
use super::{Doc, Function, Member, Module, Object, turns};
use crate::lua::shared::{Concurrency, Opened, RATE_BYTES_MAX, Rate, RateLimits, Verdict};
use crate::lua::tools::Tools;

/// What the counters of one limiter are counted as: they hold only what is under way.
const CONCURRENCY_BYTES: usize = 64 * 1024;

pub(super) const MODULE: Module = Module {
    name: "limit",
    text: "Limits that hold over all workers. They belong to the middleware that makes them, as \
           stores do: one that a reload leaves alone goes on counting.",
    functions: &[
        Function {
            doc: Doc {
                name: "rate",
                signature: "limit.rate(options: { average: number, period: string | number | \
                            nil, burst: number?, max_wait: string | number | nil, name: string? \
                            }) -> rate",
                text: "Buckets of tokens, one per key. `average` tokens come back in a `period` \
                       (a second unless set), and a bucket holds `burst` of them (1 unless set). \
                       A token may be taken `max_wait` before it is there (0 unless set). \
                       `average` 0 means no limit.",
                example: "local logins = limit.rate({ average = 5, period = \"1m\", burst = 5 })",
            },
            make: |lua, tools| {
                let tools = Rc::downgrade(tools);
                lua.create_function(move |_, options: Table| {
                    let limits = rates(&options)?;
                    let name = name(&options)?;
                    let scope = tools.upgrade().ok_or_else(ended)?.scope()?;
                    let opened = scope.open(&name, RATE_BYTES_MAX, || Rate::new(limits));
                    opened.map(RateObject).map_err(refused)
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "concurrency",
                signature: "limit.concurrency(options: { max: number, name: string? }) -> \
                            concurrency",
                text: "Counters of requests under way, one per key, each up to `max`.",
                example: "local open = limit.concurrency({ max = 10 })",
            },
            make: |lua, tools| {
                let tools = Rc::clone(tools);
                lua.create_function(move |_, options: Table| {
                    let max = options.get::<u64>("max")?;
                    let opened = tools.scope()?.open(
                        &name(&options)?,
                        CONCURRENCY_BYTES,
                        Concurrency::default,
                    );
                    let counters = opened.map_err(refused)?;
                    Ok(ConcurrencyObject { counters, max, tools: Rc::clone(&tools) })
                })
                .map(Value::Function)
            },
        },
        turns::FUNCTION,
    ],
};

fn name(options: &Table) -> mlua::Result<String> {
    let name = options.get::<Option<LuaString>>("name")?;
    Ok(name.map(|name| name.to_string_lossy()).unwrap_or_default())
}

fn rates(options: &Table) -> mlua::Result<RateLimits> {
    let wrong = |text: &str| mlua::Error::runtime(format!("limit.rate: {text}"));
    let time = |key: &str| -> mlua::Result<Option<Duration>> {
        let value = options.get::<Value>(key)?;
        if value.is_nil() { Ok(None) } else { duration(&value, key).map(Some) }
    };
    let average = options.get::<f64>("average")?;
    let period = time("period")?.unwrap_or(Duration::from_secs(1));
    let burst = options.get::<Option<f64>>("burst")?.unwrap_or(1.0);
    if period.is_zero() || average < 0.0 || burst < 1.0 {
        return Err(wrong("the period and the burst must be above 0, the average not below it"));
    }
    let per_second = if average > 0.0 { average / period.as_secs_f64() } else { f64::INFINITY };
    Ok(RateLimits { per_second, burst, wait_max: time("max_wait")?.unwrap_or_default() })
}

/// Buckets of tokens.
pub(super) struct RateObject(Arc<Opened<Rate>>);

pub(super) const RATE: Object<RateObject> = Object {
    name: "rate",
    text: "Buckets of tokens that `limit.rate` has made.",
    members: &[
        Member {
            doc: Doc {
                name: "take",
                signature: "rate:take(key: string) -> boolean, number",
                text: "Takes a token out of a key's bucket: whether there was one, and after how \
                       many seconds it is there, or would be. A refused one costs nothing.",
                example: "local allowed, wait = logins:take(req.remote_ip)",
            },
            add: |registry| {
                registry.method("take", |_, rate, key: LuaString| {
                    Ok(match rate.0.take(&key.as_bytes(), rate.0.now()) {
                        Verdict::Taken(wait) => (true, wait.as_secs_f64()),
                        Verdict::Refused(wait) => (false, wait.as_secs_f64()),
                    })
                });
            },
        },
        Member {
            doc: Doc {
                name: "used",
                signature: "rate:used() -> { entries: number, bytes: number, evicted: number }",
                text: "How many buckets there are, and how many had to make room before they \
                       were full again.",
                example: "log.debug(\"clients\", { count = logins:used().entries })",
            },
            add: |registry| {
                registry.method("used", |lua, rate, ()| super::store::used(lua, rate.0.used()));
            },
        },
    ],
};

impl UserData for RateObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        RATE.register(registry, &Others::NONE);
    }
}

/// Counters of requests under way.
pub(super) struct ConcurrencyObject {
    counters: Arc<Opened<Concurrency>>,
    max: u64,
    tools: Rc<Tools>,
}

pub(super) const CONCURRENCY: Object<ConcurrencyObject> = Object {
    name: "concurrency",
    text: "Counters that `limit.concurrency` has made.",
    members: &[
        Member {
            doc: Doc {
                name: "acquire",
                signature: "concurrency:acquire(key: string) -> boolean",
                text: "Counts the request under a key until it ends, with its last byte or \
                       because its client goes away, a tunnel included; false when there are \
                       `max` already.",
                example: "if not open:acquire(req.host) then return respond(429) end",
            },
            add: |registry| {
                registry.method("acquire", |_, this, key: LuaString| {
                    let run = this.tools.current.borrow().clone();
                    let cx = run.and_then(|run| run.cx.borrow().clone());
                    let no_request = "a request's hook is needed, to know when it ends";
                    let cx = cx.ok_or_else(|| mlua::Error::runtime(no_request))?;
                    let held = this.counters.acquire(&key.as_bytes(), this.max);
                    let is_held = held.is_some();
                    if let Some(held) = held {
                        cx.exchange.held.borrow_mut().push(Box::new(held));
                    }
                    Ok(is_held)
                });
            },
        },
        Member {
            doc: Doc {
                name: "count",
                signature: "concurrency:count(key: string) -> number",
                text: "How many requests are under way.",
                example: "log.debug(\"open\", { count = open:count(req.host) })",
            },
            add: |registry| {
                registry.method("count", |_, this, key: LuaString| {
                    Ok(this.counters.count(&key.as_bytes()))
                });
            },
        },
    ],
};

impl UserData for ConcurrencyObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        CONCURRENCY.register(registry, &Others::NONE);
    }
}

//! What a hook costs: the script alone, with the binding but without what is around it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use mlua::{Lua, Table};

use super::message;
use crate::lua::{Context, Flow, Instance};
use crate::message::{Request, Response};

/// The hooks that are measured.
pub(super) const HOOKS: [&str; 2] = ["request", "response"];

/// Rounds, of which the quickest counts: the others had guests.
const ROUNDS: usize = 5;
/// Runs of a hook in one round.
const RUNS: usize = 2_000;

/// Measures the hooks of a script; nanoseconds by hook.
///
/// # Errors
/// When the messages are none of HTTP.
pub(super) async fn measure(
    lua: &Lua,
    instance: &Rc<Instance>,
    context: &dyn Fn(&Request) -> Rc<Context>,
    request: &Table,
    response: &Table,
) -> mlua::Result<Table> {
    let result = lua.create_table()?;
    let hooks = instance.hooks();
    let (mut down, mut up) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        if hooks.request {
            down = down.min(requests(instance, context, request).await?);
        }
        if hooks.response {
            up = up.min(responses(instance, context, request, response).await?);
        }
    }
    for (hook, took, has) in [("request", down, hooks.request), ("response", up, hooks.response)] {
        if has {
            let runs = f64::from(u32::try_from(RUNS).unwrap_or(u32::MAX));
            result.raw_set(hook, took.as_secs_f64() * 1e9 / runs)?;
        }
    }
    Ok(result)
}

async fn requests(
    instance: &Rc<Instance>,
    context: &dyn Fn(&Request) -> Rc<Context>,
    raw: &Table,
) -> mlua::Result<Duration> {
    let mut prepared = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let request = message::request(raw)?;
        prepared.push((context(&request), request));
    }
    let mut kept: Vec<Flow> = Vec::with_capacity(RUNS);
    let began = Instant::now();
    for (context, request) in prepared {
        kept.push(instance.request(&context, 0, request).await);
    }
    Ok(began.elapsed())
}

async fn responses(
    instance: &Rc<Instance>,
    context: &dyn Fn(&Request) -> Rc<Context>,
    request: &Table,
    raw: &Table,
) -> mlua::Result<Duration> {
    let mut prepared = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let request = message::request(request)?;
        prepared.push((context(&request), message::response(raw)?));
    }
    let mut kept: Vec<Response> = Vec::with_capacity(RUNS);
    let began = Instant::now();
    for (context, response) in prepared {
        kept.push(instance.response(&context, response).await);
    }
    Ok(began.elapsed())
}

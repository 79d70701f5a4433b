//! `limit.turns`: one request at a time, over all workers.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{LuaString, Table, UserData, UserDataRegistry, Value};

use super::members::{Others, This};
use super::store::refused;
use super::time::duration;
use super::{Doc, Function, Member, Object};
use crate::lua::shared::{Came, Opened, Turn, Turns};
use crate::lua::tools::Tools;
use crate::message::Exchange;

/// What the keys of one set of turns are counted as: they hold only those that are waited for.
const TURNS_BYTES: usize = 64 * 1024;
/// How long a turn is waited for unless said otherwise.
const WAIT: Duration = Duration::from_secs(30);

pub(super) const FUNCTION: Function = Function {
    doc: Doc {
        name: "turns",
        signature: "limit.turns(options: { name: string? }?) -> turns",
        text: "Turns by key: of the requests that enter with a key one goes on at a time, over \
               all workers, such as the one that fetches what all others wait for.",
        example: "local turns = limit.turns()",
    },
    make: |lua, tools| {
        let tools = Rc::clone(tools);
        lua.create_function(move |_, options: Option<Table>| {
            let name = options.map(|options| options.get::<Option<LuaString>>("name"));
            let name = name.transpose()?.flatten().map(|name| name.to_string_lossy());
            let name = name.unwrap_or_default();
            let opened = tools.scope()?.open(&name, TURNS_BYTES, Turns::default);
            Ok(TurnsObject { turns: opened.map_err(refused)?, tools: Rc::clone(&tools) })
        })
        .map(Value::Function)
    },
};

/// What `limit.turns` makes.
pub(super) struct TurnsObject {
    turns: Arc<Opened<Turns>>,
    tools: Rc<Tools>,
}

pub(super) const TURNS: Object<TurnsObject> = Object {
    name: "turns",
    text: "Turns that `limit.turns` has made.",
    members: &[Member {
        doc: Doc {
            name: "enter",
            signature: "turns:enter(key: string, wait: string | number | nil) -> turn?, boolean",
            text: "Waits until no other request has a turn with that key, at most `wait` (30s \
                   unless set), and returns the turn, or nil when it took too long. Says as well \
                   whether another one was first. The turn ends with `turn:leave()`, else with \
                   the request.",
            example: "local turn, waited = turns:enter(\"keys\", \"5s\")",
        },
        add: |members| members.async_method("enter", enter),
    }],
};

impl UserData for TurnsObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        TURNS.register(registry, &Others::NONE);
    }
}

/// A turn, which its request holds as well.
pub(super) struct TurnObject(Rc<RefCell<Option<Turn>>>);

pub(super) const TURN: Object<TurnObject> = Object {
    name: "turn",
    text: "A turn that `turns:enter` has given.",
    members: &[Member {
        doc: Doc {
            name: "leave",
            signature: "turn:leave()",
            text: "Ends the turn before the request ends.",
            example: "turn:leave()",
        },
        add: |members| {
            members.method("leave", |_, turn, ()| {
                turn.0.take();
                Ok(())
            });
        },
    }],
};

impl UserData for TurnObject {
    fn register(registry: &mut UserDataRegistry<Self>) {
        TURN.register(registry, &Others::NONE);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what mlua hands over is ours")]
fn enter(
    lua: mlua::Lua,
    this: This<TurnsObject>,
    (key, wait): (LuaString, Option<Value>),
) -> impl Future<Output = mlua::Result<(Option<TurnObject>, bool)>> + use<> {
    let begun = holder(&lua, &this.tools);
    let wait = match wait.filter(|wait| !wait.is_nil()) {
        Some(wait) => duration(&wait, "turns:enter"),
        None => Ok(WAIT),
    };
    let (turns, key) = (Arc::clone(&this.turns), key.as_bytes().to_vec());
    async move {
        let (exchange, wait) = (begun?, wait?);
        Ok(entered(&exchange, &turns, &key, wait).await)
    }
}

/// Waits for a turn, which the exchange holds as well; none when it took too long. Says whether
/// somebody else was first.
pub(super) async fn entered(
    exchange: &Exchange,
    turns: &Turns,
    key: &[u8],
    wait: Duration,
) -> (Option<TurnObject>, bool) {
    let Ok((turn, came)) = tokio::time::timeout(wait, turns.enter(key)).await else {
        return (None, true);
    };
    let held = Rc::new(RefCell::new(Some(turn)));
    exchange.held.borrow_mut().push(Box::new(Held(Rc::clone(&held))));
    (Some(TurnObject(held)), came == Came::Later)
}

/// Ends a turn with its exchange, also when the script's object of it lives on for a while, since
/// its hook was given up.
struct Held(Rc<RefCell<Option<Turn>>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// The exchange that a turn belongs to.
///
/// # Errors
/// Where nothing can be waited for, and where no request runs.
pub(super) fn holder(lua: &mlua::Lua, tools: &Tools) -> mlua::Result<Rc<Exchange>> {
    tools.gate.may_wait(lua)?;
    let run = tools.current.borrow().clone();
    let cx = run.and_then(|run| run.cx.borrow().clone());
    let no_request = "a request's hook is needed, to know when it ends";
    let cx = cx.ok_or_else(|| mlua::Error::runtime(no_request))?;
    Ok(Rc::clone(&cx.exchange))
}

//! `ctx.later`: what runs beside a request.

use std::rc::Rc;

use mlua::{Function, Lua, Value};

use crate::lua::tools::Tools;

/// The function, which all scripts share.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn function(lua: &Lua, tools: &Rc<Tools>) -> mlua::Result<Value> {
    let tools = Rc::downgrade(tools);
    lua.create_function(move |_, work: Function| {
        let run = tools.upgrade().and_then(|tools| tools.current.borrow().clone());
        run.ok_or_else(|| mlua::Error::runtime("no request runs"))?.later(work)
    })
    .map(Value::Function)
}

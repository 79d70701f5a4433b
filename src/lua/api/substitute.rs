//! `message:substitute`: expressions that are replaced in a body as it streams.

use bytes::Bytes;
use mlua::{LuaString, Table, UserDataRef};

use super::body::{Held as _, Holder, forget_length};
use super::members::Members;
use super::re::Expression;
use crate::lua::stream::{Replaced, Rule};

/// Bytes of a match that is found however the body comes, unless said otherwise.
const MATCH_BYTES: usize = 1024;
/// The most that can be asked for.
const MATCH_BYTES_MAX: usize = 1 << 20;
/// Rules that one body can be given.
const RULES_MAX: usize = 256;

/// Adds the method.
pub(super) fn add<T: Holder>(members: &mut Members<T>) {
    members.method("substitute", |_, this, (given, options): (Vec<Table>, Option<Table>)| {
        if given.len() > RULES_MAX {
            return Err(mlua::Error::runtime(format!("there are more than {RULES_MAX} rules")));
        }
        let rules = given.iter().map(rule).collect::<mlua::Result<Vec<_>>>()?;
        let match_bytes = match options {
            Some(options) => options.get::<Option<usize>>("match_bytes")?,
            None => None,
        };
        let match_bytes = match_bytes.unwrap_or(MATCH_BYTES).min(MATCH_BYTES_MAX);
        let slot = this.slot();
        slot.look(|headers, _| forget_length(headers))?;
        slot.change(Box::new(move |body| Replaced::apply(body, &rules, match_bytes)));
        Ok(())
    });
}

fn rule(table: &Table) -> mlua::Result<Rule> {
    let expression = table.get::<UserDataRef<Expression>>("expression")?;
    let template = table.get::<LuaString>("template")?;
    let template = Bytes::copy_from_slice(&template.as_bytes());
    Ok(Rule { expression: std::rc::Rc::clone(&expression.0), template })
}

//! A VM that a person types into: expressions and statements, whose globals stay.
//!
//! There is no request, and nothing can wait. Must not know who asks.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, MultiValue, Table, Value};

use super::api::json;
use super::error::blame;
use super::memory::{Categories, Category, Growth};
use super::shared::Scope;
use super::tools::{Mode, Tools};
use super::{InstanceId, Limits, ScriptError, Shared, sandbox};

/// How long what was typed may compute.
const CPU: Duration = Duration::from_secs(1);
/// The name that errors are told under.
const NAME: &str = "input";

/// A VM with the scripting API.
pub struct Console {
    lua: Lua,
    tools: Rc<Tools>,
    scope: Arc<Scope>,
    category: Rc<Category>,
    globals: Table,
    limits: Limits,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

impl Console {
    /// A fresh one.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new() -> Result<Self, ScriptError> {
        let limits = Limits { cpu: CPU, ..Limits::default() };
        let vm = |error: mlua::Error| blame(NAME, &Limits::default(), &error);
        let tools = Tools::new(Mode::Live, Shared::new());
        let scope = tools.scope_of(InstanceId(0));
        let lua = sandbox::vm(&tools).map_err(vm)?;
        let category = Rc::<Categories>::default().take(&lua).map_err(vm)?;
        let globals = sandbox::environment(&lua).map_err(vm)?;
        // Globals come and go, which cached look-ups would miss.
        globals.set_safeenv(false);
        Ok(Self { lua, tools, scope, category, globals, limits })
    }

    /// Runs a text and shows its values, one a line; an expression's are its own.
    ///
    /// # Errors
    /// When it is no Lua, fails, or passes a limit.
    pub fn evaluate(&self, text: &str) -> Result<Vec<String>, ScriptError> {
        let vm = |error: mlua::Error| blame(NAME, &self.limits, &error);
        let chunk = self.read(&format!("return {text}")).or_else(|_| self.read(text));
        let chunk = chunk.map_err(vm)?;
        Growth::allow(&self.lua, self.limits.memory_bytes).map_err(vm)?;
        let run = || self.tools.gate.run(self.limits.cpu, || chunk.call::<MultiValue>(()));
        let run = || self.category.within(&self.lua, run).and_then(|values| values);
        let values = self.tools.within(&self.scope, run).map_err(vm)?;
        values.iter().map(|value| show(value).map_err(vm)).collect()
    }

    fn read(&self, text: &str) -> mlua::Result<Function> {
        let chunk = self.lua.load(text).set_name(format!("={NAME}")).set_mode(ChunkMode::Text);
        chunk.set_environment(self.globals.clone()).into_function()
    }
}

/// A value as people read it: tables as JSON where they are some.
fn show(value: &Value) -> mlua::Result<String> {
    match value {
        Value::String(_) | Value::Table(_) => match json::from_lua(value) {
            Ok(json) => Ok(json.to_string()),
            Err(_) => value.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_statements_and_what_stays() {
        let console = Console::new().unwrap();
        for (text, expect) in [
            ("1 + 1", &["2"][..]),
            ("x = 'a'", &[]),
            ("x, #x", &["\"a\"", "1"]),
            ("{ 1, 2 }", &["[1,2]"]),
            ("url.parse('http://a.test/b').path", &["\"/b\""]),
            ("for i = 1, 3 do x = x .. i end", &[]),
            ("x", &["\"a123\""]),
            ("nil", &["nil"]),
        ] {
            assert_eq!(console.evaluate(text).unwrap(), expect, "{text}");
        }
        for (text, expect) in [
            ("x = = 1", "input:1:"),
            ("error('no')", "input:1: no"),
            ("while true do end", "longer than its limit"),
        ] {
            let error = console.evaluate(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}

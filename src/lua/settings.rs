//! A script that is no middleware: one that returns a configuration.
//!
//! It runs once, in a VM of its own whose host functions are inert, and cannot wait. Must not know
//! what a configuration may hold.

use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, LuaString, Value};
use serde_json::Value as Json;

use super::api::json;
use super::error::{blame, words};
use super::memory::{Categories, Growth};
use super::tools::{Mode, Tools};
use super::{InstanceId, Limits, ScriptError, ScriptSource, Shared, sandbox};

/// How long a script may compute.
const CPU: Duration = Duration::from_secs(1);

/// Looks an environment variable up.
pub type Environment = Rc<dyn Fn(&str) -> Option<String>>;

/// Runs a script and takes the table that it returns. Beside what all scripts have it finds `env`,
/// a function from the name of an environment variable to its value or nil.
///
/// # Errors
/// When the script does not compile, fails, passes a limit or returns something else.
pub fn settings(source: &ScriptSource, environment: Environment) -> Result<Json, ScriptError> {
    let limits = Limits { cpu: CPU, ..Limits::default() };
    let vm = |error: mlua::Error| blame(&source.name, &limits, &error);
    let tools = Tools::new(Mode::Inert, Shared::new());
    let scope = tools.scope_of(InstanceId(0));
    let lua = sandbox::vm(&tools).map_err(vm)?;
    let category = Rc::<Categories>::default().take(&lua).map_err(vm)?;
    let globals = sandbox::environment(&lua).map_err(vm)?;
    globals.raw_set("env", lookup(&lua, environment).map_err(vm)?).map_err(vm)?;
    let chunk = lua
        .load(&*source.text)
        .set_name(format!("={}", source.name))
        .set_mode(mlua::chunk::ChunkMode::Text)
        .set_environment(globals)
        .into_function()
        .map_err(vm)?;
    Growth::allow(&lua, limits.memory_bytes).map_err(vm)?;
    let run = || tools.gate.run(limits.cpu, || chunk.call::<Value>(()));
    let run = || category.within(&lua, run).and_then(|value| value);
    let value = tools.within(&scope, run).map_err(vm)?;
    let shape = |reason: String| ScriptError::Shape { script: source.name.to_string(), reason };
    match &value {
        Value::Table(_) => json::from_lua(&value).map_err(|error| shape(words(&error))),
        other => {
            let kind = other.type_name();
            Err(shape(format!("expected a table that the script returns, got {kind}")))
        }
    }
}

fn lookup(lua: &Lua, environment: Environment) -> mlua::Result<mlua::Function> {
    lua.create_function(move |_, name: LuaString| Ok(environment(&name.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<String, String> {
        let source = ScriptSource { name: "routes.lua".into(), text: text.into() };
        let environment = |name: &str| (name == "HOST").then(|| "h.test".to_owned());
        let json = settings(&source, Rc::new(environment));
        json.map(|json| json.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_is_the_configuration() {
        for (text, expect) in [
            ("return {}", "{}"),
            ("return { host = env('HOST'), none = env('NONE') }", r#"{"host":"h.test"}"#),
            ("local t = {}\nfor i = 1, 3 do t[i] = i end\nreturn { t = t }", r#"{"t":[1,2,3]}"#),
            ("return json.decode('{\"a\":[]}')", r#"{"a":[]}"#),
        ] {
            assert_eq!(run(text).as_deref(), Ok(expect), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expect) in [
            ("return 1", "routes.lua: expected a table that the script returns, got integer"),
            ("\nlocal x = = 1", "routes.lua:2:"),
            ("\n\nerror('no backends')", "routes.lua:3: no backends"),
            ("while true do end", "it computed longer than its limit of 1s"),
            ("local t = {} for i = 1, 1e8 do t[i] = ('x'):rep(1000) .. i end", "more memory"),
            ("local t = {} t.t = t return t", "nested too deeply"),
            ("return { f = print }", "a function cannot be written as JSON"),
            ("return http.fetch('http://localhost/')", "routes.lua:1:"),
        ] {
            let error = run(text).unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}

//! From a script's text to its hooks, and what it declares.
//!
//! Must not know requests.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Lua, Table, Value};

use super::api::{context, json};
use super::error::{blame, words};
use super::memory::{Categories, Category, Growth};
use super::shared::{Scope, Shared};
use super::timers::Timers;
use super::tools::{Mode, Tools};
use super::{InstanceId, InstanceSpec, Limits, ScriptError, ScriptInfo, ScriptSource, sandbox};
use crate::schema::Schema;

/// A script in a VM, with the options of one use of it.
pub(super) struct Loaded {
    pub(super) request: Option<Function>,
    pub(super) response: Option<Function>,
    pub(super) request_body: Option<Function>,
    pub(super) stream: Option<Function>,
    pub(super) tls: Option<Function>,
    /// `match`.
    pub(super) judge: Option<Function>,
    pub(super) balance: Option<Function>,
    pub(super) response_body: Option<Function>,
    pub(super) log: Option<Function>,
    pub(super) present: Option<Function>,
    pub(super) cleanup: Option<Function>,
    pub(super) allow: Option<Function>,
    pub(super) setup: Option<Function>,
    pub(super) options: Value,
    /// `ctx`, which all runs of its hooks share.
    pub(super) ctx: Table,
    /// Where its shared state is, which lives as long as an instance does.
    pub(super) scope: Arc<Scope>,
    pub(super) category: Rc<Category>,
    pub(super) growth: Growth,
    /// Begun in `setup`.
    pub(super) timers: Timers,
}

/// Compiles a script, runs its top level and takes its hooks.
///
/// # Errors
/// When it does not compile, fails, passes a limit or does not return what a script must.
pub(super) fn load(
    lua: &Lua,
    tools: &Rc<Tools>,
    categories: &Rc<Categories>,
    spec: &InstanceSpec,
) -> Result<Loaded, ScriptError> {
    let (source, limits) = (&*spec.source, &spec.limits);
    let vm = |error: mlua::Error| blame(&source.name, limits, &error);
    let category = categories.take(lua).map_err(vm)?;
    let scope = tools.scope_of(spec.id);
    let table = tools.within(&scope, || evaluate(lua, tools, source, limits, &category))?;
    let function = |name: &str| hook(source, &table, name);
    let options = json::to_lua(lua, &spec.options).map_err(vm)?;
    freeze(&options);
    let ctx = context::table(lua, tools, &spec.name, &options).map_err(vm)?;
    Ok(Loaded {
        request: function("request")?,
        response: function("response")?,
        request_body: function("request_body")?,
        stream: function("stream")?,
        tls: function("tls")?,
        judge: function("match")?,
        balance: function("balance")?,
        response_body: function("response_body")?,
        log: function("log")?,
        present: function("present")?,
        cleanup: function("cleanup")?,
        allow: function("allow")?,
        setup: function("setup")?,
        options,
        ctx,
        scope,
        category,
        growth: Growth::default(),
        timers: Timers::default(),
    })
}

/// Reads what a script declares, in a scratch VM whose host functions are inert.
///
/// # Errors
/// When the script does not compile or declares something wrong.
pub fn inspect(source: &ScriptSource) -> Result<ScriptInfo, ScriptError> {
    let limits = Limits::default();
    let vm = |error: mlua::Error| blame(&source.name, &limits, &error);
    let tools = Tools::new(Mode::Inert, Shared::new());
    let scope = tools.scope_of(InstanceId(0));
    let lua = sandbox::vm(&tools).map_err(vm)?;
    let category = Rc::<Categories>::default().take(&lua).map_err(vm)?;
    let table = tools.within(&scope, || evaluate(&lua, &tools, source, &limits, &category))?;
    let declared: Value = table.raw_get("schema").map_err(vm)?;
    let schema = match &declared {
        Value::Nil => Schema::default(),
        Value::Table(_) => {
            let declared = json::from_lua(&declared)
                .map_err(|error| shape(source, &format!("schema: {}", words(&error))))?;
            Schema::parse(&declared).map_err(|error| {
                shape(source, &format!("schema.{}: {}", error.path, error.reason))
            })?
        }
        other => return Err(wrong(source, "schema", "a table", other)),
    };
    let text = |key: &str, what: &str| match table.raw_get(key).map_err(vm)? {
        Value::Nil => Ok(None),
        Value::String(name) => Ok(Some(name.to_string_lossy())),
        other => Err(wrong(source, key, what, &other)),
    };
    let expand = text("expand", "the name of an option")?;
    let title = text("name", "text")?;
    let alias_of = text("alias_of", "the name of a script")?;
    let mut hooks = Vec::new();
    for name in HOOKS {
        if hook(source, &table, name)?.is_some() {
            hooks.push(name.to_owned());
        }
    }
    let differs = differences(source, &table.raw_get("differs").map_err(vm)?)?;
    Ok(ScriptInfo { schema: schema.into(), hooks, expand, title, alias_of, differs })
}

/// What a script says it does otherwise: a text, or a text for each option.
fn differences(
    source: &ScriptSource,
    declared: &Value,
) -> Result<Vec<(Option<String>, String)>, ScriptError> {
    let what = "a text, or a table of texts by option";
    match declared {
        Value::Nil => Ok(Vec::new()),
        Value::String(text) => Ok(vec![(None, text.to_string_lossy())]),
        Value::Table(table) => {
            let mut found = Vec::new();
            for pair in table.pairs::<Value, Value>() {
                match pair.map_err(|error| blame(&source.name, &Limits::default(), &error))? {
                    (Value::String(option), Value::String(text)) => {
                        found.push((Some(option.to_string_lossy()), text.to_string_lossy()));
                    }
                    (_, other) => return Err(wrong(source, "differs", what, &other)),
                }
            }
            found.sort();
            Ok(found)
        }
        other => Err(wrong(source, "differs", what, other)),
    }
}

/// The hooks there are.
const HOOKS: [&str; 13] = [
    "setup",
    "request",
    "response",
    "request_body",
    "response_body",
    "stream",
    "tls",
    "match",
    "balance",
    "log",
    "present",
    "cleanup",
    "allow",
];

/// Everything a script's table may hold.
const KEYS: [&str; 19] = [
    "setup",
    "request",
    "response",
    "request_body",
    "response_body",
    "stream",
    "tls",
    "match",
    "balance",
    "log",
    "present",
    "cleanup",
    "allow",
    "schema",
    "expand",
    "alias_of",
    "differs",
    "name",
    "version",
];

fn evaluate(
    lua: &Lua,
    tools: &Tools,
    source: &ScriptSource,
    limits: &Limits,
    category: &Rc<Category>,
) -> Result<Table, ScriptError> {
    let vm = |error: mlua::Error| blame(&source.name, limits, &error);
    let environment = sandbox::environment(lua).map_err(vm)?;
    let chunk = lua
        .load(&*source.text)
        .set_name(format!("={}", source.name))
        .set_mode(mlua::chunk::ChunkMode::Text)
        .set_environment(environment)
        .into_function()
        .map_err(vm)?;
    if let Some(probe) = tools.probe.get() {
        probe.loaded(&source.name, &chunk);
    }
    Growth::allow(lua, limits.memory_bytes).map_err(vm)?;
    // Loads run on the main coroutine, whose own objects belong to no script.
    let run = || tools.gate.run(limits.cpu, || chunk.call(()));
    let value: Value = category.within(lua, run).and_then(|value| value).map_err(vm)?;
    let Value::Table(table) = value else {
        return Err(wrong(source, "the script", "a table that it returns", &value));
    };
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair.map_err(vm)?;
        let key = key.to_string().map_err(vm)?;
        if !KEYS.contains(&&*key) {
            let known = KEYS.join(", ");
            return Err(shape(source, &format!("unknown key {key:?}; known are {known}")));
        }
    }
    Ok(table)
}

fn hook(source: &ScriptSource, table: &Table, name: &str) -> Result<Option<Function>, ScriptError> {
    match table.raw_get(name) {
        Ok(Value::Nil) => Ok(None),
        Ok(Value::Function(function)) => Ok(Some(function)),
        Ok(other) => Err(wrong(source, name, "a function", &other)),
        Err(error) => Err(blame(&source.name, &Limits::default(), &error)),
    }
}

fn shape(source: &ScriptSource, reason: &str) -> ScriptError {
    ScriptError::Shape { script: source.name.to_string(), reason: reason.to_owned() }
}

fn wrong(source: &ScriptSource, what: &str, expected: &str, got: &Value) -> ScriptError {
    shape(source, &format!("{what}: expected {expected}, got {}", got.type_name()))
}

/// Makes a table and all tables in it read-only.
fn freeze(value: &Value) {
    if let Value::Table(table) = value {
        for (_, inner) in table.pairs::<Value, Value>().flatten() {
            freeze(&inner);
        }
        table.set_readonly(true);
    }
}

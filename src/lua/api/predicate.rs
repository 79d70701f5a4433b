//! The module `predicate`: conditions that users write in their configuration.
//!
//! Must not know which functions there are.

use std::rc::Rc;

use mlua::{
    Function as LuaFunction, Lua, LuaString, Table, UserData, UserDataRegistry, Value, Variadic,
};

use super::members::Others;
use super::{Doc, Function, Member, Module, Object};
use crate::predicate::{self, Kind, Predicate, Signature};

pub(super) const MODULE: Module = Module {
    name: "predicate",
    text: "Conditions as users write them: `Attempts() <= 2 && ResponseCode() == 502`. Functions, \
           numbers and strings are compared with `== != < <= > >=` and combined with `&& || !` \
           and parentheses.",
    functions: &[Function {
        doc: Doc {
            name: "compile",
            signature: "predicate.compile(text: string, functions: { [string]: { returns: \
                        string, arguments: number? } }) -> predicate",
            text: "Reads a condition and checks it against the functions it may use: what each \
                   says (`boolean`, `number` or `string`) and how many literals it takes. Fails \
                   when it is wrong.",
            example: "local again = predicate.compile(text, { Tries = { returns = \"number\" } })",
        },
        make: |lua, _| {
            lua.create_function(|_, (text, functions): (LuaString, Table)| {
                let text = text.to_str()?;
                let parsed = Predicate::parse(&text, &signatures(&functions)?);
                let parsed = parsed.map_err(|error| {
                    mlua::Error::runtime(format!("the expression {:?}: {error}", &*text))
                })?;
                Ok(Compiled(Rc::new(parsed)))
            })
            .map(Value::Function)
        },
    }],
};

/// A compiled condition.
pub(super) struct Compiled(Rc<Predicate>);

pub(super) const COMPILED: Object<Compiled> = Object {
    name: "predicate",
    text: "A condition that `predicate.compile` has made.",
    members: &[Member {
        doc: Doc {
            name: "test",
            signature: "predicate:test(facts: { [string]: any }) -> boolean",
            text: "Whether the condition holds. `facts` has a value, or a function that takes the \
                   literals and returns a value, for every function of the condition; functions \
                   that do not matter are not called.",
            example: "if again:test({ Tries = tries }) then return retry() end",
        },
        add: |members| {
            members.method("test", |lua, compiled, facts: Table| {
                compiled.0.test(&mut |name, arguments| ask(lua, &facts, name, arguments))
            });
        },
    }],
};

impl UserData for Compiled {
    fn register(registry: &mut UserDataRegistry<Self>) {
        COMPILED.register(registry, &Others::NONE);
    }
}

fn signatures(functions: &Table) -> mlua::Result<Vec<Signature>> {
    let mut signatures = Vec::new();
    for pair in functions.pairs::<String, Table>() {
        let (name, told) = pair?;
        let returns = match &*told.get::<String>("returns")? {
            "boolean" => Kind::Boolean,
            "number" => Kind::Number,
            "string" => Kind::Text,
            other => {
                let reason = format!("{name}: returns boolean, number or string, not {other:?}");
                return Err(mlua::Error::runtime(reason));
            }
        };
        let arguments = told.get::<Option<usize>>("arguments")?.unwrap_or_default();
        signatures.push(Signature { name, arguments, returns });
    }
    // Tables have no order, but error texts should.
    signatures.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(signatures)
}

fn ask(
    lua: &Lua,
    facts: &Table,
    name: &str,
    arguments: &[predicate::Value],
) -> mlua::Result<predicate::Value> {
    let fact = match facts.get::<Value>(name)? {
        Value::Function(function) => call(lua, &function, arguments)?,
        other => other,
    };
    match fact {
        Value::Boolean(value) => Ok(predicate::Value::Boolean(value)),
        Value::Integer(value) =>
        {
            #[allow(clippy::cast_precision_loss, reason = "numbers of scripts are floats")]
            Ok(predicate::Value::Number(value as f64))
        }
        Value::Number(value) => Ok(predicate::Value::Number(value)),
        Value::String(text) => Ok(predicate::Value::Text(text.to_string_lossy())),
        other => {
            let found = other.type_name();
            Err(mlua::Error::runtime(format!("{name} cannot be told by a value of type {found}")))
        }
    }
}

fn call(lua: &Lua, function: &LuaFunction, arguments: &[predicate::Value]) -> mlua::Result<Value> {
    let arguments = arguments.iter().map(|argument| match argument {
        predicate::Value::Boolean(value) => Ok(Value::Boolean(*value)),
        predicate::Value::Number(value) => Ok(Value::Number(*value)),
        predicate::Value::Text(text) => lua.create_string(text).map(Value::String),
    });
    function.call(arguments.collect::<mlua::Result<Variadic<Value>>>()?)
}

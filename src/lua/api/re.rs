//! The module `re`: regular expressions that run in linear time.

use std::rc::Rc;

use mlua::{BString, Lua, LuaString, MultiValue, UserData, UserDataRegistry, Value};
use regex::bytes::{Captures, Regex};

use super::members::Others;
use super::{Doc, Function, Member, Module, Object};

pub(super) const MODULE: Module = Module {
    name: "re",
    text: "Regular expressions in Go's spelling (RE2): no back-references, and no text that takes \
           them long.",
    functions: &[Function {
        doc: Doc {
            name: "compile",
            signature: "re.compile(pattern: string) -> expression",
            text: "Compiles an expression, or finds it among those compiled before. Fails when \
                   it is wrong.",
            example: "local version = re.compile(\"^/v([0-9]+)/\")",
        },
        make: |lua, tools| {
            let tools = Rc::clone(tools);
            lua.create_function(move |_, pattern: LuaString| {
                Ok(Expression(tools.expression(&pattern.to_str()?)?))
            })
            .map(Value::Function)
        },
    }],
};

/// A compiled expression.
pub(super) struct Expression(pub(super) Rc<Regex>);

pub(super) const EXPRESSION: Object<Expression> = Object {
    name: "expression",
    text: "A regular expression that `re.compile` has made.",
    members: &[
        Member {
            doc: Doc {
                name: "test",
                signature: "expression:test(text: string) -> boolean",
                text: "Whether the expression matches somewhere in the text.",
                example: "if version:test(req.path) then return end",
            },
            add: |members| {
                members.method("test", |_, expression, text: LuaString| {
                    Ok(expression.0.is_match(&text.as_bytes()))
                });
            },
        },
        Member {
            doc: Doc {
                name: "match",
                signature: "expression:match(text: string) -> string?...",
                text: "The groups of the first match, or the whole match when there are no \
                       groups; nil without one. A group that took no part is nil.",
                example: "local major = version:match(req.path)",
            },
            add: |members| {
                members.method("match", |lua, expression, text: LuaString| {
                    let bytes = text.as_bytes();
                    match expression.0.captures(&bytes) {
                        Some(captures) => groups(lua, &captures),
                        None => Ok(MultiValue::from_vec(vec![Value::Nil])),
                    }
                });
            },
        },
        Member {
            doc: Doc {
                name: "find",
                signature: "expression:find(text: string, from: number?) -> number?, number?, \
                            string?...",
                text: "Where the first match begins and ends, counted from 1 as `string.find` \
                       does, and its groups; nil without one.",
                example: "local first, last = version:find(req.path)",
            },
            add: |members| {
                members.method(
                    "find",
                    |lua, expression, (text, from): (LuaString, Option<usize>)| {
                        let bytes = text.as_bytes();
                        let from = from.unwrap_or(1).max(1) - 1;
                        let nothing = MultiValue::from_vec(vec![Value::Nil]);
                        if from > bytes.len() {
                            return Ok(nothing);
                        }
                        let Some(captures) = expression.0.captures_at(&bytes, from) else {
                            return Ok(nothing);
                        };
                        let whole = captures.get_match();
                        let mut values = MultiValue::new();
                        if captures.len() > 1 {
                            values = groups(lua, &captures)?;
                        }
                        let place = |at: usize| i64::try_from(at).map(Value::Integer);
                        let (start, end) = (place(whole.start() + 1), place(whole.end()));
                        values.push_front(end.unwrap_or(Value::Nil));
                        values.push_front(start.unwrap_or(Value::Nil));
                        Ok(values)
                    },
                );
            },
        },
        Member {
            doc: Doc {
                name: "replace",
                signature: "expression:replace(text: string, template: string) -> string, number",
                text: "Replaces every match. In the template `$1`, `${1}` and `${name}` stand for \
                       groups and `$$` for a dollar sign, as in Go. Returns how many were \
                       replaced as well.",
                example: "local path = version:replace(req.path, \"/api/${1}/\")",
            },
            add: |members| {
                members.method(
                    "replace",
                    |_, expression, (text, template): (LuaString, LuaString)| {
                        let (bytes, template) = (text.as_bytes(), template.as_bytes());
                        let (mut out, mut end, mut count) = (Vec::new(), 0, 0_u32);
                        for captures in expression.0.captures_iter(&bytes) {
                            let whole = captures.get_match();
                            out.extend_from_slice(&bytes[end..whole.start()]);
                            captures.expand(&template, &mut out);
                            end = whole.end();
                            count += 1;
                        }
                        out.extend_from_slice(&bytes[end..]);
                        Ok((BString::from(out), count))
                    },
                );
            },
        },
    ],
};

impl UserData for Expression {
    fn register(registry: &mut UserDataRegistry<Self>) {
        EXPRESSION.register(registry, &Others::NONE);
    }
}

fn groups(lua: &Lua, captures: &Captures<'_>) -> mlua::Result<MultiValue> {
    let first = usize::from(captures.len() > 1);
    let groups = (first..captures.len()).map(|group| match captures.get(group) {
        Some(part) => lua.create_string(part.as_bytes()).map(Value::String),
        None => Ok(Value::Nil),
    });
    groups.collect()
}

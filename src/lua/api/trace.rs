//! The module `trace`: what scripts add to the trace of a request.

use std::rc::Rc;

use mlua::{Function as LuaFunction, Lua, UserData, UserDataRef, Value};

use super::{Doc, Function, Module};
use crate::lua::raw;
use crate::lua::tools::Tools;
use crate::message::{AttributeValue, Exchange, Opened, SpanKind};

/// A name or a value of an attribute is cut off here.
const TEXT_BYTES_MAX: usize = 1024;

pub(super) const MODULE: Module = Module {
    name: "trace",
    text: "What scripts add to the trace of a request. Where a request is not traced, it costs \
           next to nothing and changes nothing.",
    functions: &[
        Function {
            doc: Doc {
                name: "id",
                signature: "trace.id() -> string?",
                text: "The identity of the request's trace, 32 hexadecimal digits; nil when the \
                       request is not traced.",
                example: "log.info(\"denied\", { trace = trace.id() })",
            },
            make: |lua, _| {
                lua.create_function(|lua, ()| {
                    let exchange = exchange(&*raw::tools(lua)?)?;
                    let traced = exchange.trace.get().filter(|trace| trace.is_sampled());
                    Ok(traced.map(|trace| trace.names().0))
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "attr",
                signature: "trace.attr(name: string, value: string | number | boolean)",
                text: "Says something of the span that is open: of the one around the call, which \
                       is the whole request outside of `trace.span` and of the spans of detailed \
                       traces. Text is cut off after 1024 bytes, and a span has 128 attributes at \
                       most.",
                example: "trace.attr(\"tenant\", tenant)",
            },
            make: |lua, _| {
                lua.create_function(|lua, (name, value): (String, Value)| {
                    let exchange = exchange(&*raw::tools(lua)?)?;
                    let value = attribute(&value)?;
                    if let Some(trace) = exchange.trace.get() {
                        trace.note(cut(name), value);
                    }
                    Ok(())
                })
                .map(Value::Function)
            },
        },
        Function {
            doc: Doc {
                name: "span",
                signature: "trace.span(name: string, work: () -> ...any) -> ...any",
                text: "Calls a function, which may wait, and returns what it returns. In the trace \
                       it is a span of that name, inside of the one that is open; requests that it \
                       sends are told of it. An error goes on, and the span says which.",
                example: "local user = trace.span(\"look up\", function() return find(token) end)",
            },
            make: |lua, _| span(lua).map(Value::Function),
        },
    ],
};

/// What `trace.span` does, on top of functions of ours.
const SPAN: &str = r"
local open, close = ...
local function ended(span, ok, ...)
  if ok then
    close(span)
    return ...
  end
  local failure = ...
  close(span, tostring(failure))
  error(failure, 0)
end
return function(name, work)
  return ended(open(name), pcall(work))
end
";

fn span(lua: &Lua) -> mlua::Result<LuaFunction> {
    let open = lua.create_function(|lua, name: String| {
        let exchange = exchange(&*raw::tools(lua)?)?;
        let traced = exchange.trace.get().filter(|trace| trace.is_sampled());
        Ok(traced.map(|trace| SpanObject(trace.open(cut(name), SpanKind::Internal))))
    })?;
    let close = lua.create_function(
        |lua, (span, failure): (Option<UserDataRef<SpanObject>>, Option<String>)| {
            let Some(span) = span else { return Ok(()) };
            if let Some(trace) = exchange(&*raw::tools(lua)?)?.trace.get() {
                if let Some(failure) = failure {
                    trace.fail(span.0, cut(failure));
                }
                trace.close(span.0);
            }
            Ok(())
        },
    )?;
    let environment = lua.create_table()?;
    for name in ["pcall", "error", "tostring"] {
        environment.raw_set(name, lua.globals().get::<Value>(name)?)?;
    }
    lua.load(SPAN).set_name("=span").set_environment(environment).call((open, close))
}

/// A span that is open, between the two calls.
struct SpanObject(Opened);

impl UserData for SpanObject {}

/// The exchange whose trace is meant.
fn exchange(tools: &Tools) -> mlua::Result<Rc<Exchange>> {
    let run = tools.current.borrow().clone();
    let cx = run.and_then(|run| run.cx.borrow().clone());
    let cx = cx.ok_or_else(|| mlua::Error::runtime("no request runs"))?;
    Ok(Rc::clone(&cx.exchange))
}

fn attribute(value: &Value) -> mlua::Result<AttributeValue> {
    Ok(match value {
        Value::String(text) => cut(text.to_string_lossy()).into(),
        Value::Boolean(flag) => flag.to_string().into(),
        Value::Integer(number) => AttributeValue::Number(*number),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            AttributeValue::Number(*number as i64)
        }
        Value::Number(number) => number.to_string().into(),
        other => {
            let got = other.type_name();
            let text = format!("trace.attr: a value is text, a number or a boolean, not {got}");
            return Err(mlua::Error::runtime(text));
        }
    })
}

/// A text that is not too long.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    }
    text
}

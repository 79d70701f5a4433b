//! The module `time`.

use std::rc::Rc;

use mlua::Value;

use super::{Doc, Function, Module};
use crate::value::GoDuration;

pub(super) const MODULE: Module = Module {
    name: "time",
    text: "Durations and waiting. A hook that waits costs nothing while it does; it ends when its \
           client goes away.",
    functions: &[SLEEP, TEXT, NOW],
};

const SLEEP: Function = Function {
    doc: Doc {
        name: "sleep",
        signature: "time.sleep(duration: string | number)",
        text: "Waits for a duration such as \"250ms\", or a number of seconds.",
        example: "time.sleep(\"100ms\")",
    },
    make: |lua, tools| {
        let tools = Rc::downgrade(tools);
        lua.create_async_function(move |lua, duration: Value| {
            let wait = tools.upgrade().map(|tools| {
                tools.gate.may_wait(&lua)?;
                self::duration(&duration, "time.sleep")
            });
            async move {
                if let Some(wait) = wait {
                    tokio::time::sleep(wait?).await;
                }
                Ok(())
            }
        })
        .map(Value::Function)
    },
};

const TEXT: Function = Function {
    doc: Doc {
        name: "text",
        signature: "time.text(seconds: number) -> string",
        text: "A duration as text, as Go writes it: \"1.5s\", \"2m0s\".",
        example: "res.headers[\"X-Took\"] = time.text(os.clock() - began)",
    },
    make: |lua, _| {
        lua.create_function(|_, seconds: Value| {
            let nanos = duration(&seconds, "time.text")?.as_nanos();
            let text = format!("{nanos}ns");
            let go = GoDuration::parse(&text).map_err(|e| mlua::Error::runtime(e.to_string()))?;
            Ok(go.to_string())
        })
        .map(Value::Function)
    },
};

const NOW: Function = Function {
    doc: Doc {
        name: "now",
        signature: "time.now() -> number",
        text: "Seconds since 1970 with their fraction, to a microsecond.",
        example: "local milliseconds = math.floor(time.now() * 1000)",
    },
    make: |lua, tools| {
        // In tests of scripts it is their clock's time.
        let clock = tools.probe.get().map(|probe| Rc::clone(&probe.clock));
        lua.create_function(move |_, ()| {
            if let Some(clock) = &clock {
                return Ok(clock.now());
            }
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Ok(since.unwrap_or_default().as_secs_f64())
        })
        .map(Value::Function)
    },
};

/// A duration as scripts write it: text such as "250ms", or a number of seconds.
///
/// # Errors
/// When it is none; `what` says which was wanted.
pub(super) fn duration(value: &Value, what: &str) -> mlua::Result<std::time::Duration> {
    let wrong = |text: String| mlua::Error::runtime(format!("{what}: this is no duration: {text}"));
    if let Some(number) = value.as_number() {
        return std::time::Duration::try_from_secs_f64(number).map_err(|e| wrong(e.to_string()));
    }
    let duration = GoDuration::parse(&value.to_string()?).map_err(|e| wrong(e.to_string()))?;
    Ok(duration.get())
}

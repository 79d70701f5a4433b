//! The module `time`.

use std::rc::Rc;

use mlua::Value;

use super::{Doc, Function, Module};
use crate::lua::waiting;
use crate::value::GoDuration;

pub(super) const MODULE: Module = Module {
    name: "time",
    text: "Durations and waiting. A hook that waits costs nothing while it does; it ends when its \
           client goes away.",
    functions: &[SLEEP, TEXT, NOW, HTTP, PARSE_HTTP],
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
        waiting::function(lua, move |lua, duration: Value| {
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
        let clock = tools.probe.get().map(|probe| Rc::clone(&probe.clock));
        lua.create_function(move |_, ()| {
            // Tests of scripts have a clock of their own.
            if let Some(clock) = &clock {
                return Ok(clock.now());
            }
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            Ok(since.unwrap_or_default().as_secs_f64())
        })
        .map(Value::Function)
    },
};

const HTTP: Function = Function {
    doc: Doc {
        name: "http",
        signature: "time.http(seconds: number) -> string",
        text: "Seconds since 1970 as headers write a date (RFC 9110, section 5.6.7).",
        example: "res.headers[\"Expires\"] = time.http(os.time() + 60)",
    },
    make: |lua, _| {
        lua.create_function(|_, seconds: Value| {
            let since = std::time::UNIX_EPOCH.checked_add(duration(&seconds, "time.http")?);
            // What comes after the year 9999 cannot be written.
            let last = std::time::UNIX_EPOCH + std::time::Duration::from_secs(LAST_SECOND);
            Ok(httpdate::fmt_http_date(since.unwrap_or(last).min(last)))
        })
        .map(Value::Function)
    },
};

/// The end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

const PARSE_HTTP: Function = Function {
    doc: Doc {
        name: "parse_http",
        signature: "time.parse_http(text: string) -> number?",
        text: "Seconds since 1970 of a date as headers write it, nil when it is none.",
        example: "local changed = time.parse_http(res.headers[\"Last-Modified\"] or \"\")",
    },
    make: |lua, _| {
        lua.create_function(|_, text: mlua::LuaString| {
            let date = httpdate::parse_http_date(&text.to_string_lossy()).ok();
            let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
            Ok(since.map(|since| since.as_secs_f64()))
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

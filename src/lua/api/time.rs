//! The module `time`.

use std::rc::Rc;

use mlua::Value;

use super::{Doc, Function, Module};
use crate::value::GoDuration;

pub(super) const MODULE: Module = Module {
    name: "time",
    text: "Waiting. A hook that waits costs nothing while it does; it ends when its client goes \
           away.",
    functions: &[Function {
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
                    seconds(&duration)
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
    }],
};

/// A duration such as "250ms", or a number of seconds.
///
/// # Errors
/// When it is none.
pub(super) fn seconds(value: &Value) -> mlua::Result<std::time::Duration> {
    let wrong = |text: String| mlua::Error::runtime(format!("this is no duration: {text}"));
    if let Some(number) = value.as_number() {
        return std::time::Duration::try_from_secs_f64(number).map_err(|e| wrong(e.to_string()));
    }
    let duration = GoDuration::parse(&value.to_string()?).map_err(|e| wrong(e.to_string()))?;
    Ok(duration.get())
}

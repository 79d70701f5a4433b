//! The hook `stream`, which looks at a TCP connection before it is handed on.

use std::rc::Rc;

use super::api::{ConnObject, ConnSlot};
use super::onerror::Rescue;
use super::{Context, Host, Instance, OnError, ScriptError};

/// Whether a connection may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admittance {
    /// It may.
    Granted,
    /// It is closed.
    Closed,
}

impl Instance {
    /// What its script works in where no request runs.
    #[must_use]
    pub fn outside(&self) -> Rc<dyn Host> {
        self.tools().outside()
    }

    /// Runs the `stream` hook. A failure closes the connection, unless `onError` is `skip`.
    pub async fn stream(self: &Rc<Self>, cx: &Rc<Context>) -> Admittance {
        if !self.admits() {
            return self.unrun_stream();
        }
        let slot = ConnSlot::new(Rc::clone(&cx.exchange.client));
        let held = Ended(&slot);
        let outcome = self.run_stream(cx, &slot).await;
        drop(held);
        self.note(outcome.as_ref());
        match outcome {
            Ok(()) if slot.is_closed.get() => Admittance::Closed,
            Ok(()) => Admittance::Granted,
            Err(error) => {
                Rescue::new(self.spec(), cx, self.tools(), "stream", &error);
                match self.spec().on_error {
                    OnError::Skip => Admittance::Granted,
                    OnError::Fail | OnError::Answer { .. } => Admittance::Closed,
                }
            }
        }
    }

    async fn run_stream(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        slot: &Rc<ConnSlot>,
    ) -> Result<(), ScriptError> {
        let loaded = self.loaded().await?;
        let Some(hook) = &loaded.stream else { return Ok(()) };
        let conn = ConnObject(Rc::clone(slot));
        let value: mlua::Value = self.run(cx, &loaded, hook, conn).await?;
        if value.is_nil() {
            return Ok(());
        }
        let (script, got) = (self.spec().source.name.to_string(), value.type_name());
        let reason = format!("stream must return nothing, got {got}; conn:close() closes");
        Err(ScriptError::Shape { script, reason })
    }
}

/// Takes the connection from the script, also when the hook is given up.
struct Ended<'a>(&'a ConnSlot);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.client.take();
    }
}

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
        let returned = self.run(cx, &loaded, hook, ConnObject(Rc::clone(slot))).await?;
        self.nothing(&returned, "stream must return nothing", "conn:close() closes")
    }

    /// Checks that a hook has returned nothing; what it is to do instead is part of the error.
    pub(super) fn nothing(
        &self,
        returned: &mlua::Value,
        must: &str,
        instead: &str,
    ) -> Result<(), ScriptError> {
        if returned.is_nil() {
            return Ok(());
        }
        let (script, got) = (self.spec().source.name.to_string(), returned.type_name());
        let reason = format!("{must}, got {got}; {instead}");
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

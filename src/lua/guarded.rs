//! How an instance is guarded and counted: its breaker is asked before a hook is run, and told
//! what became of it.
//!
//! Must not know what hooks do.

use super::error::blame;
use super::onerror::Rescue;
use super::{Admittance, Flow, Instance, InstanceSpec, OnError, ScriptError};
use crate::message::{Request, Response};

impl Instance {
    /// Whether a hook is run; it is counted either way.
    pub(super) fn admits(&self) -> bool {
        if self.breaker.admits() {
            self.tally.run();
            return true;
        }
        self.tally.refusal();
        false
    }

    /// Makes something in the VM.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn within<T>(
        &self,
        make: impl FnOnce(&mlua::Lua) -> mlua::Result<T>,
    ) -> Result<T, ScriptError> {
        let blame = |error| blame(&self.spec().source.name, &self.spec().limits, &error);
        make(&self.engine.lua).map_err(blame)
    }

    /// Notes what became of a hook. A body that did not come is no failure of the script.
    pub(super) fn note<T>(&self, outcome: Result<&T, &ScriptError>) {
        match outcome {
            Ok(_) | Err(ScriptError::Body { .. }) => {
                let was_open = self.breaker.is_open();
                self.breaker.note_success();
                if was_open {
                    self.tally.set_open(false);
                    let (script, middleware) = (&*self.spec().source.name, &*self.spec().name);
                    tracing::info!(script, middleware, "a script is well again");
                }
            }
            Err(_) => {
                self.tally.failure();
                if self.breaker.note_failure() {
                    self.tally.set_open(true);
                    let (script, middleware) = (&*self.spec().source.name, &*self.spec().name);
                    tracing::error!(
                        script,
                        middleware,
                        "a script fails nearly always and is not run for a while"
                    );
                }
            }
        }
    }

    /// How a request goes on whose hook is not run.
    pub(super) fn unrun_request(&self, request: Request) -> Flow {
        match self.spec().on_error {
            OnError::Skip => Flow::Next(request),
            _ => Flow::Done(self.unrun_answer()),
        }
    }

    /// How a response goes on whose hook is not run.
    pub(super) fn unrun_response(&self, response: Response) -> Response {
        match self.spec().on_error {
            OnError::Skip => response,
            _ => self.unrun_answer(),
        }
    }

    fn unrun_answer(&self) -> Response {
        Rescue::unlogged(self.spec(), self.tools()).answer()
    }

    /// Whether a connection goes on whose hook is not run.
    pub(super) fn unrun_stream(&self) -> Admittance {
        match self.spec().on_error {
            OnError::Skip => Admittance::Granted,
            _ => Admittance::Closed,
        }
    }
}

/// The failure of a hook that neither left the message nor answered.
pub(super) fn nothing_left(spec: &InstanceSpec) -> ScriptError {
    let reason = "the hook left no request and returned no response".to_owned();
    ScriptError::Shape { script: spec.source.name.to_string(), reason }
}

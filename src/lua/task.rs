//! Hooks that work for no request: `present` and `cleanup`, which set a DNS record and remove it,
//! and `allow`, which says whether a name may have a certificate.
//!
//! Must not know what is set where, and who asks.

use std::rc::Rc;

use serde_json::Value;

use super::api::json;
use super::{Context, Instance, ScriptError};

/// A hook that works for no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// `present`.
    Present,
    /// `cleanup`.
    Cleanup,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Present, Self::Cleanup];

    /// Its name in scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}

impl Instance {
    /// Runs a hook with a table. What goes wrong is the caller's to tell.
    ///
    /// # Errors
    /// When the script has no such hook, when it fails or passes a limit.
    pub async fn perform(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        task: Task,
        argument: &Value,
    ) -> Result<(), ScriptError> {
        let loaded = self.loaded().await?;
        let hook = match task {
            Task::Present => &loaded.present,
            Task::Cleanup => &loaded.cleanup,
        };
        let Some(hook) = hook else {
            let script = self.spec().source.name.to_string();
            let reason = format!("it has no {}", task.name());
            return Err(ScriptError::Shape { script, reason });
        };
        let argument = self.within(|lua| json::to_lua(lua, argument))?;
        // Whatever it returns means nothing: it has failed if it raises an error.
        self.run::<mlua::MultiValue>(cx, &loaded, hook, argument).await.map(drop)
    }

    /// What the hook `allow` says of a name; nil is no.
    ///
    /// # Errors
    /// When the script has no such hook, when it fails, passes a limit or says something else.
    pub async fn allows(
        self: &Rc<Self>,
        cx: &Rc<Context>,
        name: &str,
    ) -> Result<bool, ScriptError> {
        let wrong = |reason: String| {
            let script = self.spec().source.name.to_string();
            ScriptError::Shape { script, reason }
        };
        let loaded = self.loaded().await?;
        let Some(hook) = &loaded.allow else { return Err(wrong("it has no allow".to_owned())) };
        match self.run(cx, &loaded, hook, name).await? {
            mlua::Value::Nil => Ok(false),
            mlua::Value::Boolean(says) => Ok(says),
            other => {
                let got = other.type_name();
                Err(wrong(format!("allow must return true or false, got {got}")))
            }
        }
    }
}

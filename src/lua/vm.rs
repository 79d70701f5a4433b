//! The VM of one worker.

use std::rc::Rc;
use std::sync::Arc;

use mlua::Lua;

use super::error::blame;
use super::load::{self, Loaded};
use super::memory::Categories;
use super::testing::Probe;
use super::tools::{Mode, Tools};
use super::{Host, Instance, InstanceSpec, Limits, ScriptError, Shared, sandbox};

/// One worker's VM with its limits.
pub struct Vm {
    engine: Rc<Engine>,
}

/// What the instances of a worker share.
pub(super) struct Engine {
    pub(super) lua: Lua,
    pub(super) tools: Rc<Tools>,
    categories: Rc<Categories>,
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").field("used_bytes", &self.used_bytes()).finish_non_exhaustive()
    }
}

impl Vm {
    /// A fresh VM that shares no state with others.
    ///
    /// # Errors
    /// When the VM cannot be set up.
    pub fn new() -> Result<Self, ScriptError> {
        Self::sharing(Shared::new())
    }

    /// A fresh VM that shares state with others.
    ///
    /// # Errors
    /// When the VM cannot be set up.
    pub fn sharing(shared: Arc<Shared>) -> Result<Self, ScriptError> {
        Self::made(Tools::new(Mode::Live, shared))
    }

    /// A fresh VM whose scripts are watched.
    ///
    /// # Errors
    /// When the VM cannot be set up.
    pub(super) fn watched(shared: Arc<Shared>, probe: Rc<Probe>) -> Result<Self, ScriptError> {
        let tools = Tools::new(Mode::Live, shared);
        // Set once, right after its making, so it cannot be set already.
        let _ = tools.probe.set(probe);
        tools.gate.run_whole();
        Self::made(tools)
    }

    fn made(tools: Rc<Tools>) -> Result<Self, ScriptError> {
        let lua = sandbox::vm(&tools)
            .map_err(|error| blame("the scripts' VM", &Limits::default(), &error))?;
        Ok(Self { engine: Rc::new(Engine { lua, tools, categories: Rc::default() }) })
    }

    /// Loads a script and runs its `setup`.
    ///
    /// # Errors
    /// When the script does not compile, fails or passes a limit.
    pub async fn instance(&self, spec: &Arc<InstanceSpec>) -> Result<Rc<Instance>, ScriptError> {
        let instance = Rc::new(Instance::new(Rc::clone(&self.engine), Arc::clone(spec)));
        instance.load().await?;
        Ok(instance)
    }

    /// Says what scripts work in when no request runs, in their timers for example. Once; later
    /// words change nothing.
    pub fn work_in(&self, outside: Rc<dyn Host>) {
        let _ = self.engine.tools.outside.set(outside);
    }

    /// Bytes that the VM holds now, garbage included.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.engine.lua.used_memory()
    }
}

impl Engine {
    /// Loads a script with its options; `setup` is not run.
    pub(super) fn load(&self, spec: &InstanceSpec) -> Result<Loaded, ScriptError> {
        load::load(&self.lua, &self.tools, &self.categories, spec)
    }
}

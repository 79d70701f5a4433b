//! Scripts that rules ask, run in a VM of their own, so that no worker is asked.

use std::cell::OnceCell;

use tokio::runtime::{Builder, Runtime};

use crate::lua::Vm;
use crate::message::Request;
use crate::rule::Judge;
use crate::snapshot::Snapshot;

/// Scripts of one generation, asked about one request.
#[derive(Debug)]
pub(super) struct Scripts<'a> {
    snapshot: &'a Snapshot,
    request: &'a Request,
    /// Made when a script is first asked; none when it cannot be.
    vm: OnceCell<Option<(Runtime, Vm)>>,
}

impl<'a> Scripts<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, request: &'a Request) -> Self {
        Self { snapshot, request, vm: OnceCell::new() }
    }

    fn says(&self, script: &str) -> Option<bool> {
        let id = self.snapshot.scripts.get(script)?;
        let spec = self.snapshot.instances.iter().find(|spec| spec.id == *id)?;
        let made = || {
            let runtime = Builder::new_current_thread().enable_all().build().ok()?;
            Some((runtime, Vm::new().ok()?))
        };
        let (runtime, vm) = self.vm.get_or_init(made).as_ref()?;
        let instance = runtime.block_on(vm.instance(spec)).ok()?;
        Some(instance.judge(self.request.copy()))
    }
}

impl Judge for Scripts<'_> {
    fn judge(&self, script: &str) -> bool {
        self.says(script).unwrap_or_default()
    }
}
